// The newest detections: a preview is replaced by what follows it, in its place.

const KEEP = 150;
// A passage that ended longer ago and was not shown has not just passed: somebody corrected it, or it was read again.
const PAST_MS = 600_000;

/** Event `change` with `detail` {fresh: ids that are new}. */
export class Detections extends EventTarget {
  #items = new Map();

  /** Newest first. */
  get list() {
    return [...this.#items.values()].sort(newestFirst);
  }

  get size() {
    return this.#items.size;
  }

  add(found, live = true) {
    const fresh = [];
    for (const item of found) {
      const known = this.#items.get(item.id);
      if (item.replaced_by) {
        this.#items.delete(item.id);
        continue;
      }
      // A late preview never undoes what was final.
      if (known?.final && !item.final) continue;
      if (live && !known && Date.now() - Date.parse(item.ended_at) > PAST_MS) continue;
      if (!known) fresh.push(item.id);
      this.#items.set(item.id, { ...known, ...item });
    }
    this.#trim();
    this.dispatchEvent(new CustomEvent("change", { detail: { fresh: live ? fresh : [] } }));
  }

  #trim() {
    if (this.#items.size <= KEEP) return;
    for (const item of this.list.slice(KEEP)) this.#items.delete(item.id);
  }
}

function newestFirst(one, other) {
  const order = Date.parse(other.started_at) - Date.parse(one.started_at);
  return order || (other.id > one.id ? 1 : -1);
}

export function vehiclePicture(item) {
  return pictureAddress(item.snapshot_url, `/api/detections/${encodeURIComponent(item.id)}/snapshot.jpg`);
}

export function platePicture(item) {
  return pictureAddress(item.plate_snapshot_url, `/api/detections/${encodeURIComponent(item.id)}/snapshot.jpg?kind=plate`);
}

/** An address that this page may load: the link on our own host or by https, else our own path with the cookie. */
function pictureAddress(link, own) {
  if (!link) return null;
  const address = new URL(link, location.href);
  if (address.pathname.startsWith("/api/")) return address.pathname + address.search;
  return address.origin === location.origin || address.protocol === "https:" ? address.href : own;
}
