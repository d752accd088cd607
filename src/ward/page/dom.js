// Elements made in code. Text goes in as text, attributes from a short list: no string ever becomes markup or script.

const SVG = "http://www.w3.org/2000/svg";

// Names that take any text without harm. Links and pictures are checked below; `style` and `on…` texts are never set.
const PLAIN = new Set([
  "alt", "autocapitalize", "autocomplete", "class", "colspan", "datetime", "disabled", "download", "for", "height",
  "hidden", "id", "inputmode", "lang", "max", "maxlength", "min", "name", "open", "placeholder", "readonly", "required",
  "role", "rows", "scope", "size", "spellcheck", "step", "tabindex", "title", "type", "value", "width", "checked",
  // of pictures
  "viewBox", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "points", "transform", "clip-path",
  "fill-opacity", "text-anchor", "focusable", "preserveAspectRatio",
]);

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) {
    if (typeof value !== "function") throw new TypeError(`${name} takes a function`);
    element.addEventListener(name.slice(2), value);
    return;
  }
  const own = (name === "href" && /^(#|\/api\/)/.test(value)) || (name === "src" && /^\/api\//.test(value));
  if (!own && !PLAIN.has(name) && !/^(aria|data)-[a-z-]+$/.test(name)) {
    throw new TypeError(`attribute ${name} is not on the list`);
  }
  element.setAttribute(name, value === true ? "" : String(value));
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** An HTML element: `h("p", { class: "quiet" }, "text", other)`. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Puts `children` in place of what `parent` holds. Who had the focus inside keeps it, told by `data-focus`. */
export function replace(parent, ...children) {
  const active = document.activeElement;
  const held = parent.contains(active) ? active?.dataset?.focus : undefined;
  parent.replaceChildren();
  append(parent, children);
  if (held) focusOn(parent, held);
}

/** Gives the focus to the element of this `data-focus`, where there is one. */
export function focusOn(parent, name) {
  for (const element of parent.querySelectorAll("[data-focus]")) {
    if (element.dataset.focus === name) return element.focus({ preventScroll: true });
  }
}

let last = 0;

/** An id that no other element has. */
export function freshId(what) {
  last += 1;
  return `${what}-${last}`;
}
