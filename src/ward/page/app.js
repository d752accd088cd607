// The page as a whole: who is signed in, which view shows, what is called out.

import { h, replace, focusOn } from "./dom.js";
import { coded, current, t } from "./text.js";
import {
  clear, held, isCalling, isOpen, loadBoxes, loadFindings, loadNotTriaged, now, setConnection, setSession, watch,
} from "./store.js";
import { clock, patientName } from "./format.js";
import { api, onSignedOut } from "./api.js";
import { errorText } from "./errors.js";
import { follow, stop, tryNow } from "./events.js";
import { isWanted, onSoundChange, playSignedOut, setWanted, soundState, tick as tickSound, unlock } from "./sound.js";
import { symbol } from "./symbols.js";
import { languageSwitch, refusalOnReturn, refusalText, signInView, station } from "./signin.js";
import { announce, showToastsIn } from "./announce.js";
import { boxName, listView } from "./list.js";
import { findingView } from "./finding.js";
import { boxesView } from "./boxes.js";
import { myKeyView } from "./my-key.js";
import { keysView } from "./keys.js";
import { auditView } from "./audit.js";
import { keysAreOn, showHelp } from "./help.js";

const page = document.getElementById("page");
/** How long before its end a session is said to end. */
const ENDING_MS = 5 * 60 * 1000;

/** How often the page asks whether the server hears the boxes. */
const ASK_EVERY_MS = 30 * 1000;

const shell = { root: null, banner: null, main: null, view: null, parts: {} };
let signIn = null;
let lastLost = null;

// ---- calling out

function callOut(topic, finding) {
  if (topic === "refused") {
    const text = coded("refused", finding.refused.code, finding.refused.text);
    announce(t("alert.refused", { patient: patientName(finding), text }), false, true);
    return;
  }
  if (!finding || !isOpen(finding)) {
    if (topic === "state" && finding?.by) {
      announce(t("alert.state", { patient: patientName(finding), state: coded("state", finding.state), by: finding.by }));
    }
    return;
  }
  const words = { priority: coded("priority", finding.priority), patient: patientName(finding), box: boxName(finding) };
  if (topic === "new") announce(t("alert.new", words), finding.priority === "critical");
  if (topic === "escalated") announce(t("alert.escalated", words), true);
}

// ---- views

