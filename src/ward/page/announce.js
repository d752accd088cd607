// What the page says aloud: to screen readers, and as a note on the page where that is asked for.

import { h } from "./dom.js";

const READ_MS = 8000, SHOWN_MS = 12000;

let toasts = null;

/** Where notes appear. */
export function showToastsIn(place) {
  toasts = place;
}

/** Reads `text` to those who listen, at once when it is urgent; with `shows` it also stands on the page for a while. */
export function announce(text, urgent = false, shows = false) {
  put(document.getElementById(urgent ? "assertive" : "polite"), h("p", null, text), READ_MS);
  if (shows && toasts) put(toasts, h("p", { class: "toast" }, text), SHOWN_MS);
}

function put(place, words, during) {
  place.append(words);
  setTimeout(() => words.remove(), during);
}
