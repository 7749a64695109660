// The cameras as the register tells them, kept fresh by the feed; shared by all views.

import { ApiError, ask } from "./api.js";

const PROBLEMS = new Set(["offline", "degraded", "unknown"]);

/** Event `change` when any camera changed. */
class Cameras extends EventTarget {
  #items = new Map();
  #asking = null;
  #soon = 0;
  loaded = false;
  error = null;

  get list() {
    return [...this.#items.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  get(id) {
    return this.#items.get(id);
  }

  name(id) {
    return this.#items.get(id)?.name ?? id;
  }

  clear() {
    clearTimeout(this.#soon);
    this.#items = new Map();
    this.loaded = false;
  }

  /** Every page of the register. Errors are kept in `error` for the views to show. */
  load() {
    this.#asking ??= this.#load().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #load() {
    const items = new Map();
    try {
      let cursor = null;
      do {
        const page = await ask("GET", "/api/cameras", { query: { cursor, limit: 100 } });
        for (const camera of page.items) items.set(camera.id, camera);
        cursor = page.next_cursor;
      } while (cursor);
      this.#items = items;
      this.loaded = true;
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
    }
    this.#told();
  }

  /** Ask again shortly; many reasons at once ask once. */
  loadSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.load(), 400);
  }

  /** What the feed said of one camera. */
  status(change) {
    const camera = this.#items.get(change.camera_id);
    if (!camera) {
      this.loadSoon();
      return;
    }
    camera.status = { ...camera.status, ...change };
    this.#told();
  }

  #told() {
    this.dispatchEvent(new Event("change"));
  }

  /** Cameras that should be seen and are not, the worst first. */
  get problems() {
    const rank = { offline: 0, unknown: 1, degraded: 2 };
    return this.list
      .filter((camera) => PROBLEMS.has(stateOf(camera)))
      .sort((one, other) => rank[stateOf(one)] - rank[stateOf(other)]);
  }

  get counts() {
    const counts = { total: 0, online: 0, degraded: 0, offline: 0, provisioning: 0, disabled: 0, unknown: 0 };
    for (const camera of this.#items.values()) {
      counts.total += 1;
      counts[stateOf(camera)] += 1;
    }
    return counts;
  }
}

export function stateOf(camera) {
  if (!camera.enabled) return "disabled";
  return camera.status?.state ?? "unknown";
}

// FRAMES keeps a frame for a minute: asking later would only bring an error.
const FRAME_KEPT_S = 50;

/** Whether the camera has a newest frame to show. `skew`: how far the server's clock is ahead, ms. */
export function hasPicture(camera, skew = 0) {
  const time = camera.status?.last_frame_at;
  const sees = ["online", "degraded"].includes(stateOf(camera));
  return sees && Boolean(time) && (Date.now() + skew - Date.parse(time)) / 1000 < FRAME_KEPT_S;
}

export const cameras = new Cameras();
