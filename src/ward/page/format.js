// Numbers, times and names as people read them.

import { current, t } from "./text.js";
import { now } from "./store.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;

function decimals(value, digits) {
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(current().locale, fixed).format(value);
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** `12.3%` */
export function percent(value) {
  return isNumber(value) ? `${decimals(value, 1)}%` : "–";
}

/** `9.8–14.9%` */
export function interval(range) {
  if (!Array.isArray(range) || !range.every(isNumber)) return "";
  return `${decimals(range[0], 1)}–${decimals(range[1], 1)}%`;
}

/** `+3.1`, `−0.4`, with a real minus sign. */
export function points(value) {
  if (!isNumber(value)) return "–";
  const size = decimals(Math.abs(value), 1);
  const zero = decimals(0, 1);
  if (size === zero) return `±${zero}`;
  return `${value < 0 ? "−" : "+"}${size}`;
}

export function number(value, digits = 0) {
  return isNumber(value) ? decimals(value, digits) : "–";
}

/** Seconds since an alert began; never below zero, whatever the clocks say. */
export function ageSeconds(finding) {
  const began = Math.min(Date.parse(finding.time) || Infinity, Date.parse(finding.received_at) || Infinity);
  return Number.isFinite(began) ? Math.max(0, Math.floor((now() - began) / 1000)) : 0;
}

/** `4 min 12 s`, `1 h 04 min`, `2 d 3 h`. */
export function duration(seconds) {
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < MINUTE) return t("duration.seconds", { s: seconds });
  if (seconds < HOUR) return t("duration.minutes", { min: Math.floor(seconds / MINUTE), s: two(seconds % MINUTE) });
  if (seconds < DAY) {
    return t("duration.hours", { h: Math.floor(seconds / HOUR), min: two(Math.floor((seconds % HOUR) / MINUTE)) });
  }
  return t("duration.days", { d: Math.floor(seconds / DAY), h: Math.floor((seconds % DAY) / HOUR) });
}

/** `14:05`; with the date when it is not today's. */
export function clock(text, seconds = false) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "–";
  const today = at.toDateString() === new Date(now()).toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  const second = seconds ? { second: "2-digit" } : {};
  const form = { ...day, hour: "2-digit", minute: "2-digit", ...second, hourCycle: "h23" };
  return new Intl.DateTimeFormat(current().locale, form).format(at);
}

/** `23 Nov 2026, 14:05` */
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "–";
  const form = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(current().locale, form).format(at);
}

/** `23 Nov 2026` */
export function day(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "–";
  return new Intl.DateTimeFormat(current().locale, { year: "numeric", month: "short", day: "numeric" }).format(at);
}

/** A birth date as DICOM writes it, `19560101`, or as ISO does; anything else as it is. */
export function birthDate(text) {
  const parts = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text ?? "");
  return parts ? day(`${parts[1]}-${parts[2]}-${parts[3]}T12:00:00`) : (text ?? "");
}

/** Whom a finding is about: the name, else the accession number, else the pseudonym's beginning. */
export function patientName(finding) {
  const identity = finding.identity ?? {};
  if (identity.name) return readableName(identity.name);
  if (identity.accession) return identity.accession;
  return t("patient.pseudonym", { short: String(identity.pseudonym ?? "").slice(0, 8) });
}

/** DICOM parts names by `^` and scripts by `=`. */
function readableName(name) {
  // Chinese names stand without a blank.
  const joined = (script) => script.split("^").filter(Boolean).join(/\p{Script=Han}/u.test(script) ? "" : " ");
  const scripts = String(name).split("=").map(joined).filter(Boolean);
  return scripts.slice(0, 2).join(" ") || String(name);
}

/** The other things known about the patient. */
export function patientDetails(finding) {
  const identity = finding.identity ?? {};
  const details = [];
  if (identity.patient_id) details.push(t("patient.id", { id: identity.patient_id }));
  if (identity.birth_date) details.push(t("patient.born", { date: birthDate(identity.birth_date) }));
  if (identity.accession && identity.name) details.push(t("patient.accession", { accession: identity.accession }));
  return details;
}
