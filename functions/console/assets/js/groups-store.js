// The groups of cameras as the register tells them; asked for where they are shown.

import { ApiError, ask } from "./api.js";

/** The formats that a plate may have, in the order of the API; a camera without a group has the first two. */
export const FORMATS = [
  "br_old", "br_mercosul", "ar_old", "ar_mercosul", "ar_moto_mercosul", "uy_mercosul", "py_old", "py_mercosul", "py_moto_mercosul", "any",
];

/** Event `change` when they were loaded. */
class Groups extends EventTarget {
  #items = new Map();
  #asking = null;
  loaded = false;
  error = null;

  get list() {
    return [...this.#items.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  get(id) {
    return this.#items.get(id);
  }

  /** The group's name; its id while the groups are not known. */
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
        const page = await ask("GET", "/api/groups", { query: { cursor, limit: 200 } });
        for (const group of page.items) items.set(group.id, group);
        cursor = page.next_cursor;
      } while (cursor);
      this.#items = items;
      this.loaded = true;
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
    }
    this.dispatchEvent(new Event("change"));
  }
}

export const groups = new Groups();
