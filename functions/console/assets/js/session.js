// Who is signed in on this page, and the renewal of the cookies before they end.

import { ApiError, ask, forgetSession, lastSession, noteSession, refresh } from "./api.js";

let user = null;
let timer = 0;
const RANK = { viewer: 1, operator: 2, admin: 3 };

export function me() {
  return user;
}

export function may(role) {
  return user !== null && RANK[user.role] >= RANK[role];
}

/** Go on with the session of an earlier visit; false where there is none. Raises ApiError when nobody answers. */
export async function resume() {
  if (lastSession() === null) return false;
  try {
    user = await ask("GET", "/api/auth/me");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return false;
    throw error;
  }
  keepAlive();
  return true;
}

export async function signIn(username, password) {
  const body = { username, password, session: "cookie" };
  const session = await ask("POST", "/api/auth/login", { body, plain: true });
  noteSession(session);
  user = session.user;
  keepAlive();
}

/** Go on with the cookies that a sign-in elsewhere (OIDC) has just set; false where there are none. */
export async function takeOver() {
  let session = null;
  try {
    session = await ask("POST", "/api/auth/refresh", { plain: true });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return false;
    throw error;
  }
  noteSession(session);
  user = session.user;
  keepAlive();
  return true;
}

export async function signOut() {
  end();
  try {
    await ask("POST", "/api/auth/logout", { plain: true });
  } catch (error) {
    // The cookies end by themselves; what matters is that this page forgets.
    if (!(error instanceof ApiError)) throw error;
  }
}

export function end() {
  clearTimeout(timer);
  forgetSession();
  user = null;
}

/** The feed and the pictures carry the cookie without asking `ask`, so it is renewed ahead of its end. */
function keepAlive() {
  clearTimeout(timer);
  const last = lastSession();
  if (last === null) return;
  const due = last.at + last.life * 0.6 - Date.now();
  timer = setTimeout(async () => {
    try {
      await refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    if (user) keepAlive();
  }, Math.max(5000, due));
}
