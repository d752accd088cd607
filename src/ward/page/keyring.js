// Keys made in this browser. The secret half cannot be read, not by this page either: it can only be used to sign. Its home
// is this browser's IndexedDB.

import { signedText } from "./canonical.js";

const BASE = "scanward";
const TABLE = "keys";

/** Whether this browser can make and use Ed25519 keys. */
export async function canSign() {
  try {
    return Boolean(await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]));
  } catch {
    return false;
  }
}

/** The keys that `user` has in this browser for `use` (`verdict` or `list`), the newest first. */
export async function findKeys(use, user) {
  const own = `${use}:${user}:`;
  const keys = await inTable("readonly", (table) => table.getAll(IDBKeyRange.bound(own, `${own}\uffff`)));
  return keys.sort((one, other) => (one.made_at < other.made_at ? 1 : -1));
}

/** A new key, kept beside earlier ones: which of them counts is on the list, not here. */
export async function makeKey(use, user) {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const id = await keyId(raw);
  const key = {
    name: `${use}:${user}:${id}`,
    secret: pair.privateKey,
    public_key: base64(raw),
    key_id: id,
    made_at: new Date().toISOString(),
  };
  await inTable("readwrite", (table) => table.put(key));
  // Asks the browser not to throw it away when the disk gets full. It may say no; then a new key is enrolled one day.
  await navigator.storage?.persist?.().catch(() => false);
  return key;
}

/** `message` with `signature`. */
export async function sign(key, message) {
  const bytes = new TextEncoder().encode(signedText(message));
  const signature = await crypto.subtle.sign("Ed25519", key.secret, bytes);
  return { ...message, signature: base64(new Uint8Array(signature)) };
}

/** The first 16 hexadecimal digits of the SHA-256 of a public key. */
async function keyId(raw) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return [...digest.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(BASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "name" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("the key store is in use by an older page"));
  });
}

async function inTable(mode, work) {
  const base = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = base.transaction(TABLE, mode);
      const request = work(transaction.objectStore(TABLE));
      // Not when the request succeeds but when all is written.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    base.close();
  }
}
