// Keys and symbols, explained.

import { h, freshId } from "./dom.js";
import { t } from "./text.js";
import { light, priorityBadge, stateMark, trendMark } from "./symbols.js";

const KEPT = "scanward.keys";

/** Whether single keys do something; who dictates or has unsteady hands turns them off. */
export function keysAreOn() {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
}

function keep(on) {
  try {
    localStorage.setItem(KEPT, on ? "on" : "off");
  } catch {
    // not kept, then
  }
}

export function showHelp() {
  if (document.querySelector("dialog[open]")) return;
  const titleId = freshId("title"), switchId = freshId("keys");
  const keys = [["j", "help.j"], ["k", "help.k"], ["Enter", "help.enter"], ["a", "help.a"], ["u", "help.u"], ["m", "help.m"], ["?", "help.question"]];
  const toggle = h("input", { type: "checkbox", id: switchId, checked: keysAreOn(), onchange: () => keep(toggle.checked) });
  const states = ["open", "escalated", "acknowledged", "confirmed", "corrected", "rejected"];
  const marks = [
    ["critical", "urgent", "routine"].map(priorityBadge),
    states.map((state) => stateMark({ state })),
    ["worsening", "stable", "improving"].map(trendMark),
    ["green", "amber", "red"].map(light),
  ];
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": titleId, onclose: () => dialog.remove() },
    h("h2", { id: titleId, tabindex: "-1" }, t("help.title")),
    h("p", null, t("help.order")),
    h("p", null, h("strong", null, t("help.not"))),
    h("h3", null, t("help.keys")),
    h("p", { class: "quiet" }, t("help.keys.lead")),
    h("dl", { class: "key-list" }, keys.map(([key, text]) => h("div", null, h("dt", null, h("kbd", null, key)), h("dd", null, t(text))))),
    h("p", { class: "check" }, toggle, h("label", { for: switchId }, t("help.keys.on"))),
    h("h3", null, t("help.symbols")),
    h("ul", { class: "symbol-list" }, marks.map((group) => h("li", null, group))),
    h("p", { class: "quiet" }, t("notice")),
    h("div", { class: "actions" }, h("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("close"))),
  );
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("h2").focus();
}
