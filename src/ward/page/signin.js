// Signing in: at the beginning, and again when a session has ended.

import { h, freshId, replace } from "./dom.js";
import { languages, choose, current, has, t } from "./text.js";
import { held } from "./store.js";
import { api } from "./api.js";
import { duration } from "./format.js";
import { unlock } from "./sound.js";
import { errorText } from "./errors.js";

const STATION = "scanward.station";
const STATION_CHARS_MAX = 64;
/** Where one was before going to the hospital's service; in this window only. */
const PLACE = "scanward.place";
const REFUSED = /^#sign-in\/(oidc-[a-z-]{1,20})$/;

/** The nursing station that acknowledgements name. */
export function station() {
  const { session } = held();
  return keptStation() || session?.station_default || session?.site || "ward";
}

/** The station kept on this computer. */
function keptStation() {
  try {
    return localStorage.getItem(STATION) ?? "";
  } catch {
    return "";
  }
}

/** The word with which the hospital's service led back here in vain, taken out of the address; null where it did not. */
export function refusalOnReturn() {
  const code = REFUSED.exec(location.hash)?.[1] ?? null;
  if (code) history.replaceState(null, "", "#/");
  else goBackToPlace();
  return code;
}

/** A view's address is all that is taken back: nothing that leads elsewhere. */
function goBackToPlace() {
  try {
    const place = sessionStorage.getItem(PLACE);
    sessionStorage.removeItem(PLACE);
    if (!location.hash && place?.startsWith("#/")) history.replaceState(null, "", place);
  } catch {
    // not kept, then
  }
}

function keepPlace() {
  try {
    sessionStorage.setItem(PLACE, location.hash);
  } catch {
    // one begins at the list, then
  }
}

/** In words, for the code that led back here. */
export function refusalText(code) {
  return t(has(`signin.${code}`) ? `signin.${code}` : "signin.oidc-failed");
}

/** `expired` says why one is asked again; `cancel` goes back to a page that is still open; `done` gets the session; `redraw` is for another language; `refused` is the word of the hospital's service. */
export function signInView({ expired, user, cancel, done, redraw, refused }) {
  const ids = { user: freshId("user"), password: freshId("password"), station: freshId("station"), hint: freshId("hint"), trouble: freshId("error") };
  const text = { type: "text", autocapitalize: "none", spellcheck: "false", maxlength: "64", "aria-describedby": ids.trouble };
  const name = h("input", { ...text, id: ids.user, name: "username", autocomplete: "username", required: true, value: user ?? null });
  const password = h("input", { id: ids.password, name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: "256", "aria-describedby": ids.trouble });
  const station = h("input", { id: ids.station, name: "station", type: "text", autocomplete: "off", maxlength: String(STATION_CHARS_MAX), value: keptStation(), "aria-describedby": ids.hint });
  const trouble = h("p", { class: "field-error", id: ids.trouble, role: "alert" });
  const button = h("button", { type: "submit", class: "button large" }, t("signin.submit"));
  const others = h("div");
  offer(others, () => {
    keepStation(station.value);
    keepPlace();
  });

  async function submit(event) {
    event.preventDefault();
    unlock(); // the click that lets the page sound
    trouble.textContent = "";
    button.disabled = true;
    try {
      await api.signIn(name.value.trim(), password.value);
      keepStation(station.value);
      password.value = "";
      done(await api.session());
    } catch (error) {
      trouble.textContent = words(error);
      password.value = "";
      password.focus();
    } finally {
      button.disabled = false;
    }
  }

  const root = h(
    "main",
    { class: "signin", id: "main" },
    h(
      "div",
      { class: "signin-card" },
      h("p", { class: "brand" }, h("span", { class: "logo", "aria-hidden": "true" }), "scanward"),
      expired
        ? h("div", { class: "note note-bad", role: "alert" }, h("h1", null, t("signin.expired")), h("p", null, t("signin.expired.text")))
        : [h("h1", null, t("signin.title")), h("p", { class: "quiet" }, t("signin.lead"))],
      refused && h("div", { class: "note note-bad", role: "alert" }, refusalText(refused)),
      h(
        "form",
        { onsubmit: submit },
        h("div", { class: "field" }, h("label", { for: ids.user }, t("signin.user")), name),
        h("div", { class: "field" }, h("label", { for: ids.password }, t("signin.password")), password),
        h("div", { class: "field" }, h("label", { for: ids.station }, t("signin.station")), h("p", { class: "details", id: ids.hint }, t("signin.station.hint")), station),
        trouble,
        button,
        others,
        cancel && h("button", { type: "button", class: "button quiet-button large", onclick: cancel }, t("cancel")),
      ),
      languageSwitch(redraw),
      h("p", { class: "notice" }, t("notice")),
    ),
  );
  return { root, focus: () => (user ? password : name).focus() };
}

function keepStation(name) {
  try {
    localStorage.setItem(STATION, name.trim());
  } catch {
    // not kept, then
  }
}

/** The way by the hospital's service, where there is one: a plain link, so that the browser itself goes there. */
async function offer(place, leaving) {
  const ways = await api.signInWays().catch(() => null);
  if (!ways?.oidc) return;
  replace(
    place,
    h("p", { class: "or" }, t("signin.or")),
    h("a", { class: "button quiet-button large", href: api.signInPath, onclick: leaving, "data-focus": "oidc" }, ways.oidc.label || t("signin.oidc")),
  );
}

function words(error) {
  if (error.status === 429) return t("signin.limited", { seconds: error.retryAfter ?? 60 });
  if (error.code === "locked") return t("signin.locked", { duration: duration(error.retryAfter ?? 900) });
  return errorText(error, { "http-401": "signin.wrong" });
}

/** A button for each language, under its own name. */
export function languageSwitch(redraw) {
  const buttons = languages().map(({ tag, own }) =>
    h(
      "button",
      {
        type: "button",
        class: "language",
        lang: tag,
        "aria-pressed": String(current().tag === tag),
        "data-focus": `language-${tag}`,
        onclick: () => {
          choose(tag);
          redraw();
        },
      },
      own,
    ),
  );
  return h("div", { class: "languages", role: "group", "aria-label": t("language") }, buttons);
}
