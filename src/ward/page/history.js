// A patient's burden over time: a curve for the eyes, a table for everybody.

import { h, s } from "./dom.js";
import { t } from "./text.js";
import { clock, day, isNumber, number, percent } from "./format.js";

const HEIGHT = 190;
const LEFT = 44, RIGHT = 24, TOP = 20, BOTTOM = 34;

/** The section's content for the `history` of the finding `id`. */
export function history(entries, id) {
  const known = (entries ?? []).filter((entry) => isNumber(entry.burden_percent) && !Number.isNaN(Date.parse(entry.time)));
  known.sort((one, other) => Date.parse(one.time) - Date.parse(other.time));
  if (known.length < 2) return [h("p", { class: "quiet" }, t("finding.history.one"))];
  return [curve(known, id), asTable(known, id)];
}

/** A round number at or above `value`, to end the axis with. */
function ceiling(value) {
  return [1, 2, 5, 10, 20, 40, 60, 80, 100].find((step) => step >= value * 1.1) ?? 100;
}

function curve(known, id) {
  // Drawn as wide as the window allows: letters keep their size on a phone.
  const width = window.matchMedia("(max-width: 50rem)").matches ? 320 : 560;
  const times = known.map((entry) => Date.parse(entry.time));
  const [begin, end] = [times[0], times.at(-1)];
  const top = ceiling(Math.max(...known.map((entry) => entry.burden_percent)));
  const x = (time) => LEFT + (end === begin ? 0.5 : (time - begin) / (end - begin)) * (width - LEFT - RIGHT);
  const y = (burden) => HEIGHT - BOTTOM - (burden / top) * (HEIGHT - TOP - BOTTOM);
  const spots = known.map((entry, place) => ({ entry, x: x(times[place]), y: y(entry.burden_percent) }));
  const rules = [0, top / 2, top].map((value) => [
    s("path", { class: "rule", d: `M${LEFT} ${y(value)} H${width - RIGHT}` }),
    s("text", { class: "axis", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, value % 1 ? 1 : 0)),
  ]);
  const line = spots.map((spot, place) => `${place ? "L" : "M"}${spot.x.toFixed(1)} ${spot.y.toFixed(1)}`).join(" ");
  const marks = spots.map((spot) => {
    const own = spot.entry.id === id;
    return s("circle", { class: own ? "spot own" : "spot", cx: spot.x, cy: spot.y, r: own ? 6 : 4 });
  });
  const told = [spots[0], ...(spots.at(-1).x - spots[0].x > 90 ? [spots.at(-1)] : [])];
  const own = spots.find((spot) => spot.entry.id === id);
  const numbers = [...new Set([...told, own].filter(Boolean))].map((spot) => {
    const anchor = spot === spots[0] ? "start" : spot === spots.at(-1) ? "end" : "middle";
    return s("text", { class: "told", x: spot.x, y: spot.y - 11, "text-anchor": anchor }, percent(spot.entry.burden_percent));
  });
  const days = told.map((spot) => {
    const anchor = spot === spots[0] ? "start" : "end";
    return s("text", { class: "axis", x: spot.x, y: HEIGHT - 10, "text-anchor": anchor }, day(spot.entry.time));
  });
  const words = t("finding.history.alt", {
    count: known.length,
    first: percent(known[0].burden_percent),
    first_day: day(known[0].time),
    last: percent(known.at(-1).burden_percent),
    last_day: day(known.at(-1).time),
  });
  const frame = { class: "curve", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": words };
  return s("svg", frame, rules, s("path", { class: "run", d: line }), marks, numbers, days);
}

function asTable(known, id) {
  const rows = known.map((entry) => {
    const when = `${day(entry.time)}, ${clock(entry.time)}`;
    const own = entry.id === id;
    const name = own ? `${when} (${t("finding.history.this")})` : h("a", { href: `#/finding/${encodeURIComponent(entry.id)}` }, when);
    return h("tr", null, h("th", { scope: "row" }, name), h("td", { class: "number" }, percent(entry.burden_percent)));
  });
  const head = h("tr", null, h("th", { scope: "col" }, t("finding.history.scan")), h("th", { scope: "col", class: "number" }, t("list.burden")));
  return h(
    "details",
    { class: "more" },
    h("summary", null, t("finding.history.table")),
    h("table", { class: "small" }, h("thead", null, head), h("tbody", null, rows)),
  );
}
