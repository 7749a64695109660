// What people say of a passage's plate: who set it right, and the form to do so.

import { ApiError, ask } from "../api.js";
import { toast } from "../dialog.js";
import { h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { dayAndTime, t } from "../i18n.js";
import { me } from "../session.js";

const TYPES = ["car", "motorcycle", "bus", "truck"];
const COLORS = ["white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "other"];

const named = (plate) => plate ?? t("plate.none");

/** A line for each correction: what was read, what it became, by whom. */
export function history(item) {
  if (!item.corrections?.length) return null;
  return h("ul", { class: "corrections" }, item.corrections.map((one) => {
    const values = {
      before: named(one.plate_before), after: named(one.plate_after), by: one.created_by, model: one.model ?? "", time: dayAndTime(one.created_at),
    };
    const same = one.plate_before === one.plate_after;
    const key = one.source === "reread" ? "correct.line.reread" : same ? "correct.line.confirmed" : "correct.line";
    return h("li", {}, t(key, values), one.reason && h("q", {}, one.reason));
  }));
}

/** The form; `done(item)` gets the passage as it is afterwards. `use(text)` puts a possible reading into it. */
export function correctForm(item, done) {
  const input = h("input", {
    id: "correct-plate", name: "plate", class: "mono", value: item.plate ?? "", maxlength: 16, autocomplete: "off", spellcheck: "false",
    autocapitalize: "characters", placeholder: "ABC1D23",
  });
  const reason = h("input", { id: "correct-reason", name: "reason", maxlength: 500, autocomplete: "off" });
  const kind = choice("correct-type", "type", TYPES.map((one) => [one, t(`vehicle.${one}`)]), item.type);
  const color = choice("correct-color", "color", COLORS.map((one) => [one, t(`color.${one}`)]), item.color);
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const form = h("form", { class: "correct-form", on: { submit: save } },
    field(t("correct.plate"), input, t("correct.plate.help")),
    field(t("correct.reason"), reason),
    item.final && h("div", { class: "two" }, field(t("detail.type"), kind), field(t("detail.color"), color)),
    fault,
    h("div", { class: "actions start" },
      h("button", { class: "primary", type: "submit" }, t("correct.save")),
      item.plate && h("button", { type: "button", on: { click: () => send({ plate: item.plate }) } }, t("correct.confirm")),
      item.plate && h("button", { type: "button", class: "ghost", on: { click: () => send({ plate: null }) } }, t("correct.none"))));
  const element = h("details", { class: "correct" }, h("summary", {}, t("correct.title")), form);

  function save(event) {
    event.preventDefault();
    const body = item.final ? changed({ type: kind.value, color: color.value }) : {};
    const plate = input.value.trim();
    // Type or colour alone say nothing of the plate, unless it was typed anew.
    if (plate !== (item.plate ?? "") || Object.keys(body).length === 0) body.plate = plate;
    send(body);
  }

  function changed(values) {
    return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== "" && value !== item[name]));
  }

  async function send(body) {
    clearErrors(form, fault);
    const whole = { ...body, expected_plate: item.plate };
    if (reason.value.trim()) whole.reason = reason.value.trim();
    form.inert = true;
    try {
      const next = await ask("PATCH", `/api/detections/${encodeURIComponent(item.id)}`, { body: whole });
      toast("plate" in body ? said(next) : t("correct.saved"));
      done(next);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 409 && "plate" in error.details) {
        fault.textContent = t("correct.changed", { plate: named(error.details.plate) });
        fault.hidden = false;
      } else showErrors(form, error, fault);
    } finally {
      form.inert = false;
    }
  }

  function said(next) {
    if (next.plate === null) return t("correct.said.none");
    return t(next.plate === item.plate ? "correct.said.confirmed" : "correct.said", { plate: next.plate, by: me()?.username });
  }

  return {
    element,
    use(text) {
      element.open = true;
      input.value = text;
      input.focus();
    },
  };
}

function choice(id, name, options, chosen) {
  const none = chosen ? null : h("option", { value: "" }, "–");
  return h("select", { id, name }, none, options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
}
