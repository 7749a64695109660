// Alerts: the open ones first, each with its picture and reason, to be acknowledged with a note.

import { alerts, listName } from "../alerts-store.js";
import { ApiError, ask, queryOf } from "../api.js";
import { vehiclePicture } from "../detections-store.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { field, sentence } from "../errors.js";
import { ago, dayAndTime, moment, number, plural, t } from "../i18n.js";
import { plateElement } from "../plate.js";
import { may } from "../session.js";
import { showPicture } from "./card.js";
import { openDetection } from "./detail.js";

const STATES = ["open", "acknowledged", "withdrawn"];
const KINDS = ["watch", "not_listed", "cloned"];
const OUTCOMES = ["confirmed", "false_alarm", "no_action", "other"];
const LEVELS = [["", 0], ["normal", 50], ["high", 75]];
const PAGE = 30;

export function alertsView(main, world, params) {
  const filters = makeFilters(params);
  const told = h("span", { class: "muted", role: "status" });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const list = h("ol", { class: "alerts" });
  const empty = h("div", { class: "empty", hidden: true });
  const more = h("button", { type: "button", hidden: true, on: { click: () => load(false) } }, t("search.more"));
  const sound = h("input", { id: "alert-sound", type: "checkbox", checked: alerts.sound, on: { change: () => { alerts.sound = sound.checked; } } });
  const state = { cursor: null, count: 0, turn: 0 };
  fill(main, h("div", { class: "alerts-page" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.alerts")), told,
      h("div", { class: "actions" }, h("label", { class: "check-inline", for: "alert-sound" }, sound, t("alert.sound")))),
    filters.element, fault, list, empty, more));

  async function load(first) {
    const turn = ++state.turn;
    if (first) state.cursor = null;
    try {
      const page = await ask("GET", "/api/alerts", { query: { ...filters.query(), cursor: state.cursor, limit: PAGE } });
      if (turn !== state.turn) return;
      fault.hidden = true;
      if (first) {
        fill(list);
        state.count = 0;
      }
      list.append(...page.items.map((item) => card(item, world)));
      state.count += page.items.length;
      state.cursor = page.next_cursor;
      more.hidden = state.cursor === null;
      empty.hidden = state.count > 0;
      fill(empty, h("h2", {}, t("alert.none")), h("p", {}, t("alert.none.how")));
      setText(told, state.count === 0 ? "" : plural(state.cursor ? "alert.count.more" : "alert.count", state.count));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(fault, sentence(error));
      fault.hidden = false;
    }
  }

  let waiting = 0;
  const heard = () => {
    // Many at once are drawn once. A note that is being written stays where it is: the list waits for its dialog.
    waiting ||= setTimeout(() => {
      waiting = 0;
      if (document.querySelector("dialog[open]")) heard();
      else load(true);
    }, 300);
  };
  alerts.addEventListener("heard", heard);
  filters.element.addEventListener("change", () => {
    history.replaceState(null, "", `#/alerts${queryOf(filters.words())}`);
    load(true);
  });
  document.addEventListener("alert-acknowledged", heard);
  const ticking = setInterval(() => {
    for (const age of list.querySelectorAll("[data-raised]")) setText(age, since(age.dataset.raised, world));
  }, 1000);
  load(true);
  if (params.get("id")) openAlert(params.get("id"), world);
  return () => {
    clearTimeout(waiting);
    clearInterval(ticking);
    alerts.removeEventListener("heard", heard);
    document.removeEventListener("alert-acknowledged", heard);
  };
}

function since(time, { feed }) {
  return ago((Date.now() + (feed?.skew ?? 0) - Date.parse(time)) / 1000);
}

