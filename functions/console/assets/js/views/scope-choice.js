// Which cameras somebody sees: all of them, or those of chosen groups.

import { fill, h, uid } from "../dom.js";
import { groups } from "../groups-store.js";
import { t } from "../i18n.js";

/** {element, values(), close(), fixed(reason)}: `values()` is null for every camera, else ids of groups. */
export function scopeChoice(legend, chosen, all = t("people.sees.all")) {
  const name = uid("sees");
  const list = h("ul", { class: "formats" });
  const whole = h("input", { type: "radio", name, value: "all", checked: chosen === null });
  const some = h("input", { type: "radio", name, value: "some", checked: chosen !== null });
  const note = h("p", { class: "help" });
  const element = h("fieldset", { class: "field formats-field" }, h("legend", {}, legend),
    h("div", { class: "choices" }, h("label", {}, whole, all), h("label", {}, some, t("people.sees.some"))), note, list);
  const picked = new Set(chosen ?? []);

  function draw() {
    list.hidden = whole.checked;
    if (!note.dataset.fixed) note.textContent = some.checked && groups.loaded && groups.list.length === 0 ? t("people.sees.nogroups") : "";
    fill(list, groups.list.map((group) => {
      const box = h("input", { type: "checkbox", value: group.id, checked: picked.has(group.id) });
      box.addEventListener("change", () => (box.checked ? picked.add(group.id) : picked.delete(group.id)));
      return h("li", {}, h("label", {}, box, group.name));
    }));
  }

  whole.addEventListener("change", draw);
  some.addEventListener("change", draw);
  groups.addEventListener("change", draw);
  draw();
  groups.load();
  return {
    element,
    values: () => (whole.checked ? null : groups.list.map((group) => group.id).filter((id) => picked.has(id))),
    close: () => groups.removeEventListener("change", draw),
    /** Every camera, for a reason that is told; "" leaves the choice to the reader again. */
    fixed(reason) {
      if (reason) whole.checked = true;
      whole.disabled = some.disabled = Boolean(reason);
      note.dataset.fixed = reason;
      note.textContent = reason;
      draw();
    },
  };
}

/** Those groups by name, or that it is every camera. */
export function scopeWords(ids) {
  if (ids === null) return t("people.sees.all");
  if (ids.length === 0) return t("people.sees.none");
  return ids.map((id) => groups.name(id)).join(", ");
}
