// The live feed: an EventSource that comes back by itself, knows whether it lives, and misses nothing.

import { ApiError, ask, queryOf } from "./api.js";

const NAMES = ["detection", "alert", "camera-status", "camera-changed", "reset"];
// The server says the time at least every 15 s.
const SILENCE_MS = 40_000;
// A feed ends now and then by itself, to ask anew who is reading; only one that is not back by then is lost.
const GRACE_MS = 1000;
// A little less than the server lets pass without a record.
const RESUME_MS = 240_000;

/** Events: those of `NAMES` with `detail` the data, and `state` when `state` ("connecting", "live", "lost") changes. */
export class Feed extends EventTarget {
  #source = null;
  #lastId = null;
  #heard = 0;
  #tries = 0;
  #retry = 0;
  #watch = 0;
  #grace = 0;
  state = "connecting";
  /** When the feed was last known to live, ms. */
  aliveAt = null;
  /** Server time minus ours, ms. */
  skew = 0;

  start() {
    this.#watch = setInterval(() => this.#check(), 5000);
    document.addEventListener("visibilitychange", this.#seen);
    globalThis.addEventListener("online", this.#seen);
    this.#open();
  }

  stop() {
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    clearTimeout(this.#grace);
    document.removeEventListener("visibilitychange", this.#seen);
    globalThis.removeEventListener("online", this.#seen);
    this.#source?.close();
    this.#source = null;
    this.#lastId = null;
  }

  #seen = () => {
    if (!document.hidden && this.#source?.readyState === EventSource.CLOSED) this.#again(0);
    else this.#check();
  };

  #open() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#heard = Date.now();
    // After a long silence the page asks for the newest; to be shown all that passed is a look-up, recorded and counted.
    if (this.aliveAt !== null && Date.now() - this.aliveAt > RESUME_MS) this.#lastId = null;
    // A new EventSource knows no Last-Event-ID; the address carries it.
    const source = new EventSource(`/api/events${queryOf({ after: this.#lastId })}`);
    this.#source = source;
    source.addEventListener("clock", (event) => this.#clock(event));
    for (const name of NAMES) source.addEventListener(name, (event) => this.#event(name, event));
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      clearTimeout(this.#grace);
      this.#grace = setTimeout(() => this.#become("lost"), GRACE_MS);
      if (source.readyState === EventSource.CLOSED) this.#again(Math.min(15_000, 1000 * 2 ** this.#tries));
    });
  }

  #again(delay) {
    clearTimeout(this.#retry);
    this.#tries += 1;
    this.#retry = setTimeout(async () => {
      try {
        // A feed that was refused may be a session that ended: `ask` renews it, or leads to the sign-in page.
        await ask("GET", "/api/auth/me");
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status !== 401) this.#again(Math.min(15_000, 1000 * 2 ** this.#tries));
        return;
      }
      if (this.#source) this.#open();
    }, delay);
  }

  #check() {
    if (this.#source && this.#source.readyState !== EventSource.CLOSED && Date.now() - this.#heard > SILENCE_MS) {
      this.#become("lost");
      this.#open();
    }
  }

  #note(event) {
    if (event.lastEventId) this.#lastId = event.lastEventId;
    this.#heard = Date.now();
    this.aliveAt = Date.now();
    this.#tries = 0;
  }

  #clock(event) {
    this.#note(event);
    clearTimeout(this.#grace);
    this.skew = Date.parse(JSON.parse(event.data).now) - Date.now();
    this.#become("live");
  }

  #event(name, event) {
    this.#note(event);
    this.dispatchEvent(new CustomEvent(name, { detail: JSON.parse(event.data) }));
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
