// The beginning: language, session, then the page that the address names.

import { ApiError, ask, whenSignedOut } from "./api.js";
import { cameras } from "./cameras-store.js";
import { Detections } from "./detections-store.js";
import { fill, h } from "./dom.js";
import { Feed } from "./feed.js";
import { frame } from "./frame.js";
import { groups } from "./groups-store.js";
import { preferred, t, use } from "./i18n.js";
import { users } from "./people-store.js";
import * as session from "./session.js";
import { PAGE_OF, VIEWS } from "./views/all.js";
import { signInView } from "./views/signin.js";

const root = document.getElementById("root");
const world = { feed: null, detections: null, cameras, go, again: render };
let leave = () => {};
let chrome = null;

/** `#/search?plate=ABC` as {name, params}. */
function place() {
  const [name, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: name in VIEWS ? name : "live", params: new URLSearchParams(query) };
}

function go(name, params = {}) {
  const query = new URLSearchParams(params).toString();
  location.hash = `#/${name}${query ? `?${query}` : ""}`;
}

function render() {
  leave();
  leave = () => {};
  chrome?.close();
  chrome = null;
  if (session.me() === null) {
    leave = signInView(root, { entered: enter, again: render }) ?? leave;
    return;
  }
  chrome = frame(world, { signOut });
  fill(root, chrome.element);
  show();
}

/** The view of the address inside the frame. */
function show() {
  if (chrome === null) return;
  leave();
  const { name, params } = place();
  document.title = `${t(`nav.${name}`)} · GT-Vision`;
  chrome.mark(PAGE_OF[name] ?? name);
  leave = VIEWS[name](fill(chrome.main), world, params) ?? (() => {});
}

function enter() {
  world.detections = new Detections();
  world.feed = new Feed();
  const { feed, detections } = world;
  let waiting = [];
  feed.addEventListener("detection", ({ detail }) => {
    // A resumed feed may bring hundreds at once: drawn together, once.
    if (waiting.push(detail) > 1) return;
    setTimeout(() => {
      detections.add(waiting);
      waiting = [];
    }, 60);
  });
  feed.addEventListener("camera-status", ({ detail }) => cameras.status(detail));
  feed.addEventListener("camera-changed", () => cameras.loadSoon());
  feed.addEventListener("reset", () => loadLists());
  // Live again: what passed meanwhile is asked for. Lost: the cameras may be gone with it.
  feed.addEventListener("state", ({ detail }) => (detail === "live" ? loadLists() : cameras.load()));
  feed.start();
  render();
}

/** What passed before the feed began; the feed is open already, so nothing falls between. */
async function loadLists() {
  const { detections } = world;
  cameras.load();
  try {
    const page = await ask("GET", "/api/detections", { query: { limit: 50 } });
    detections?.add(page.items, false);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

function exit() {
  world.feed?.stop();
  world.feed = null;
  world.detections = null;
  cameras.clear();
  groups.clear();
  users.clear();
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
}

async function signOut() {
  exit();
  await session.signOut();
  render();
}

whenSignedOut(() => {
  if (session.me() === null) return;
  session.end();
  exit();
  render();
});

/** Whether somebody is signed in: from an earlier visit, or just now by the sign-in service. */
async function arrived() {
  if (location.hash !== "#/oidc") return session.resume();
  history.replaceState(null, "", "#/live");
  return session.takeOver();
}

globalThis.addEventListener("hashchange", show);
setInterval(() => session.me() && !document.hidden && cameras.load(), 15_000);

await use(preferred());
try {
  if (await arrived()) enter();
  else render();
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  const retry = h("button", { class: "primary", on: { click: () => location.reload() } }, t("retry"));
  fill(root, h("main", { class: "lonely" }, h("p", {}, t("error.network")), retry));
}
