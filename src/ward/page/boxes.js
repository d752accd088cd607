// The boxes beside the scanners: whether findings can be expected from them.

import { h, replace } from "./dom.js";
import { coded, t } from "./text.js";
import { held, now } from "./store.js";
import { clock, duration, isNumber } from "./format.js";
import { light } from "./symbols.js";

function sorted() {
  const name = (box) => `${box.site}/${box.device}`;
  return [...held().boxes.values()].sort((one, other) => (name(one) < name(other) ? -1 : 1));
}

/** Above the list: each box with its light. */
export function boxStrip() {
  const boxes = sorted();
  const marks = boxes.map((box) => h("li", null, h("span", { class: "box-name" }, box.device), light(box.light)));
  return boxes.length ? h("ul", { class: "box-strip", "aria-label": t("box.strip") }, marks) : null;
}

/** In words, which boxes are not to be waited for. */
export function silentBoxes() {
  const silent = sorted().filter((box) => box.light === "red");
  return silent.map((box) => h("p", { class: "note note-bad" }, t("box.nothing-comes", { device: `${box.site} / ${box.device}` })));
}

export function boxesView() {
  const place = h("div", { class: "boxes" });
  const root = h("div", null, h("h1", { tabindex: "-1" }, t("boxes.title")), h("p", { class: "lead" }, t("boxes.lead")), place);

  function draw() {
    const boxes = sorted();
    replace(place, boxes.length ? boxes.map(card) : h("p", { class: "empty" }, t("boxes.empty")));
  }

  function tick() {
    for (const cell of root.querySelectorAll("[data-seen]")) cell.textContent = ago(cell.dataset.seen);
  }

  draw();
  return {
    root,
    title: () => t("boxes.title"),
    tick,
    changed(topic) {
      if (topic === "boxes") draw();
    },
  };
}

function ago(text) {
  const seconds = Math.max(0, Math.floor((now() - Date.parse(text)) / 1000));
  return Number.isFinite(seconds) ? t("boxes.ago", { duration: duration(seconds) }) : "–";
}

function fact(name, ...value) {
  return h("div", { class: "fact" }, h("dt", null, t(name)), h("dd", null, value));
}

/** Codes in the reader's language where this page knows them, then the server's own words. */
function reasons(box) {
  const codes = Array.isArray(box.degraded) ? box.degraded : [];
  const texts = Array.isArray(box.reasons) ? box.reasons : [];
  const words = texts.length ? texts : codes;
  return words.map((text, place) => {
    const code = texts.length === codes.length ? codes[place] : text;
    return coded("degraded", code, text);
  });
}

function card(box) {
  const why = reasons(box);
  const { series = {}, outbox = {}, model } = box;
  const waiting = outbox?.count
    ? t("boxes.outbox.some", { count: outbox.count, duration: duration(outbox.oldest_s ?? 0) })
    : t("boxes.outbox.empty");
  return h(
    "section",
    { class: `card box box-${["green", "amber", "red"].includes(box.light) ? box.light : "red"}` },
    h("div", { class: "box-head" }, h("h2", null, `${box.site} / ${box.device}`), light(box.light)),
    h("p", { class: "details" }, coded("boxes.state", box.state), " · ", t("boxes.last-seen"), " ", clock(box.last_seen), " (", h("span", { "data-seen": box.last_seen }, ago(box.last_seen)), ")"),
    h("h3", null, t("boxes.reasons")),
    why.length ? h("ul", { class: "plain-list" }, why.map((text) => h("li", null, text))) : h("p", { class: "quiet" }, t("boxes.reasons.none")),
    h(
      "dl",
      { class: "facts" },
      isNumber(series?.today) && fact("boxes.last-series", t("boxes.series", { in_flight: 0, triaged: 0, not_triaged: 0, ...series })),
      fact("boxes.outbox", waiting),
      model && fact("boxes.model", typeof model === "string" ? model : `${model.name ?? ""} ${model.version ?? ""}`),
      box.backend && fact("boxes.backend", box.backend),
      box.version && fact("boxes.version", box.version),
    ),
  );
}
