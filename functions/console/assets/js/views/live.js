// Live: what passes now, and beside it the cameras that do not see.

import { queryOf } from "../api.js";
import { announce, fill, h, icon, setText } from "../dom.js";
import { cameras, stateOf } from "../cameras-store.js";
import { ago, clockTime, day, plural, t } from "../i18n.js";
import { may } from "../session.js";
import { detectionCard } from "./card.js";
import { openDetection } from "./detail.js";
import { reasonOf, stateBadge } from "./state.js";

const SHOWN = 60;
const SPEAK_MS = 4000;

export function liveView(main, world) {
  const { feed, detections } = world;
  const view = { camera: "", paused: null, cards: new Map(), spoken: 0, speaking: 0 };
  const choice = h("select", { id: "live-camera", on: { change: () => { view.camera = choice.value; draw(); } } });
  const pause = h("button", { type: "button", on: { click: () => setPaused(view.paused === null) } });
  const stale = h("p", { class: "stale-note", role: "status", hidden: true });
  const list = h("ol", { class: "cards", "aria-label": t("live.list") });
  const empty = h("div", { class: "empty", hidden: true });
  const side = h("aside", { class: "side", "aria-label": t("live.cameras") });
  fill(main, h("div", { class: "live-page" },
    h("section", { class: "live-feed" },
      h("div", { class: "toolbar" }, h("h1", {}, t("nav.live")),
        h("label", { for: "live-camera", class: "unseen" }, t("camera")), choice, pause),
      stale, list, empty),
    side));

  const shown = () => (view.paused ?? detections.list).filter((item) => !view.camera || item.camera_id === view.camera).slice(0, SHOWN);

  function setPaused(on) {
    view.paused = on ? detections.list : null;
    draw();
  }

  function draw() {
    const items = shown();
    const cards = new Map();
    let before = null;
    items.forEach((item) => {
      const held = view.cards.get(item.id) ?? detectionCard(item.id, (id) => openDetection(id, world));
      held.update(item);
      cards.set(item.id, held);
      const place = before === null ? list.firstElementChild : before.nextElementSibling;
      if (place !== held.element) list.insertBefore(held.element, place);
      before = held.element;
    });
    for (const [id, held] of view.cards) if (!cards.has(id)) held.element.remove();
    view.cards = cards;
    drawTools(items.length);
  }

  function drawTools(count) {
    const missed = view.paused === null ? 0 : detections.list.filter((item) => !view.paused.some(({ id }) => id === item.id)).length;
    const label = view.paused === null ? t("live.pause") : missed ? plural("live.resume", missed) : t("live.resume");
    fill(pause, icon(view.paused === null ? "pause" : "play"), label);
    pause.setAttribute("aria-pressed", String(view.paused !== null));
    empty.hidden = count > 0;
    if (count === 0) fill(empty, emptyWords(view.camera));
  }

  function drawCameras() {
    const options = [["", t("cameras.all")], ...cameras.list.map((camera) => [camera.id, camera.name])];
    fill(choice, options.map(([value, label]) => h("option", { value, selected: value === view.camera }, label)));
    fill(side, sideContents(feed));
    for (const [, held] of view.cards) held.rename();
    drawTools(shown().length);
  }

  function changed({ detail }) {
    if (view.paused === null) draw();
    else drawTools(shown().length);
    speak(detail.fresh);
  }

  /** Said aloud at most every few seconds, and then the newest: a busy street would never fall silent. */
  function speak(fresh) {
    if (!fresh.length || view.speaking) return;
    view.speaking = setTimeout(say, Math.max(0, view.spoken + SPEAK_MS - Date.now()));
  }

  function say() {
    view.speaking = 0;
    const [item] = shown();
    if (!item || view.paused !== null) return;
    view.spoken = Date.now();
    announce(t("live.spoken", { plate: item.plate ?? t("plate.none"), camera: cameras.name(item.camera_id), time: clockTime(item.started_at) }));
  }

  function drawState() {
    const lost = feed.state === "lost";
    list.classList.toggle("stale", lost);
    stale.hidden = !lost;
    if (lost) setText(stale, feed.aliveAt ? t("live.stale", { time: `${day(feed.aliveAt)} ${clockTime(feed.aliveAt)}` }) : t("live.never"));
  }

  detections.addEventListener("change", changed);
  cameras.addEventListener("change", drawCameras);
  feed.addEventListener("state", drawState);
  drawCameras();
  draw();
  drawState();
  const ages = setInterval(() => fill(side, sideContents(feed)), 10_000);
  return () => {
    clearInterval(ages);
    clearTimeout(view.speaking);
    detections.removeEventListener("change", changed);
    cameras.removeEventListener("change", drawCameras);
    feed.removeEventListener("state", drawState);
  };
}

function emptyWords(camera) {
  if (cameras.loaded && cameras.list.length === 0) {
    return [h("h2", {}, t("empty.nocameras")), h("p", {}, t(may("operator") ? "empty.nocameras.operator" : "empty.nocameras.viewer")),
      may("operator") && h("a", { class: "button primary", href: "#/cameras?add=1" }, t("camera.add"))];
  }
  const down = cameras.list.length > 0 && cameras.list.every((one) => stateOf(one) !== "online");
  const search = camera && h("a", { class: "button", href: `#/search${queryOf({ camera_id: camera })}` }, t("empty.live.search"));
  return [h("h2", {}, t("empty.live")), h("p", {}, t(down ? "empty.live.down" : camera ? "empty.live.camera" : "empty.live.wait")), search];
}

function sideContents({ skew }) {
  const problems = cameras.problems;
  if (cameras.error && !cameras.loaded) return [h("h2", {}, t("live.cameras")), h("p", { class: "bad-text" }, t("cameras.unread"))];
  if (!cameras.loaded || cameras.list.length === 0) return [];
  // Without the bus nobody knows of any camera: said once, not a hundred times.
  if (problems.length > 0 && problems.every(({ status }) => status?.reason_code === "bus_away")) {
    return [h("h2", {}, t("live.cameras")), h("p", { class: "bad-text" }, t("reason.bus_away"))];
  }
  if (problems.length === 0) {
    return [h("h2", {}, t("live.cameras")), h("p", { class: "all-well" }, h("span", { class: "state-mark online", "aria-hidden": "true" }), t("live.allwell"))];
  }
  return [
    h("h2", {}, plural("live.problems", problems.length)),
    h("ul", { class: "problems" }, problems.map((camera) =>
      h("li", {}, h("a", { href: `#/cameras?q=${encodeURIComponent(camera.id)}` },
        h("span", { class: "problem-name" }, camera.name), stateBadge(stateOf(camera)),
        h("span", { class: "problem-why" }, reasonOf(camera)),
        camera.status?.last_frame_at && h("span", { class: "muted" },
          t("camera.lastframe", { ago: ago((Date.now() + skew - Date.parse(camera.status.last_frame_at)) / 1000) })))))),
  ];
}