function makeFilters(params) {
  const select = (name, options, chosen) =>
    h("select", { id: `alert-${name}`, name }, options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
  const state = select("state", [...STATES.map((one) => [one, t(`alert.state.${one}`)]), ["all", t("alert.state.all")]], params.get("state") ?? "open");
  const kind = select("kind", [["", t("alert.kind.all")], ...KINDS.map((one) => [one, t(`alert.kind.${one}`)])], params.get("kind") ?? "");
  const level = select("level", LEVELS.map(([name]) => [name, t(`alert.level.${name || "all"}`)]), params.get("level") ?? "");
  const plate = h("input", { id: "alert-plate", name: "plate", class: "mono", maxlength: 16, autocomplete: "off", value: params.get("plate") ?? "", placeholder: "ABC1D23" });
  const element = h("form", { class: "search-form alert-filters", on: { submit: (event) => event.preventDefault() } },
    field(t("alert.state"), state), field(t("alert.kind"), kind), field(t("alert.priority"), level), field(t("plate"), plate));
  return {
    element,
    words: () => ({ state: state.value, kind: kind.value, level: level.value, plate: plate.value.trim() }),
    query: () => ({
      state: state.value === "all" ? null : state.value, kind: kind.value, plate: plate.value.trim(),
      min_priority: LEVELS.find(([name]) => name === level.value)[1] || null,
    }),
  };
}

function card(item, world) {
  const picture = h("span", { class: "shot" });
  showPicture(picture, vehiclePicture(item), t("picture.vehicle"));
  const grade = item.priority >= 75 ? "high" : item.priority >= 50 ? "normal" : "low";
  return h("li", { class: `alert ${item.state} ${grade}`, data: { id: item.id } },
    h("button", { type: "button", class: "plain-button alert-shot", "aria-label": t("alert.open", { plate: item.plate }), on: { click: () => openAlert(item.id, world) } }, picture),
    h("div", { class: "alert-what" },
      h("div", { class: "alert-line" }, plateElement(item.plate, item.plate_format, { uncertain: item.uncertain }), mark(item),
        h("span", { class: "alert-priority", title: t("alert.priority") }, number(item.priority))),
      h("strong", {}, listName(item)), h("span", {}, t(`alert.kind.${item.kind}`), item.pattern && ` · ${item.pattern}`),
      item.reason && item.hotlist_id !== "cloned" && h("span", {}, item.reason), evidence(item)),
    h("div", { class: "alert-where muted" },
      h("span", {}, item.camera_name ?? item.camera_id),
      h("time", { datetime: item.raised_at, data: { raised: item.raised_at }, title: dayAndTime(item.raised_at) }, since(item.raised_at, world)),
      item.acknowledged_by && h("span", {}, t("alert.by", { user: item.acknowledged_by })),
      item.withdrawn_reason && h("span", {}, item.withdrawn_reason)),
    h("div", { class: "alert-act" }, acknowledgeButton(item, world)));
}

function mark(item) {
  if (item.state === "open" && item.escalated_at) return h("span", { class: "mark uncertain" }, t("alert.escalated"));
  return h("span", { class: `mark ${item.state === "open" ? "reading" : ""}` }, t(`alert.state.${item.state}`));
}

function evidence({ cloned }) {
  if (!cloned) return null;
  const differ = cloned.differ.map((what) => t(`alert.differ.${what}`));
  return h("span", {}, [t("alert.evidence", { km: number(cloned.km, 1), seconds: number(cloned.seconds), kmh: number(cloned.kmh) }), ...differ].join(" · "));
}

function acknowledgeButton(item, world) {
  if (item.state === "acknowledged" || !may("operator")) return null;
  return h("button", { type: "button", class: "primary", on: { click: () => openAlert(item.id, world) } }, t("alert.acknowledge"));
}

/** One alert, whole: picture, facts, who was told, and the form that acknowledges it. */
async function openAlert(id, world) {
  let item;
  try {
    item = await ask("GET", `/api/alerts/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
    return;
  }
  openDialog(t("alert.title", { plate: item.plate, list: listName(item) }), (close) => {
    const picture = h("span", { class: "shot" });
    showPicture(picture, vehiclePicture(item), t("picture.vehicle"));
    const detection = h("button", { type: "button", on: { click: () => { close(); openDetection(item.detection_id, world); } } }, t("alert.detection"));
    return [
      h("div", { class: "alert-detail" }, picture, facts(item)),
      item.notifications.length > 0 && told(item.notifications),
      item.state !== "acknowledged" && may("operator") ? acknowledgement(item, close, detection) : h("div", { class: "actions" }, detection, h("button", { type: "button", on: { click: close } }, t("close"))),
    ];
  }, { wide: true });
}

function facts(item) {
  const pairs = [
    [t("alert.state"), mark(item)], [t("alert.kind"), t(`alert.kind.${item.kind}`)], [t("alert.reason"), item.reason],
    [t("alert.priority"), number(item.priority)], [t("camera"), item.camera_name ?? item.camera_id],
    [t("alert.seen"), dayAndTime(item.seen_at)], [t("alert.entry"), item.pattern], [t("alert.evidence.title"), evidence(item)],
    [t("alert.places"), item.sightings.map((one) => `${one.camera_name ?? one.camera_id} ${moment(one.seen_at)}`).join(" · ")],
    [t("alert.acknowledged"), item.acknowledged_by && `${item.acknowledged_by}, ${dayAndTime(item.acknowledged_at)}`],
    [t("alert.outcome"), item.outcome && t(`alert.outcome.${item.outcome}`)], [t("alert.note"), item.note],
    [t("alert.withdrawn"), item.withdrawn_reason],
  ];
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function told(notifications) {
  return h("details", { class: "alert-told" }, h("summary", {}, plural("alert.told", notifications.length)),
    h("ul", {}, notifications.map((one) => h("li", {},
      `${moment(one.sent_at ?? one.created_at)} · ${t(`alert.event.${one.event}`)} · ${one.channel === "email" ? one.target : t("alert.hook")} · ${t(`alert.sending.${one.status}`)}`,
      one.error && h("span", { class: "muted" }, ` (${one.error})`)))));
}

function acknowledgement(item, close, detection) {
  const note = h("textarea", { id: "alert-note", name: "note", rows: 3, maxlength: 2000 });
  const outcome = h("select", { id: "alert-outcome", name: "outcome" },
    [["", t("alert.outcome.none")], ...OUTCOMES.map((one) => [one, t(`alert.outcome.${one}`)])].map(([value, label]) => h("option", { value }, label)));
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await ask("POST", `/api/alerts/${encodeURIComponent(item.id)}/acknowledge`, { body: { note: note.value.trim(), outcome: outcome.value || null } });
      close();
      toast(t("alert.done", { plate: item.plate }));
      alerts.load();
      document.dispatchEvent(new Event("alert-acknowledged"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { acknowledged_by: other } = error.details;
      setText(fault, other ? t("alert.taken", { user: other }) : sentence(error));
      fault.hidden = false;
    }
  };
  return h("form", { on: { submit } }, field(t("alert.outcome"), outcome), field(t("alert.note"), note), fault,
    h("div", { class: "actions" }, detection, h("button", { class: "primary", type: "submit" }, t("alert.acknowledge"))));
}
