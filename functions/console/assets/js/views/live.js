// Live: what passes now, and beside it the cameras that do not see.

import { queryOf } from "../api.js";
import { announce, fill, h, icon, setText } from "../dom.js";
import { cameras, stateOf } from "../cameras-store.js";
import { ago, clockTime, dayAndTime, plural, t } from "../i18n.js";
import { may } from "../session.js";
import { detectionCard } from "./card.js";
import { openDetection } from "./detail.js";
import { reasonOf, stateBadge } from "./state.js";

const SHOWN = 60;
const SPEAK_MS = 4000;

export function liveView(main, world) {
  const view = new LiveView(world);
  fill(main, view.element);
  view.begin();
  return () => view.end();
}

class LiveView {
  #world;
  #feed;
  #detections;
  #camera = "";
  /** The list as it was when it was paused, else null. */
  #paused = null;
  #cards = new Map();
  #spoken = 0;
  #speaking = 0;
  #ages = 0;
  #choice = h("select", { id: "live-camera", on: { change: () => this.#choose() } });
  #pause = h("button", { type: "button", on: { click: () => this.#toggle() } });
  #stale = h("p", { class: "stale-note", role: "status", hidden: true });
  #list = h("ol", { class: "cards", "aria-label": t("live.list") });
  #empty = h("div", { class: "empty", hidden: true });
  #side = h("aside", { class: "side", "aria-label": t("live.cameras") });

  constructor(world) {
    this.#world = world;
    // Kept: at the end of a session the world has let go of them already.
    this.#feed = world.feed;
    this.#detections = world.detections;
    this.element = h("div", { class: "live-page" },
      h("section", { class: "live-feed" },
        h("div", { class: "toolbar" }, h("h1", {}, t("nav.live")),
          h("label", { for: "live-camera", class: "unseen" }, t("camera")), this.#choice, this.#pause),
        this.#stale, this.#list, this.#empty),
      this.#side);
  }

  begin() {
    this.#detections.addEventListener("change", this.#changed);
    cameras.addEventListener("change", this.#drawCameras);
    this.#feed.addEventListener("state", this.#drawState);
    this.#ages = setInterval(() => this.#drawSide(), 10_000);
    this.#drawCameras();
    this.#draw();
    this.#drawState();
  }

  end() {
    clearInterval(this.#ages);
    clearTimeout(this.#speaking);
    this.#detections.removeEventListener("change", this.#changed);
    cameras.removeEventListener("change", this.#drawCameras);
    this.#feed.removeEventListener("state", this.#drawState);
  }

  get #shown() {
    const all = this.#paused ?? this.#detections.list;
    return all.filter((item) => !this.#camera || item.camera_id === this.#camera).slice(0, SHOWN);
  }

  #choose() {
    this.#camera = this.#choice.value;
    this.#draw();
  }

  #toggle() {
    this.#paused = this.#paused === null ? this.#detections.list : null;
    this.#draw();
  }

  #changed = ({ detail }) => {
    if (this.#paused === null) this.#draw();
    else this.#drawTools(this.#shown.length);
    this.#speak(detail.fresh);
  };

  #draw() {
    const items = this.#shown;
    const cards = new Map();
    items.forEach((item, place) => {
      const held = this.#cards.get(item.id) ?? detectionCard(item.id, (id) => openDetection(id, this.#world));
      held.update(item);
      cards.set(item.id, held);
      // A card that is in its place stays there, with its picture and the focus.
      if (this.#list.children[place] !== held.element) this.#list.insertBefore(held.element, this.#list.children[place] ?? null);
    });
    for (const [id, held] of this.#cards) if (!cards.has(id)) held.element.remove();
    this.#cards = cards;
    this.#drawTools(items.length);
  }

  #drawTools(count) {
    const held = this.#paused;
    const missed = held === null ? 0 : this.#detections.list.filter((item) => !held.some(({ id }) => id === item.id)).length;
    const label = held === null ? t("live.pause") : missed ? plural("live.resume", missed) : t("live.resume");
    fill(this.#pause, icon(held === null ? "pause" : "play"), label);
    this.#pause.setAttribute("aria-pressed", String(held !== null));
    this.#empty.hidden = count > 0;
    if (count === 0) fill(this.#empty, emptyWords(this.#camera));
  }

  #drawCameras = () => {
    const options = [["", t("cameras.all")], ...cameras.list.map((camera) => [camera.id, camera.name])];
    const text = JSON.stringify(options);
    // Made anew only when it differs: the reader may have it open.
    if (this.#choice.dataset.options !== text) {
      this.#choice.dataset.options = text;
      fill(this.#choice, options.map(([value, label]) => h("option", { value, selected: value === this.#camera }, label)));
    }
    this.#drawSide();
    for (const held of this.#cards.values()) held.refresh();
    this.#drawTools(this.#shown.length);
  };

  #drawSide() {
    fill(this.#side, sideContents(this.#feed));
  }

  #drawState = () => {
    const { state, aliveAt } = this.#feed;
    const lost = state === "lost";
    this.#list.classList.toggle("stale", lost);
    this.#stale.hidden = !lost;
    if (lost) setText(this.#stale, aliveAt ? t("live.stale", { time: dayAndTime(aliveAt) }) : t("live.never"));
  };

  /** Said aloud at most every few seconds, and then the newest: a busy street would never fall silent. */
  #speak(fresh) {
    if (!fresh.length || this.#speaking) return;
    this.#speaking = setTimeout(() => this.#say(), Math.max(0, this.#spoken + SPEAK_MS - Date.now()));
  }

  #say() {
    this.#speaking = 0;
    const [item] = this.#shown;
    if (!item || this.#paused !== null) return;
    this.#spoken = Date.now();
    announce(t("live.spoken", { plate: item.plate ?? t("plate.none"), camera: cameras.name(item.camera_id), time: clockTime(item.started_at) }));
  }
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
