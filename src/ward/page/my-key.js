// A physician's own key: made here, enrolled with a code from IT.

import { h, replace, freshId } from "./dom.js";
import { t } from "./text.js";
import { held } from "./store.js";
import { canSign, findKeys, makeKey } from "./keyring.js";
import { api } from "./api.js";
import { errorText } from "./errors.js";

/** One word for this browser's keys and the server's knowledge together, and the key that counts. */
export function keyState(supported, keys, listed) {
  if (!supported) return { state: "unsupported" };
  const known = listed?.state ?? "none";
  const key = keys.find((own) => own.key_id === listed?.key_id);
  if (!["pending", "listed", "revoked"].includes(known)) return { state: "none" };
  if (key) return { state: known, key };
  return { state: known === "revoked" ? "none" : "other" };
}

/** The same, asked for now. */
export async function ownKey() {
  const supported = await canSign();
  const [keys, answer] = await Promise.all([supported ? findKeys("verdict", held().session.user) : [], api.keys()]);
  return keyState(supported, keys, answer?.own);
}

/** What that state means and what to do. */
export function keyNote(state) {
  const look = state === "listed" ? "note note-good" : state === "pending" ? "note" : "note note-bad";
  return h("div", { class: look }, h("strong", null, t(`key.${state}`)), h("p", null, t(`key.${state}.text`)));
}

export function myKeyView() {
  const place = h("div", null, h("p", { class: "quiet" }, t("loading")));
  const root = h(
    "div",
    { class: "narrow" },
    h("h1", { tabindex: "-1" }, t("key.title")),
    h("p", { class: "lead" }, t("key.lead")),
    place,
  );
  let over = false;

  async function load(told) {
    try {
      const { state, key } = await ownKey();
      if (!over) draw(state, key, told);
    } catch (error) {
      if (!over && error.status !== 401) replace(place, h("p", { class: "note note-bad", role: "alert" }, errorText(error)));
    }
  }

  function draw(state, own, told) {
    replace(
      place,
      told && h("p", { class: "note note-good", role: "status" }, told),
      keyNote(state),
      own &&
        h(
          "dl",
          { class: "facts wide card" },
          h("div", { class: "fact" }, h("dt", null, t("key.id")), h("dd", null, h("code", { class: "large-code" }, grouped(own.key_id)))),
          h("div", { class: "fact" }, h("dt", null, t("key.public")), h("dd", null, h("code", null, own.public_key))),
        ),
      state === "pending" && h("p", { class: "quiet" }, t("key.compare")),
      state !== "unsupported" && state !== "pending" && state !== "listed" && enrolForm(() => load(t("key.enrolled"))),
    );
  }

  load();
  return { root, title: () => t("key.title"), changed() {}, end: () => (over = true) };
}

function enrolForm(done) {
  const id = freshId("code"), hint = freshId("hint"), wrong = freshId("error");
  const code = h("input", { id, type: "text", autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false", maxlength: "64", required: true, "aria-describedby": `${hint} ${wrong}` });
  const trouble = h("p", { class: "field-error", id: wrong, role: "alert" });
  const button = h("button", { type: "submit", class: "button" }, t("key.enrol"));

  // One key, however often the code is typed wrong: none is left behind that nobody enrolled.
  let key;

  async function submit(event) {
    event.preventDefault();
    trouble.textContent = "";
    button.disabled = true;
    try {
      key ??= await makeKey("verdict", held().session.user);
      await api.enrol(code.value.trim(), key.public_key);
      done();
    } catch (error) {
      button.disabled = false;
      if (error.status === 401) return;
      trouble.textContent = error.status === undefined ? `${t("key.unsupported")} (${error.name})` : errorText(error, { "bad-code": "key.bad-code" });
      code.focus();
    }
  }

  return h(
    "form",
    { class: "card", onsubmit: submit },
    h("div", { class: "field" }, h("label", { for: id }, t("key.code")), h("p", { class: "details", id: hint }, t("key.code.hint")), code, trouble),
    h("div", { class: "actions" }, button),
  );
}

/** Sixteen digits are compared more easily by fours. */
export function grouped(id) {
  return String(id).replace(/(.{4})(?=.)/g, "$1 ");
}