const ROUTES = [
  { pattern: /^#\/finding\/([^/]+)$/, nav: "findings", view: (id) => findingView(id) },
  { pattern: /^#\/boxes$/, nav: "boxes", view: boxesView },
  { pattern: /^#\/my-key$/, nav: "my-key", role: "physician", view: myKeyView },
  { pattern: /^#\/keys$/, nav: "keys", role: "it", view: keysView },
  { pattern: /^#\/audit$/, nav: "audit", role: "it", view: auditView },
];

function route() {
  for (const { pattern, nav, role, view } of ROUTES) {
    const found = pattern.exec(location.hash);
    if (found && (!role || held().session?.role === role)) return { nav, view: view(...found.slice(1).map(decoded)) };
  }
  return { nav: "findings", view: listView() };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show(focuses) {
  shell.view?.end?.();
  const { nav, view } = route();
  shell.view = view;
  replace(shell.main, view.root);
  for (const link of shell.root.querySelectorAll("nav a")) {
    if (link.dataset.nav === nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  drawTitle();
  window.scrollTo(0, 0);
  if (focuses) shell.main.querySelector("h1")?.focus();
}

// ---- the frame

function frame() {
  const { session } = held();
  const parts = { connection: h("span"), sound: h("span"), banner: h("div"), toasts: h("div", { class: "toasts" }) };
  const links = [["findings", "#/"], ["boxes", "#/boxes"]];
  if (session.role === "physician") links.push(["my-key", "#/my-key"]);
  if (session.role === "it") links.push(["keys", "#/keys"], ["audit", "#/audit"]);
  const nav = links.map(([name, href]) => h("a", { href, "data-nav": name, "data-focus": `nav-${name}` }, t(`nav.${name}`)));
  const main = h("main", { id: "main", tabindex: "-1" });
  const who = h(
    "div",
    { class: "user" },
    symbol("person"),
    h("span", { class: "user-name" }, session.name || session.user, h("span", { class: "details" }, `${coded("role", session.role)} · ${station()}`)),
    h("button", { type: "button", class: "bar-button", onclick: signOut, "data-focus": "sign-out" }, t("sign-out")),
  );
  const root = h(
    "div",
    { class: "frame" },
    h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, t("skip")),
    h(
      "header",
      { class: "bar" },
      h("div", { class: "bar-top" },
        h("p", { class: "brand" }, h("span", { class: "logo", "aria-hidden": "true" }), "scanward", h("span", { class: "site" }, session.site)),
        h("nav", { "aria-label": t("nav") }, nav),
        h("div", { class: "tools" },
          parts.connection,
          parts.sound,
          h("button", { type: "button", class: "bar-button help-button", "aria-label": t("help.open"), title: t("help.open"), onclick: showHelp, "data-focus": "help" }, "?"),
          languageSwitch(redraw),
          who,
        ),
      ),
    ),
    parts.banner,
    main,
    h("footer", { class: "foot" }, t("notice")),
    parts.toasts,
  );
  Object.assign(shell, { root, main, parts });
  replace(page, root);
  showToastsIn(parts.toasts);
  drawConnection();
  drawSound();
  drawBanner();
}

function drawConnection() {
  if (!shell.parts.connection) return;
  const { state } = held().connection;
  const look = { class: `connection connection-${state}`, role: "status" };
  replace(shell.parts.connection, h("span", look, symbol(state === "live" ? "live" : "rejected"), t(`connection.${state}`)));
}

function drawSound() {
  if (!shell.parts.sound) return;
  const state = soundState();
  const press = () => (state === "blocked" ? unlock() : setWanted(!isWanted()));
  const look = {
    type: "button",
    class: `bar-button sound sound-${state}`,
    title: state === "blocked" ? t("sound.blocked.title") : null,
    onclick: press,
    "data-focus": "sound",
  };
  replace(shell.parts.sound, h("button", look, symbol(state === "on" ? "sound" : "silent"), h("span", null, t(`sound.${state}`))));
}

function drawBanner() {
  if (!shell.parts.banner) return;
  const { connection, session } = held();
  const list = [];
  if (connection.state === "lost") {
    const button = h("button", { type: "button", class: "button quiet-button", onclick: tryNow, "data-focus": "try-now" }, t("stale.now"));
    list.push(
      h("div", { class: "banner banner-bad", role: "alert" }, h("div", null, h("strong", null, t("stale.title", { time: clock(connection.since, true) })), " ", t("stale.text")), button),
    );
  }
  if (held().broker?.connected === false) {
    list.push(h("div", { class: "banner banner-bad", role: "alert" }, t("broker.lost", { time: clock(held().broker.since) })));
  }
  if (soundState() === "blocked") {
    const button = h("button", { type: "button", class: "button quiet-button", onclick: unlock, "data-focus": "sound-now" }, t("sound.blocked.now"));
    list.push(h("div", { class: "banner" }, h("div", null, h("strong", null, t("sound.blocked.title")), ". ", t("sound.blocked.text")), button));
  }
  if (endsSoon(session)) {
    const button = h("button", { type: "button", class: "button quiet-button", onclick: () => askToSignIn(false, session.user, stay), "data-focus": "again" }, t("signin.ending.again"));
    list.push(h("div", { class: "banner", role: "status" }, h("div", null, t("signin.ending", { time: clock(session.expires_at) })), button));
  }
  replace(shell.parts.banner, list);
}

function endsSoon(session) {
  const end = Date.parse(session?.expires_at);
  return Number.isFinite(end) && end - now() < ENDING_MS && end > now();
}

function drawTitle() {
  const name = shell.view?.title?.() ?? "scanward";
  if (signIn?.expired) {
    document.title = `⚠ ${t("title.signed-out")}`;
    return;
  }
  const calling = [...held().findings.values()].filter(isCalling);
  const critical = calling.some((finding) => finding.priority === "critical");
  const lost = held().connection.state === "lost" ? "⚠ " : "";
  const badge = calling.length ? `(${calling.length}) ${critical ? `${t("priority.critical")}! ` : ""}` : "";
  document.title = `${lost}${badge}${name} · scanward`;
}

function redraw() {
  document.documentElement.lang = current().tag;
  if (signIn) {
    const { expired, user, cancel, refused } = signIn;
    // Both the sheet on top and the page below speak the new language.
    if (held().session) {
      frame();
      show(false);
    }
    askToSignIn(expired, user, cancel, refused);
    return;
  }
  frame();
  show(false);
  focusOn(document, `language-${current().tag}`);
}

// ---- signing in and out

/** The session ended by itself: what was on the page is hidden, not lost, and nothing of it can be read meanwhile. */
function sessionEnded() {
  if (signIn?.expired) return;
  const user = held().session?.user;
  stop();
  playSignedOut();
  askToSignIn(true, user);
}

/** Back to the page, for whom it still is open. */
function stay() {
  signIn.root.remove();
  signIn = null;
  page.hidden = false;
}

function askToSignIn(expired, user = null, cancel = null, refused = null) {
  const view = signInView({ expired, user, cancel, refused, done: (session) => signedIn(session), redraw });
  signIn?.root.remove();
  signIn = { expired, user, cancel, refused, root: view.root };
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  page.hidden = true;
  page.before(view.root);
  drawTitle();
  if (!held().session) document.title = `${t("signin.title")} · scanward`;
  view.focus();
}

async function signedIn(session) {
  const earlier = held().session;
  signIn?.root.remove();
  signIn = null;
  page.hidden = false;
  const same = earlier?.user === session.user && earlier?.role === session.role && shell.root;
  if (!same) clear();
  setSession(session);
  if (!same) {
    frame();
    replace(shell.main, h("p", { class: "quiet" }, t("loading")));
  } else {
    drawBanner();
  }
  await load(!same);
}

/** Takes the whole list, then follows the changes from there. */
async function load(shows) {
  try {
    const [list, without, boxes] = await Promise.all([api.findings(), api.notTriaged(), api.boxes().catch(() => ({ boxes: [] }))]);
    loadFindings(list.findings ?? [], list.sequence);
    loadNotTriaged(without.series ?? []);
    loadBoxes(boxes.boxes ?? [], boxes.broker);
    setConnection("live");
    if (shows) show(false);
    drawTitle();
    follow({ reload: () => load(false), expired: sessionEnded });
  } catch (error) {
    if (error.status === 401) return;
    setConnection("lost");
    const retry = h("button", { type: "button", class: "button", onclick: () => load(shows) }, t("retry"));
    if (shows) replace(shell.main, h("div", { class: "note note-bad", role: "alert" }, errorText(error), " ", retry));
    setTimeout(() => held().connection.state === "lost" && !signIn && load(shows), 5000);
  }
}

async function signOut() {
  stop();
  await api.signOut().catch(() => {});
  clear();
  setSession(null);
  shell.view?.end?.();
  Object.assign(shell, { root: null, view: null, main: null, parts: {} });
  replace(page);
  location.hash = "#/";
  askToSignIn(false, null);
}

// ---- keys

const WRITES = /^(INPUT|TEXTAREA|SELECT)$/;

document.addEventListener("keydown", (event) => {
  if (signIn || !shell.view || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (WRITES.test(event.target.tagName ?? "") || !keysAreOn()) return;
  if (event.key === "?") showHelp();
  else if (event.key === "m") setWanted(!isWanted());
  else if (!shell.view.key?.(event)) return;
  event.preventDefault();
});

// A click or key anywhere lets the sound begin.
for (const name of ["pointerdown", "keydown"]) {
  document.addEventListener(name, () => soundState() === "blocked" && unlock(), { passive: true });
}

// ---- the beginning

watch((topic, detail) => {
  if (!held().session || !shell.root) return;
  if (["new", "escalated", "state", "refused"].includes(topic)) {
    callOut(topic, detail);
    tickSound(isCalling(detail) && topic !== "refused");
    return;
  }
  if (topic === "connection") {
    const { state } = held().connection;
    if (state === "lost") lastLost = Date.now();
    else if (state === "live" && lastLost) {
      lastLost = null;
      announce(t("stale.over"));
    }
    drawConnection();
    drawBanner();
  }
  if (topic === "boxes") drawBanner();
  shell.view?.changed?.(topic, detail);
  drawTitle();
});

onSignedOut(sessionEnded);
onSoundChange(() => {
  drawSound();
  drawBanner();
});
window.addEventListener("hashchange", () => shell.root && show(true));
// The server tells of boxes when they change; of its own ear for them it is asked.
setInterval(async () => {
  if (!held().session || signIn || held().connection.state !== "live") return;
  const answer = await api.boxes().catch(() => null);
  if (answer) loadBoxes(answer.boxes ?? [], answer.broker);
}, ASK_EVERY_MS);
let ended = false;
setInterval(() => {
  if (!held().session || signIn?.expired) return;
  tickSound();
  shell.view?.tick?.();
  const soon = endsSoon(held().session);
  if (soon !== ended) {
    ended = soon;
    drawBanner();
  }
}, 1000);

/** Why the hospital's service led back here in vain. */
let refused = null;

async function begin() {
  document.documentElement.lang = current().tag;
  refused = refusalOnReturn() ?? refused;
  try {
    await signedIn(await api.session());
    unlock(); // some browsers allow it at once
    if (refused) announce(refusalText(refused), true, true);
    refused = null;
  } catch (error) {
    if (error.status === 401) return askToSignIn(false, null, null, refused);
    const retry = h("button", { type: "button", class: "button", onclick: begin }, t("retry"));
    replace(page, h("main", { class: "signin" }, h("h1", null, "scanward"), h("p", { class: "note note-bad", role: "alert" }, errorText(error)), retry));
    setTimeout(() => page.querySelector(".signin") && begin(), 5000);
  }
}

begin();
