// Calls to the ward server. An error carries the server's code, so that views can say it in the reader's language.

export class ApiError extends Error {
  constructor(status, code, text, retryAfter) {
    super(text || code);
    this.status = status;
    this.code = code;
    this.text = text;
    this.retryAfter = retryAfter;
  }
}

let signedOut = () => {};

/** What to do when the server no longer knows this session. */
export function onSignedOut(handler) {
  signedOut = handler;
}

const PATIENCE_MS = 15000;

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Scanward"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), PATIENCE_MS);
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: end.signal,
    });
    const text = await response.text();
    const answer = parsed(text);
    if (response.ok) return answer;
    const error = answer?.error ?? {};
    const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
    throw new ApiError(response.status, error.code ?? `http-${response.status}`, error.text, retryAfter);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, "unreachable");
  } finally {
    clearTimeout(timer);
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

async function signedIn(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    if (error.status === 401) signedOut();
    throw error;
  }
}

const finding = (id) => `/api/findings/${encodeURIComponent(id)}`;

export const api = {
  session: () => call("GET", "/api/session"),
  signInWays: () => call("GET", "/api/sign-in"),
  signInPath: "/api/oidc/login",
  signIn: (user, password) => call("POST", "/api/session", { user, password }),
  signOut: () => call("DELETE", "/api/session"),
  findings: () => signedIn("GET", "/api/findings?state=all&limit=200"),
  finding: (id) => signedIn("GET", finding(id)),
  previewPath: (id) => `${finding(id)}/preview.png`,
  acknowledge: (id, station) => signedIn("POST", `${finding(id)}/ack`, { station }),
  verdict: (id, verdict) => signedIn("POST", `${finding(id)}/verdict`, verdict),
  notTriaged: () => signedIn("GET", "/api/not-triaged"),
  boxes: () => signedIn("GET", "/api/boxes"),
  keys: () => signedIn("GET", "/api/keys"),
  enrolmentCode: (user) => signedIn("POST", "/api/keys/codes", { user }),
  enrol: (code, publicKey) => signedIn("POST", "/api/keys/enrol", { code, public_key: publicKey }),
  draft: () => signedIn("GET", "/api/keys/draft"),
  publishList: (list) => signedIn("POST", "/api/keys/list", list),
  revoke: (keyId) => signedIn("POST", "/api/keys/revoke", { key_id: keyId }),
};
