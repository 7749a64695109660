// A hotlist's form: what it is for, where and when it counts, and who is told.

import { ApiError, ask, onceKey } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { groups } from "../groups-store.js";
import { t } from "../i18n.js";
import { caught, DAYS as BACK } from "./hotlist-preview.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DIRECTIONS = ["towards", "away", "left", "right"];

export function openHotlist(list, done) {
  const own = list?.kind === "cloned";
  openDialog(list ? t("camera.edit.title", { name: own ? t("hotlist.cloned") : list.name }) : t("hotlist.add"), (close) => {
    const inputs = inputsOf(list, own);
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    let once = onceKey();
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      const body = bodyOf(inputs, list, own);
      try {
        const saved = list
          ? await ask("PATCH", `/api/hotlists/${encodeURIComponent(list.id)}`, { body })
          : await ask("POST", "/api/hotlists", { body, once });
        close();
        toast(t("camera.saved", { name: saved.name }));
        done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        once = onceKey();
        showErrors(form, error, fault);
      }
    };
    const tried = own ? null : trial(inputs, list);
    // What was found is of the rule as it was then.
    const input = () => tried && fill(tried.found);
    return h("form", { class: "hotlist-form", on: { submit, input } }, sections(inputs, list, own), tried?.element, fault,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("save"))));
  }, { wide: true });
}

function inputsOf(list, own) {
  const input = (name, props) => h("input", { id: `hl-${name}`, name, autocomplete: "off", ...props });
  const span = list?.hours[0];
  return {
    name: input("name", { required: true, maxlength: 120, value: list?.name }),
    kind: h("select", { id: "hl-kind", name: "kind" }, ["watch", "allow"].map((one) => h("option", { value: one }, t(`hotlist.kind.${one}`)))),
    owner: input("owner", { maxlength: 120, value: list?.owner }),
    reason: input("reason", { maxlength: 500, value: list?.reason }),
    priority: input("priority", { type: "number", min: 0, max: 100, required: true, value: list?.priority ?? 50 }),
    enabled: h("input", { id: "hl-enabled", type: "checkbox", checked: list?.enabled ?? true }),
    twins: h("input", { id: "hl-twins", type: "checkbox", checked: list?.twins ?? true }),
    until: input("valid_until", { type: "datetime-local", value: local(list?.valid_until) }),
    groups: boxes("group", groups.list.map((one) => [one.id, one.name]), list?.group_ids ?? []),
    directions: boxes("direction", DIRECTIONS.map((one) => [one, t(`direction.${one}`)]), list?.directions ?? []),
    days: boxes("day", DAYS.map((one) => [one, t(`hotlist.day.${one}`)]), span?.days ?? []),
    start: input("start", { type: "time", value: span?.start ?? "" }),
    end: input("end", { type: "time", value: span?.end ?? "" }),
    escalate: input("escalate_after_min", { type: "number", min: 1, max: 10080, value: list?.escalate_after_min }),
    emails: input("emails", { value: list?.emails.join(", ") }),
    escalation: input("escalation_emails", { value: list?.escalation_emails.join(", ") }),
    hook: input("url", { type: "password", placeholder: list?.hook_host ?? "" }),
    own,
  };
}

function sections(inputs, list, own) {
  const many = (list?.hours.length ?? 0) > 1;
  return [
    h("div", { class: "form-grid" },
      !own && field(t("hotlist.name"), inputs.name), !list && field(t("hotlist.kind"), inputs.kind, t("hotlist.kind.help")),
      field(t("hotlist.owner"), inputs.owner), field(t("alert.reason"), inputs.reason),
      field(t("alert.priority"), inputs.priority, t("hotlist.priority.help")), field(t("hotlist.until"), inputs.until)),
    check(inputs.enabled, t("hotlist.on")), !own && check(inputs.twins, t("hotlist.twins")),
    group(t("hotlist.where"), inputs.groups.element, t("hotlist.where.help")),
    group(t("detail.direction"), inputs.directions.element, t("hotlist.any")),
    many ? h("p", { class: "help" }, t("hotlist.hours.many")) : group(t("hotlist.hours"), [inputs.days.element, h("div", { class: "form-grid" }, field(t("search.from"), inputs.start), field(t("search.to"), inputs.end))], t("hotlist.hours.help")),
    h("div", { class: "form-grid" },
      field(t("hotlist.emails"), inputs.emails, t("hotlist.emails.help")), field(t("hotlist.escalate"), inputs.escalate, t("hotlist.escalate.help")),
      field(t("hotlist.escalation"), inputs.escalation), field(t("hotlist.hook"), inputs.hook, t("hotlist.hook.help"))),
  ];
}

