// Regions and ignore zones of a camera, drawn on its newest picture by pointer or keys.

import { hasPicture } from "../cameras-store.js";
import { announce, fill, h, icon, s, setText, uid } from "../dom.js";
import { t } from "../i18n.js";
import { fault, MAX_CORNERS, MAX_POLYGONS, part } from "../polygons.js";
import { KINDS, shapes, zoneName } from "./zones-shapes.js";

// A finger's or mouse's width on the page, px: what is so near is meant.
const NEAR = 12;
// The picture must not move under a pointer that draws.
const QUIETLY = { preventScroll: true };
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAULTS = { twice: "zones.twice", crosses: "zones.crosses", area: "zones.area" };

export class ZoneEditor {
  #camera;
  #areas;
  #before;
  #draft = [];
  #kind = "regions";
  #chosen = null;
  #past = [];
  #aim = null;
  #drag = null;
  #size = [1920, 1080];
  #pictured = false;
  #sample = null;
  #refusal = null;
  #picture = h("img", { class: "zones-picture", alt: "" });
  #drawing;
  #note = h("p", { class: "zones-note", role: "status", id: uid("zones") });
  #list = h("ul", { class: "zones-list" });
  #tools = h("div", { class: "zones-tools" });

  constructor(camera) {
    this.#camera = camera;
    this.#areas = Object.fromEntries(KINDS.map((kind) => [kind, structuredClone(camera[kind] ?? [])]));
    this.#before = JSON.stringify(this.#areas);
    this.#drawing = s("svg", {
      class: "zones-drawing", tabindex: 0, role: "application", preserveAspectRatio: "none",
      "aria-label": t("zones.keys"), "aria-describedby": this.#note.id,
      on: {
        pointerdown: (event) => this.#pressed(event), pointermove: (event) => this.#moved(event),
        pointerup: (event) => this.#released(event), pointercancel: () => this.#cancelled(), keydown: (event) => this.#key(event),
      },
    });
    this.element = h("div", { class: "zones" }, this.#tools,
      h("div", { class: "zones-stage" }, this.#picture, this.#drawing), this.#note, this.#list);
    this.#picture.addEventListener("load", () => {
      this.#size = [this.#picture.naturalWidth, this.#picture.naturalHeight];
      this.#pictured = true;
      this.#draw();
    });
    this.#picture.addEventListener("error", () => {
      this.#pictured = false;
      this.#draw();
    });
    // Handles keep their size on the page, however wide the picture is shown.
    new ResizeObserver(() => this.#drag === null && this.#draw()).observe(this.#drawing);
    if (hasPicture(camera)) this.look();
    this.#draw();
  }

  /** Ask for the newest picture. */
  look() {
    this.#picture.src = `/api/cameras/${encodeURIComponent(this.#camera.id)}/snapshot.jpg?at=${Date.now()}`;
  }

  /** Draw how high the lowest plate that is read would be, px of the picture; null: no sample. */
  sample(height) {
    this.#sample = height;
    this.#draw();
  }

  /** What was changed, as the API takes it; null where a drawing is not finished (which is then said). */
  finish() {
    if (this.#draft.length >= 3) this.#close();
    if (this.#draft.length > 0) {
      this.#refuse(t("zones.unfinished"));
      return null;
    }
    if (JSON.stringify(this.#areas) === this.#before) return {};
    return Object.fromEntries(KINDS.map((kind) => [kind, this.#areas[kind].length ? this.#areas[kind] : null]));
  }

  /** Show what the API said of an area. */
  complain(kind, place, text) {
    this.#kind = kind;
    this.#chosen = place < this.#areas[kind].length ? place : null;
    this.#refuse(this.#chosen === null ? text : `${zoneName(kind, place)}: ${text}`);
  }

  #refuse(text) {
    this.#refusal = text;
    this.#draw();
    this.#drawing.focus(QUIETLY);
  }

  #keep() {
    this.#refusal = null;
    this.#past.push(JSON.stringify([this.#areas, this.#draft, this.#kind, this.#chosen]));
  }

  #undo() {
    if (this.#past.length === 0) return;
    [this.#areas, this.#draft, this.#kind, this.#chosen] = JSON.parse(this.#past.pop());
    this.#refusal = null;
    this.#draw();
  }

  // Pointer: a press on a corner drags it, any other that does not wander adds a corner or chooses an area.

  #at(event) {
    const frame = this.#drawing.getBoundingClientRect();
    const near = (value, length) => (value * length < NEAR ? 0 : (1 - value) * length < NEAR ? 1 : value);
    const [x, y] = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
    return [part(near(x, frame.width)), part(near(y, frame.height))];
  }

  #pressed(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { corner, area } = event.target.dataset;
    this.#drag = { corner: corner === undefined ? null : Number(corner), area, from: [event.clientX, event.clientY], moving: false };
    this.#aim = null;
    this.#drawing.setPointerCapture(event.pointerId);
  }

  #moved(event) {
    const drag = this.#drag;
    if (drag === null) return;
    const [x, y] = drag.from;
    if (!drag.moving && Math.hypot(event.clientX - x, event.clientY - y) < 4) return;
    if (drag.corner === null) {
      drag.moving = true;
      return;
    }
    if (!drag.moving) this.#keep();
    drag.moving = true;
    this.#corners()[drag.corner] = this.#at(event);
    this.#draw();
  }

  #released(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (drag === null) return;
    if (drag.moving) this.#draw();
    else if (drag.corner !== null) this.#tappedCorner(drag.corner);
    else if (this.#draft.length === 0 && drag.area !== undefined) this.#choose(this.#kind, Number(drag.area));
    else this.#add(this.#at(event));
  }

  #cancelled() {
    this.#drag = null;
    this.#draw();
  }

  #tappedCorner(place) {
    if (this.#draft.length >= 3 && place === 0) this.#close();
    else this.#drawing.querySelector(`[data-corner="${place}"]`)?.focus(QUIETLY);
  }

  /** The corners that have handles: of what is being drawn, else of the chosen area. */
  #corners() {
    return this.#draft.length > 0 || this.#chosen === null ? this.#draft : this.#areas[this.#kind][this.#chosen];
  }

  #add(point) {
    if (this.#draft.length === 0 && this.#areas[this.#kind].length >= MAX_POLYGONS) {
      this.#refuse(t("zones.full", { count: MAX_POLYGONS }));
      return;
    }
    this.#keep();
    this.#chosen = null;
    this.#draft.push(point);
    if (this.#draft.length === MAX_CORNERS) this.#close();
    else this.#draw();
    this.#drawing.focus(QUIETLY);
  }

  #close() {
    this.#keep();
    this.#areas[this.#kind].push(this.#draft);
    this.#draft = [];
    this.#aim = null;
    this.#chosen = this.#areas[this.#kind].length - 1;
    this.#draw();
    announce(t("zones.made", { name: zoneName(this.#kind, this.#chosen) }));
  }

  #choose(kind, place) {
    this.#kind = kind;
    this.#chosen = place;
    this.#refusal = null;
    this.#draw();
  }

  #remove(kind, place) {
    this.#keep();
    this.#areas[kind].splice(place, 1);
    this.#chosen = null;
    this.#draw();
    announce(t("zones.removed", { name: zoneName(kind, place) }));
    this.#drawing.focus(QUIETLY);
  }

  #switch(kind) {
    if (kind === this.#kind) return;
    // What is being drawn becomes an area of the other kind.
    this.#kind = kind;
    this.#chosen = null;
    this.#refusal = null;
    this.#draw();
  }

  // Keys: arrows move the aim, or the corner that has the focus.

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") this.#undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (!(event.target.dataset.corner === undefined ? this.#aimKey(event) : this.#cornerKey(event))) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Whether the key meant something. */
  #aimKey({ key, shiftKey }) {
    if (key in STEPS) {
      this.#aim = moved(this.#aim ?? [0.5, 0.5], key, shiftKey);
      this.#draw();
    } else if (key === "Enter" || key === " ") this.#press();
    else if (key === "Backspace" || key === "Delete") this.#back();
    else if (key === "Escape" && this.#draft.length > 0) {
      this.#keep();
      this.#draft = [];
      this.#draw();
    } else return false;
    return true;
  }

  #press() {
    const first = this.#draft[0];
    if (this.#aim === null) this.#aim = [0.5, 0.5];
    else if (this.#draft.length >= 3 && Math.hypot(first[0] - this.#aim[0], first[1] - this.#aim[1]) < 0.012) this.#close();
    else if (!this.#draft.some((corner) => String(corner) === String(this.#aim))) this.#add([...this.#aim]);
    this.#draw();
  }

  #back() {
    if (this.#draft.length > 0) {
      this.#keep();
      this.#draft.pop();
      this.#draw();
    } else if (this.#chosen !== null) this.#remove(this.#kind, this.#chosen);
  }

  #cornerKey({ key, shiftKey, target }) {
    const corners = this.#corners();
    const place = Number(target.dataset.corner);
    if (key in STEPS) {
      this.#keep();
      corners[place] = moved(corners[place], key, shiftKey);
    } else if ((key === "Backspace" || key === "Delete") && (corners === this.#draft || corners.length > 3)) {
      this.#keep();
      corners.splice(place, 1);
    } else if ((key === "Enter" || key === " ") && corners === this.#draft) {
      this.#tappedCorner(place);
      return true;
    } else return key === "Enter" || key === " ";
    this.#draw();
    return true;
  }

  // The drawing: made anew at each change, with the focus where it was.

  #draw() {
    const [width, height] = this.#size;
    const focused = this.#drawing.contains(document.activeElement) && document.activeElement.dataset.corner;
    this.#drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    fill(this.#drawing, shapes({
      size: this.#size, unit: width / (this.#drawing.getBoundingClientRect().width || 900), areas: this.#areas, kind: this.#kind,
      chosen: this.#chosen, draft: this.#draft, corners: this.#corners(), aim: this.#aim, id: `${this.#note.id}-inside`,
      sample: this.#pictured ? this.#sample : null,
    }));
    this.element.classList.toggle("blind", !this.#pictured);
    if (focused) this.#drawing.querySelector(`[data-corner="${focused}"]`)?.focus(QUIETLY);
    this.#say();
    this.#drawTools();
    this.#drawList();
  }

  #say() {
    const corners = this.#draft.length > 0 ? null : KINDS.flatMap((kind) => this.#areas[kind].map((found, place) => [kind, place, fault(found)])).find(([, , wrong]) => wrong);
    const text = this.#refusal ?? (corners ? `${zoneName(corners[0], corners[1])}: ${t(FAULTS[corners[2]])}` : this.#hint());
    this.#note.classList.toggle("bad-text", this.#refusal !== null || Boolean(corners));
    setText(this.#note, text);
  }

  #hint() {
    const blind = this.#pictured ? "" : `${t("zones.blind")} `;
    if (this.#draft.length >= 3) return t("zones.hint.close");
    if (this.#draft.length > 0) return t("zones.hint.more");
    if (this.#chosen !== null) return t("zones.hint.chosen");
    return blind + t(this.#kind === "regions" ? "zones.hint.regions" : "zones.hint.ignore");
  }

  #drawTools() {
    const focused = this.#tools.contains(document.activeElement) ? document.activeElement.dataset.tool : null;
    const tool = (key, label, act, props = {}) => h("button", { type: "button", class: "small", ...props, data: { tool: key }, on: { click: act } }, label);
    fill(this.#tools,
      h("div", { class: "zones-kinds", role: "group", "aria-label": t("zones.kind") },
        tool("regions", [h("span", { class: "zones-mark regions", "aria-hidden": "true" }), t("zones.regions")], () => this.#switch("regions"), { "aria-pressed": String(this.#kind === "regions") }),
        tool("ignore", [h("span", { class: "zones-mark ignore_zones", "aria-hidden": "true" }), t("zones.ignores")], () => this.#switch("ignore_zones"), { "aria-pressed": String(this.#kind !== "regions") })),
      tool("close", t("zones.close"), () => this.#close(), { disabled: this.#draft.length < 3 }),
      tool("undo", t("zones.undo"), () => this.#undo(), { disabled: this.#past.length === 0 }),
      tool("look", t("zones.look"), () => this.look()));
    // A button that has just been switched off cannot have the focus: the drawing takes it.
    if (focused) (this.#tools.querySelector(`[data-tool="${focused}"]:not(:disabled)`) ?? this.#drawing).focus(QUIETLY);
  }

  #drawList() {
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.of : null;
    fill(this.#list, KINDS.map((kind) => this.#areas[kind].map((_, place) => {
      const label = zoneName(kind, place);
      const chosen = kind === this.#kind && place === this.#chosen;
      return h("li", { class: `zones-item ${kind}` },
        h("button", { type: "button", class: "small", "aria-pressed": String(chosen), data: { of: `${kind} ${place}` }, on: { click: () => this.#choose(kind, place) } },
          h("span", { class: `zones-mark ${kind}`, "aria-hidden": "true" }), label),
        h("button", { type: "button", class: "small square", "aria-label": t("zones.remove", { name: label }), on: { click: () => this.#remove(kind, place) } }, icon("close")));
    })));
    if (focused) this.#list.querySelector(`[data-of="${focused}"]`)?.focus(QUIETLY);
  }
}

function moved([x, y], key, far) {
  const [right, down] = STEPS[key];
  const step = far ? 0.05 : 0.01;
  return [part(x + right * step), part(y + down * step)];
}
