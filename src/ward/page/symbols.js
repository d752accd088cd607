// Small drawings. Each stands beside a word: shape and colour repeat what the word says.

import { h, s } from "./dom.js";
import { coded, t } from "./text.js";

// Outlines in a box of 16 by 16. `line` shapes are drawn, others filled.
const SHAPES = {
  critical: { d: "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.100L1 10.900V5.100z", mark: "M8 4.200v4.600M8 11.300v.4" },
  urgent: { d: "M8 1.3 15.3 14.300H.7z", mark: "M8 5.800v4M8 12v.2" },
  routine: { d: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z", mark: "M5.5 8h5" },
  worsening: { line: "M2.5 12.5 12.5 3.500M6 3.500h6.500V10" },
  improving: { line: "M2.5 3.500l10 9M6 12.500h6.500V6" },
  stable: { line: "M2 8h11.500M10 4.5 13.5 8 10 11.5" },
  open: { line: "M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z" },
  escalated: { line: "M3 8l5-5 5 5M3 13l5-5 5 5" },
  acknowledged: { line: "M2.5 8.500l3.5 4 7.5-9" },
  confirmed: { line: "M1 8.500l3.2 4 6-9M7.5 11.500l1 1 6.5-9" },
  corrected: { line: "M3 13l.8-3.2 7.4-7.3 2.4 2.4-7.4 7.300zM9.5 4.200l2.4 2.4" },
  rejected: { line: "M3.5 3.500l9 9M12.5 3.500l-9 9" },
  green: { d: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z", mark: "M5.2 8.300l2 2.2 3.7-4.7" },
  amber: { d: "M8 1.3 15.3 14.300H.7z", mark: "M8 5.800v4M8 12v.2" },
  red: { d: "M5.1 1h5.800L15 5.100v5.800L10.9 15H5.100L1 10.900V5.100z", mark: "M5.5 5.500l5 5M10.5 5.500l-5 5" },
  sound: { line: "M2 6h2.500L8 3v10L4.5 10H2zM10.5 5.500q2 2.5 0 5M12.5 3.500q3.5 4.5 0 9" },
  silent: { line: "M2 6h2.500L8 3v10L4.5 10H2zM10.5 6l4 4M14.5 6l-4 4" },
  live: { line: "M1.5 8h3l2-5 3 10 2-5h3" },
  late: { line: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 4.500V8l2.5 2" },
  back: { line: "M9.5 3 4.5 8l5 5" },
  person: { line: "M8 2.500a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.400zM2.5 14q0-4 5.5-4t5.5 4" },
};

/** The drawing `name`, for eyes only. */
export function symbol(name) {
  const shape = SHAPES[name] ?? SHAPES.routine;
  const parts = shape.line
    ? [s("path", { class: "line", d: shape.line })]
    : [s("path", { class: "body", d: shape.d }), s("path", { class: "mark", d: shape.mark })];
  const frame = { class: `symbol symbol-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" };
  return s("svg", frame, parts);
}

const known = (list, name, otherwise) => (list.includes(name) ? name : otherwise);

/** Priority: shape, colour and word. */
export function priorityBadge(priority) {
  const name = known(["critical", "urgent", "routine"], priority, "routine");
  return h("span", { class: `badge badge-${name}` }, symbol(name), coded("priority", priority));
}

/** State: sign and word. */
export function stateMark(finding) {
  const states = ["open", "acknowledged", "escalated", "confirmed", "corrected", "rejected"];
  const name = known(states, finding.state, "open");
  return h("span", { class: `state state-${name}` }, symbol(name), coded("state", finding.state));
}

/** Direction since the prior: arrow and word. */
export function trendMark(direction) {
  const name = known(["improving", "stable", "worsening"], direction, "stable");
  return h("span", { class: `trend trend-${name}` }, symbol(name), coded("trend", direction));
}

/** Light of a box: shape, colour and word. */
export function light(name) {
  const colour = known(["green", "amber", "red"], name, "red");
  return h("span", { class: `light light-${colour}` }, symbol(colour), t(`box.${colour}`));
}
