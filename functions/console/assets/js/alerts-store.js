// How many alerts are open, and what just happened to one: for the frame's badge, the toast and the page.

import { ApiError, ask } from "./api.js";
import { toast } from "./dialog.js";
import { announce } from "./dom.js";
import { plateText } from "./plate.js";
import { t } from "./i18n.js";

const SOUND = "gtv.alerts.sound";
// Several at once are counted once.
const WAIT_MS = 250;
// Of many in a second one is shown by name: the badge counts them all.
const APART_MS = 1000;

/** Events: `change` when the counts are new, `heard` with `detail` the feed's word of one alert. */
class Alerts extends EventTarget {
  #soon = 0;
  #shown = 0;
  open = 0;
  escalated = 0;

  clear() {
    clearTimeout(this.#soon);
    this.#soon = 0;
    this.open = this.escalated = 0;
  }

  async load() {
    try {
      const counts = await ask("GET", "/api/alerts/counts");
      Object.assign(this, counts);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** What the feed said. Only what is new is shown: of alerts that others saw to, the count is enough. */
  async heard(change) {
    this.#soon ||= setTimeout(() => {
      this.#soon = 0;
      this.load();
    }, WAIT_MS);
    this.dispatchEvent(new CustomEvent("heard", { detail: change }));
    if (change.change !== "raised" && change.change !== "escalated") return;
    if (Date.now() - this.#shown < APART_MS) return;
    this.#shown = Date.now();
    try {
      const alert = await ask("GET", `/api/alerts/${encodeURIComponent(change.id)}`);
      if (alert.state !== "open") return;
      const text = t(change.change === "raised" ? "alert.toast" : "alert.toast.escalated", {
        plate: plateText(alert.plate), list: listName(alert), camera: alert.camera_name ?? alert.camera_id,
      });
      toast(text, "bad");
      announce(text);
      if (this.sound) beep();
    } catch (error) {
      // One at a camera that is not ours is none to us.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  get sound() {
    return localStorage.getItem(SOUND) === "on";
  }

  set sound(on) {
    localStorage.setItem(SOUND, on ? "on" : "off");
    if (on) beep();
  }
}

/** The platform's own list has a name in the reader's language. */
export function listName(alert) {
  return alert.hotlist_id === "cloned" ? t("hotlist.cloned") : alert.list_name;
}

function beep() {
  const context = new AudioContext();
  for (const [at, pitch] of [[0, 880], [0.18, 660]]) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = 0.12;
    tone.connect(volume).connect(context.destination);
    tone.start(context.currentTime + at);
    tone.stop(context.currentTime + at + 0.15);
  }
  setTimeout(() => context.close(), 600);
}

export const alerts = new Alerts();
