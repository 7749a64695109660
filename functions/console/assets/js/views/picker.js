// Several of many: a list of boxes folded into one line that says what is chosen.

import { fill, h, setText } from "../dom.js";
import { plural } from "../i18n.js";

/** {element, values(), options([[value, label]])}; nothing chosen means all. `everything` is the words for that. */
export function picker(id, label, everything, chosen) {
  const values = new Set(chosen);
  const words = h("summary", { id, "aria-label": label });
  const list = h("div", { class: "picker-list", role: "group", "aria-label": label });
  const element = h("details", { class: "picker", on: { keydown: escape, focusout: leave } }, words, list);
  let names = new Map();

  function escape(event) {
    if (event.key !== "Escape" || !element.open) return;
    element.open = false;
    words.focus();
  }

  function leave(event) {
    if (!element.contains(event.relatedTarget) && event.relatedTarget) element.open = false;
  }

  function say() {
    const [only] = values;
    const text = values.size === 0 ? everything : values.size === 1 ? names.get(only) ?? only : plural("cameras.count", values.size);
    setText(words, text);
    words.setAttribute("aria-label", `${label}: ${text}`);
  }

  const outside = (event) => {
    if (!element.contains(event.target)) element.open = false;
  };
  element.addEventListener("toggle", () => document[element.open ? "addEventListener" : "removeEventListener"]("pointerdown", outside));
  return {
    element,
    values: () => [...values],
    options(pairs) {
      names = new Map(pairs);
      for (const value of values) if (!names.has(value)) names.set(value, value);
      fill(list, [...names].map(([value, name]) => {
        const box = h("input", { type: "checkbox", value, checked: values.has(value) });
        box.addEventListener("change", () => {
          if (box.checked) values.add(value);
          else values.delete(value);
          say();
        });
        return h("label", {}, box, name);
      }));
      say();
    },
  };
}
