// The facts of a camera that people look it up by, and the hours in which it is read: parts of its form.

import { fill, h, uid } from "../dom.js";
import { field } from "../errors.js";
import { t } from "../i18n.js";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WEEK = { days: DAYS.slice(0, 5), start: "06:00", end: "22:00" };

/** Inputs of where it hangs and what it is; `input` makes one from the camera's own value. */
export function factFields(camera, input) {
  const any = { type: "number", step: "any" };
  const tags = h("input", { id: "f-tags", name: "tags", maxlength: 400, autocomplete: "off", value: (camera?.tags ?? []).join(", ") || undefined });
  return [
    h("div", { class: "two" },
      field(t("form.latitude"), input("latitude", { ...any, min: -90, max: 90 })),
      field(t("form.longitude"), input("longitude", { ...any, min: -180, max: 180 })),
      field(t("form.heading"), input("heading", { ...any, min: 0, max: 359.999 }), t("form.heading.help")),
      field(t("form.tags"), tags, t("form.tags.help")),
      field(t("form.vendor"), input("vendor", { maxlength: 80, autocomplete: "off" })),
      field(t("form.model"), input("model", { maxlength: 80, autocomplete: "off" }))),
  ];
}

/** The tags of their input; null where there is none. */
export function tagsOf(input) {
  const tags = input.value.split(/[,;|]/).map((tag) => tag.trim()).filter(Boolean);
  return tags.length ? tags : null;
}

/** {element, value(), complain(text)}: rows of days and hours; none: it is always read. */
export function hoursEditor(given) {
  const rows = h("ul", { class: "hours" });
  const note = h("p", { class: "form-error", role: "alert", hidden: true });
  const always = h("p", { class: "help" });
  const more = h("button", { type: "button", class: "small", on: { click: () => add(WEEK) } }, t("hours.add"));
  const element = h("fieldset", { class: "field hours-field" }, h("legend", {}, t("hours")),
    h("p", { class: "help" }, t("hours.help")), always, rows, note, h("div", {}, more));
  const held = [];

  function tell() {
    fill(always, held.length === 0 ? t("hours.always") : "");
    note.hidden = true;
  }

  function add({ days, start, end }) {
    const boxes = DAYS.map((day) => h("input", { type: "checkbox", value: day, checked: days.includes(day) }));
    const [from, to] = [start, end === "24:00" ? "00:00" : end].map((value) => h("input", { type: "time", id: uid("hour"), value, required: true }));
    const row = { boxes, from, to };
    const gone = h("button", { type: "button", class: "ghost small", on: { click: () => drop(row) } }, t("hours.remove"));
    row.element = h("li", {},
      h("div", { class: "days" }, DAYS.map((day, place) => h("label", {}, boxes[place], t(`day.${day}`)))),
      h("div", { class: "clock" }, h("label", { for: from.id }, t("hours.from")), from, h("label", { for: to.id }, t("hours.to")), to, gone));
    held.push(row);
    rows.append(row.element);
    tell();
  }

  function drop(row) {
    held.splice(held.indexOf(row), 1);
    row.element.remove();
    tell();
    more.focus();
  }

  for (const hours of given ?? []) add(hours);
  tell();
  return {
    element,
    /** The schedule as the API takes it; midnight at the end is the day's own. */
    value() {
      note.hidden = true;
      const found = held.map(({ boxes, from, to }) => ({
        days: boxes.filter(({ checked }) => checked).map(({ value }) => value), start: from.value, end: to.value === "00:00" ? "24:00" : to.value,
      }));
      return found.length ? found : null;
    },
    complain(text) {
      note.textContent = text;
      note.hidden = false;
      note.scrollIntoView({ block: "nearest" });
    },
  };
}