function bodyOf(inputs, list, own) {
  const mails = (input) => input.value.split(/[,;\s]+/).filter(Boolean);
  const chosen = inputs.groups.values();
  const body = {
    owner: inputs.owner.value.trim(), reason: inputs.reason.value.trim(), priority: Number(inputs.priority.value),
    enabled: inputs.enabled.checked, valid_until: utc(inputs.until.value), group_ids: chosen.length ? chosen : null,
    directions: inputs.directions.values(), escalate_after_min: inputs.escalate.value ? Number(inputs.escalate.value) : null,
    emails: mails(inputs.emails), escalation_emails: mails(inputs.escalation),
  };
  const days = inputs.days.values();
  if ((list?.hours.length ?? 0) <= 1) {
    body.hours = days.length ? [{ days, start: inputs.start.value || "00:00", end: inputs.end.value || "00:00" }] : [];
  }
  if (!own) Object.assign(body, { name: inputs.name.value.trim(), twins: inputs.twins.checked });
  if (!list) body.kind = inputs.kind.value;
  if (inputs.hook.value) body.hook = { url: inputs.hook.value.trim() };
  return body;
}

/** {element, found}: what the rule of the form, as it is now and unsaved, would have caught. */
function trial(inputs, list) {
  const plates = h("textarea", { id: "hl-try", name: "pattern", rows: 2, class: "mono", placeholder: "ABC1D23, XYZ*" });
  const found = h("div", { class: "tried", role: "status" });
  let turn = 0;
  const look = async (event) => {
    const form = event.currentTarget.form;
    const mine = ++turn;
    const body = draftOf(inputs, list, plates.value);
    clearErrors(form, found);
    found.hidden = false;
    if (!body) {
      fill(found, h("p", { class: "form-error" }, t("hotlist.try.none")));
      return;
    }
    fill(found, t("loading"));
    let answer;
    try {
      answer = caught(await ask("POST", "/api/hotlists/preview", { body }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const fault = h("p", { class: "form-error" });
      showErrors(form, error, fault);
      answer = fault;
    }
    if (mine === turn) fill(found, answer);
  };
  const button = h("button", { type: "button", on: { click: look } }, t("hotlist.preview"));
  const help = t(list ? "hotlist.try.help.list" : "hotlist.try.help");
  const element = h("fieldset", { class: "hotlist-part" }, h("legend", {}, t("hotlist.try")),
    h("p", { class: "help" }, t("hotlist.try.what", { days: BACK })), field(t("hotlist.try.plates"), plates, help), button, found);
  return { element, found };
}

/** The body of a preview; null where there is no plate to look for. */
function draftOf(inputs, list, plates) {
  const rule = bodyOf(inputs, list, false);
  const entries = plates.split(/[,;\s]+/).filter(Boolean).map((pattern) => ({ pattern }));
  if (!list && entries.length === 0) return null;
  // Neither name nor receivers change what is caught.
  for (const name of ["name", "hook", "emails", "escalation_emails", "escalate_after_min"]) delete rule[name];
  if (entries.length) rule.entries = entries;
  if (list) Object.assign(rule, { hotlist_id: list.id, kind: list.kind, tolerances: list.tolerances });
  if (list && rule.hours === undefined) rule.hours = list.hours;
  return { ...rule, days: BACK, limit: 20 };
}

function group(title, content, help) {
  return h("fieldset", { class: "hotlist-part" }, h("legend", {}, title), content, h("p", { class: "help" }, help));
}

function check(input, label) {
  return h("div", { class: "field check" }, h("label", { for: input.id }, input, label));
}

/** {element, values()}: a row of boxes. */
function boxes(name, options, chosen) {
  const made = options.map(([value]) => h("input", { type: "checkbox", id: `hl-${name}-${value}`, value, checked: chosen.includes(value) }));
  const element = h("div", { class: "box-row" }, made.map((box, index) => h("label", { class: "check-inline", for: box.id }, box, options[index][1])));
  return { element, values: () => made.filter((box) => box.checked).map((box) => box.value) };
}

function local(time) {
  if (!time) return "";
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function utc(text) {
  return text ? new Date(text).toISOString() : null;
}
