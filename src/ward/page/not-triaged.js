// The series that have no finding, and what to do about each: silence must not pass for a healthy lung.

import { h } from "./dom.js";
import { coded, t } from "./text.js";
import { notTriaged } from "./store.js";
import { clock, patientDetails, patientName } from "./format.js";

/** What the box is not meant to look at, by its rules or by what it is. Nobody has to do anything. */
const LEFT_OUT = new Set(["not-dicom", "no-image", "localizer", "not-ct", "series-rule"]);

/** What can be done, by the reason's code. */
const REMEDIES = {
  truncated: "again", "pixel-data": "again", "geometry-gap": "again", unreadable: "again", "files-gone": "again",
  malformed: "standard", "missing-element": "standard", "instance-conflict": "standard",
  "transfer-syntax": "syntax", "pixel-format": "original", "too-large": "usual-size", "series-too-large": "usual-size",
  "not-axial": "no-tilt", "orientation-mixed": "no-tilt", "gantry-tilt": "no-tilt",
  "size-mixed": "one", "frame-of-reference-mixed": "one", "geometry-duplicate": "one", "spacing-uneven": "one",
  "patient-mixed": "registration", "slices-too-thick": "thinner", "spacing-implausible": "field-of-view",
  "too-short": "whole-lungs", "no-lungs": "whole-lungs", "grey-values-implausible": "rescale",
  internal: "support", inference: "model", store: "disk", overdue: "load",
};

/** How many series somebody has to see to. */
export function missedCount() {
  return missed().length;
}

function missed() {
  return notTriaged().filter((series) => !LEFT_OUT.has(series.reason.code));
}

/** Both lists: what has to be seen to, and what was left out on purpose. */
export function notTriagedList() {
  const attention = missed(), out = notTriaged().filter((series) => LEFT_OUT.has(series.reason.code));
  return [
    attention.length ? h("p", { class: "lead" }, t("missed.lead")) : h("p", { class: "empty" }, t("missed.none")),
    attention.length > 0 && list(attention),
    out.length > 0 && h("details", { class: "more", "data-focus": "left-out" }, h("summary", null, t("missed.left-out", { count: out.length })), list(out)),
  ];
}

function list(series) {
  return h("ul", { class: "missed-list" }, series.map(entry));
}

function entry(series) {
  const { code, text, remedy } = series.reason;
  const what = REMEDIES[code];
  return h(
    "li",
    { class: LEFT_OUT.has(code) ? "missed" : "missed missed-now" },
    h(
      "div",
      null,
      h("strong", null, patientName(series)),
      h("span", { class: "details" }, [...patientDetails(series), series.box?.device ?? "?", clock(series.time)].join(" · ")),
    ),
    h("div", null, coded("reason", code, text), h("span", { class: "details", lang: "en" }, text)),
    !LEFT_OUT.has(code) && h("div", null, h("span", { class: "details" }, t("missed.do")), what ? t(`remedy.${what}`) : h("span", { lang: "en" }, remedy)),
  );
}
