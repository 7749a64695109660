// Questions to the HTTP API, signed in by cookie. A 401 is mended once by a refresh, and asked again.

const MARK = { "X-GTV-Console": "1" };
const REFRESHED = "gtv.refreshed";

/** What went wrong, as the API's envelope says it; `fields` names the inputs that are wrong. */
export class ApiError extends Error {
  constructor(status, code, message, details = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details ?? {};
    const named = Array.isArray(this.details.fields) ? this.details.fields : [];
    this.fields = this.details.field ? [{ field: this.details.field, reason: message }, ...named] : named;
  }
}

let onSignedOut = () => {};
export function whenSignedOut(act) {
  onSignedOut = act;
}

/** Ask; JSON out of the answer, or null when it is empty. `body` goes as JSON, `form` as it is. Raises ApiError. */
export async function ask(method, path, options = {}) {
  let answer = await send(method, path, options);
  if (answer.status === 401 && !options.plain) {
    if (await refresh()) answer = await send(method, path, options);
    if (answer.status === 401) {
      onSignedOut();
      throw await errorOf(answer);
    }
  }
  if (!answer.ok) throw await errorOf(answer);
  if (answer.status === 204) return null;
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function send(method, path, { query, body, form, signal, once, revision }) {
  const headers = { Accept: "application/json", ...MARK };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (once) headers["Idempotency-Key"] = once;
  if (revision !== undefined) headers["If-Match"] = `"${revision}"`;
  const init = { method, headers, signal, body: body === undefined ? form : JSON.stringify(body) };
  try {
    return await fetch(path + queryOf(query), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "network", "the server does not answer");
  }
}

/** `?a=1&b=2`; a list repeats its name, what is empty is left out. */
export function queryOf(query = {}) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") pairs.append(name, one);
    }
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

async function errorOf(answer) {
  try {
    const { error } = await answer.json();
    return new ApiError(answer.status, error.code, error.message, error.details);
  } catch {
    return new ApiError(answer.status, "unreadable", answer.statusText || String(answer.status));
  }
}

/** A key that makes a repeated POST harmless. */
export function onceKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function noteSession(session) {
  localStorage.setItem(REFRESHED, JSON.stringify({ at: Date.now(), life: session.expires_in * 1000 }));
}

export function forgetSession() {
  localStorage.removeItem(REFRESHED);
}

/** When the tokens were last renewed and how long they live (ms), or null when nobody has signed in here. */
export function lastSession() {
  try {
    return JSON.parse(localStorage.getItem(REFRESHED));
  } catch {
    return null;
  }
}

let refreshing = null;

/** New cookies for the old ones; true when the session goes on. A refresh token works once, so tabs take turns. */
export function refresh() {
  refreshing ??= inTurn(renew).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

function inTurn(act) {
  return navigator.locks ? navigator.locks.request("gtv-refresh", act) : act();
}

async function renew() {
  const last = lastSession();
  if (last && Date.now() - last.at < Math.min(20_000, last.life / 4)) return true;
  const answer = await send("POST", "/api/auth/refresh", {});
  if (!answer.ok) return false;
  noteSession(await answer.json());
  return true;
}
