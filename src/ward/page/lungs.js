// The lungs drawn with their six zones, each shaded by its burden. The patient's right is on the left, as in the preview.

import { s, freshId } from "./dom.js";
import { coded, t } from "./text.js";
import { isNumber, percent, points } from "./format.js";

const OUTLINES = {
  right: "M132 34 C118 22 98 30 82 56 C54 100 34 168 30 234 C28 268 34 288 48 290 C72 291 104 272 130 262 C144 256 148 246 148 228 L148 128 C148 96 146 46 132 34 Z",
  left: "M188 34 C202 22 222 30 238 56 C266 100 286 168 290 234 C292 268 286 288 272 290 C246 291 216 272 196 258 C180 246 192 224 186 206 C180 190 172 184 172 164 L172 128 C172 96 174 46 188 34 Z",
};
const THIRDS = { upper: [20, 118], middle: [118, 196], lower: [196, 296] };
const LABELS = { upper: { right: 106, left: 214, y: 92 }, middle: { right: 92, left: 228, y: 158 }, lower: { right: 90, left: 238, y: 236 } };

/** Burdens at which a shade changes, percent. The eye tells six shades apart, not sixty. */
const STEPS = [0.5, 5, 15, 30, 50];
const SHADES = [0, 0.16, 0.32, 0.5, 0.7, 0.9];

function shade(burden) {
  return SHADES[STEPS.filter((step) => burden >= step).length];
}

/** Zone names in reading order. */
export const ZONES = ["right-upper", "right-middle", "right-lower", "left-upper", "left-middle", "left-lower"];

/** The drawing. `zones` are those of a finding, `changes` those of its comparison, where there is one. */
export function lungs(zones, changes) {
  const burdens = new Map(zones.map((zone) => [zone.zone, zone.burden_percent]));
  const changed = new Map((changes ?? []).map((zone) => [zone.zone, zone.burden_change_points]));
  const told = ZONES.map((zone) => `${coded("zone", zone)} ${percent(burdens.get(zone))}`).join(", ");
  const parts = [];
  for (const side of ["right", "left"]) {
    const clip = freshId("lung");
    parts.push(s("clipPath", { id: clip }, s("path", { d: OUTLINES[side] })));
    const bands = Object.entries(THIRDS).map(([third, [top, bottom]]) => {
      const frame = { x: 20, y: top, width: 280, height: bottom - top };
      const burden = burdens.get(`${side}-${third}`);
      return s("rect", { ...frame, class: "zone", "fill-opacity": isNumber(burden) ? shade(burden) : 0 });
    });
    parts.push(s("path", { class: "lung-ground", d: OUTLINES[side] }));
    parts.push(s("g", { "clip-path": `url(#${clip})` }, bands, [118, 196].map((y) => border(y))));
    parts.push(s("path", { class: "lung-outline", d: OUTLINES[side] }));
  }
  parts.push(s("path", { class: "airway", d: "M160 6 V84 M160 84 Q158 104 148 116 M160 84 Q162 104 172 116" }));
  for (const zone of ZONES) parts.push(label(zone, burdens.get(zone), changed.get(zone)));
  parts.push(s("text", { class: "side", x: 14, y: 30 }, t("side.right")));
  parts.push(s("text", { class: "side", x: 306, y: 30, "text-anchor": "end" }, t("side.left")));
  const frame = { class: "lungs", viewBox: "0 0 320 304", role: "img", "aria-label": t("finding.lungs.alt", { zones: told }) };
  return s("svg", frame, parts);
}

function border(y) {
  return s("path", { class: "zone-border", d: `M20 ${y} H300` });
}

function label(zone, burden, change) {
  const [side, third] = zone.split("-");
  const { [side]: x, y } = LABELS[third];
  const two = isNumber(change);
  const box = { class: "zone-label", x: x - 31, y: y - (two ? 21 : 13), width: 62, height: two ? 40 : 25, rx: 6 };
  return s(
    "g",
    null,
    s("rect", box),
    s("text", { class: "zone-burden", x, y: y - (two ? 3 : -5), "text-anchor": "middle" }, percent(burden)),
    two && s("text", { class: "zone-change", x, y: y + 13, "text-anchor": "middle" }, points(change)),
  );
}
