// RFC 8785, the JSON Canonicalization Scheme: one spelling for each value, so that a signature over it can be checked.
// ECMAScript is what the scheme is defined by: JSON.stringify writes numbers and texts as it asks for.

/** The canonical JSON of `value`. Throws for what has none. */
export function canonical(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("a text with half a letter has no canonical form");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("a number that is not finite has no canonical form");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`${typeof value} has no canonical form`);
  // Sorted by UTF-16 code units, as `sort` does by itself.
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** What is signed of a message: the canonical JSON of all but `signature`. */
export function signedText(message) {
  const { signature, ...rest } = message;
  return canonical(rest);
}
