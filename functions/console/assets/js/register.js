// What a list of the API holds, every page of it, by id; shared by the views that show it.

import { ApiError, ask } from "./api.js";

/** Event `change` when anything of it changed. */
export class Register extends EventTarget {
  #path;
  #items = new Map();
  #asking = null;
  loaded = false;
  error = null;

  constructor(path) {
    super();
    this.#path = path;
  }

  get list() {
    const label = (item) => item.name ?? item.username ?? item.id;
    return [...this.#items.values()].sort((one, other) => label(one).localeCompare(label(other)));
  }

  get(id) {
    return this.#items.get(id);
  }

  /** The name; the id while it is not known. */
  name(id) {
    return this.#items.get(id)?.name ?? id;
  }

  clear() {
    this.#items = new Map();
    this.loaded = false;
  }

  /** Every page. Errors are kept in `error` for the views to show. */
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
        const page = await ask("GET", this.#path, { query: { cursor, limit: 200 } });
        for (const item of page.items) items.set(item.id, item);
        cursor = page.next_cursor;
      } while (cursor);
      this.#items = items;
      this.loaded = true;
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
    }
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
