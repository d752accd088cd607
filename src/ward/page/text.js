// The words, in the language of the reader.

import { en } from "./en.js";
import { zhHantHk } from "./zh-hant-hk.js";

const LANGUAGES = {
  en: { tag: "en", locale: "en-GB", own: "English", words: en },
  "zh-Hant-HK": { tag: "zh-Hant-HK", locale: "zh-Hant-HK", own: "繁體中文", words: zhHantHk },
};
const KEPT = "scanward.language";

let language = LANGUAGES[kept() ?? asked()] ?? LANGUAGES.en;

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function asked() {
  for (const tag of navigator.languages ?? []) {
    if (/^zh\b/i.test(tag)) return "zh-Hant-HK";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

/** Those there are: `{ tag, own }`. */
export function languages() {
  return Object.values(LANGUAGES);
}

/** The one in use. */
export function current() {
  return language;
}

/** Takes another one, and keeps it for the next time. */
export function choose(tag) {
  language = LANGUAGES[tag] ?? LANGUAGES.en;
  try {
    localStorage.setItem(KEPT, language.tag);
  } catch {
    // not kept, then
  }
}

/** Whether there are words under `key`. */
export function has(key) {
  return Object.hasOwn(language.words, key) || Object.hasOwn(en, key);
}

/**
 * The words under `key`, with `{name}` replaced by `values.name`. With a `values.count`, `key.one` is taken for one where the
 * language has it.
 */
export function t(key, values = {}) {
  const one = `${key}.one`;
  const single = values.count === 1 && language.words[one] !== undefined;
  const words = language.words[single ? one : key] ?? en[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** The words under `prefix.code`; for a code that this page does not know, `otherwise`, else the code itself. */
export function coded(prefix, code, otherwise) {
  const key = `${prefix}.${code}`;
  return has(key) ? t(key) : (otherwise ?? String(code));
}
