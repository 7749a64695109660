// The cameras as the register tells them, kept fresh by the feed; shared by all views.

import { Register } from "./register.js";

const PROBLEMS = new Set(["offline", "degraded", "unknown"]);

class Cameras extends Register {
  #soon = 0;

  clear() {
    clearTimeout(this.#soon);
    super.clear();
  }

  /** Ask again shortly; many reasons at once ask once. */
  loadSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.load(), 400);
  }

  /** What the feed said of one camera. */
  status(change) {
    const camera = this.get(change.camera_id);
    if (!camera) {
      this.loadSoon();
      return;
    }
    const { reading, ...status } = change;
    camera.status = { ...camera.status, ...status };
    if (reading) camera.reading = reading;
    this.changed();
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
    for (const camera of this.list) {
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

export const cameras = new Cameras("/api/cameras");
