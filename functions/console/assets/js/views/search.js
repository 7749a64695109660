// Search: plate, camera, time, type; the address holds the question, so that it can be kept and shared.

import { ApiError, ask, queryOf, saveFile } from "../api.js";
import { cameras } from "../cameras-store.js";
import { toast } from "../dialog.js";
import { fill, h, icon, setText, uid } from "../dom.js";
import { platePicture, vehiclePicture } from "../detections-store.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { clockTime, day, percent, plural, t } from "../i18n.js";
import { confidence, plateElement } from "../plate.js";
import { markOf, showPicture, vehicle } from "./card.js";
import { openDetection } from "./detail.js";
import { blindNotice, listsNotice, reasonInput, searchSettings, utc } from "./looking.js";
import { picker } from "./picker.js";

const MATCHES = ["exact", "prefix", "wildcard", "fuzzy"];
const TYPES = ["car", "motorcycle", "bus", "truck"];
const COLORS = ["white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "other"];
const DIRECTIONS = ["towards", "away", "left", "right"];
const MARKS = ["uncertain", "certain", "corrected"];
const PAGE = 50;

export function searchView(main, world, params) {
  const form = makeForm(params);
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const told = h("p", { class: "result-count muted", role: "status" });
  const blind = h("div", {});
  const save = h("button", { type: "button", class: "ghost", on: { click: () => download() } }, icon("save"), t("search.export"));
  const way = h("a", { class: "button ghost", hidden: true }, icon("route"), t("search.route"));
  const line = h("div", { class: "result-line" }, told, h("div", { class: "actions" }, way, save));
  const rows = h("tbody", {});
  const table = h("table", { class: "results", hidden: true }, h("caption", { class: "unseen" }, t("search.results")), head(), rows);
  const more = h("button", { type: "button", hidden: true }, t("search.more"));
  const empty = h("div", { class: "empty" });
  const state = { cursor: null, count: 0, asking: null };
  fill(main, h("div", { class: "search" }, h("h1", { class: "unseen" }, t("nav.search")), form.element, fault, blind, line, table, empty, more));

  async function load(first) {
    state.asking?.abort();
    const asking = (state.asking = new AbortController());
    if (first) Object.assign(state, { cursor: null, count: 0 });
    more.disabled = true;
    clearErrors(form.element, fault);
    table.setAttribute("aria-busy", "true");
    try {
      const query = { ...form.query(), cursor: state.cursor, limit: PAGE };
      const page = await ask("GET", "/api/detections", { query, signal: asking.signal });
      if (first) {
        fill(rows);
        fill(blind, listsNotice(page), blindNotice(page));
      }
      rows.append(...page.items.map((item) => row(item, world)));
      state.count += page.items.length;
      state.cursor = page.next_cursor;
      result();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      showErrors(form.element, error, fault);
      if (first) {
        fill(rows);
        fill(blind);
      }
      table.hidden = rows.children.length === 0;
      setText(told, "");
      empty.hidden = true;
    } finally {
      if (state.asking === asking) {
        table.removeAttribute("aria-busy");
        more.disabled = false;
      }
    }
  }

  async function download() {
    save.disabled = true;
    try {
      const headers = await saveFile("/api/detections/export.csv", form.query(), "detections.csv");
      const count = Number(headers.get("x-gtv-rows"));
      toast(plural(headers.get("x-gtv-more") === "true" ? "search.exported.more" : "search.exported", count));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showErrors(form.element, error, fault);
    }
    save.disabled = false;
  }

  function result() {
    const { plate, match = "exact" } = form.words();
    way.hidden = !plate || !["exact", "fuzzy"].includes(match);
    way.href = `#/route${queryOf({ plate })}`;
    table.hidden = state.count === 0;
    more.hidden = state.cursor === null;
    setText(told, state.count === 0 ? "" : plural(state.cursor ? "search.count.more" : "search.count", state.count));
    empty.hidden = state.count > 0;
    fill(empty, h("h2", {}, t("empty.search")), h("p", {}, t("empty.search.how")));
  }

  form.element.addEventListener("submit", (event) => {
    event.preventDefault();
    form.keepReason();
    // The same question again shall ask again; another one goes by way of the address.
    const next = `#/search${queryOf(form.words())}`;
    if (location.hash === next) load(true);
    else location.hash = next;
  });
  more.addEventListener("click", () => load(false));
  const named = () => {
    form.cameras();
    for (const cell of rows.querySelectorAll("[data-camera]")) setText(cell, cameras.name(cell.dataset.camera));
  };
  cameras.addEventListener("change", named);
  const changed = ({ detail: item }) => {
    const old = rows.querySelector(`[data-id="${CSS.escape(item.id)}"]`);
    if (old) old.replaceWith(row(item, world));
  };
  document.addEventListener("detection-changed", changed);
  searchSettings().then((settings) => {
    form.settle(settings);
    // Without the reason that is asked for, the question would only be refused.
    if (form.complete()) load(true);
    else form.element.reportValidity();
  });
  return () => {
    state.asking?.abort();
    cameras.removeEventListener("change", named);
    document.removeEventListener("detection-changed", changed);
  };
}

function makeForm(params) {
  const plate = h("input", {
    id: "plate", name: "plate", value: params.get("plate") ?? "", maxlength: 16, autocomplete: "off", autocapitalize: "characters",
    spellcheck: "false", placeholder: "ABC1D23", class: "mono",
  });
  const match = select("match", MATCHES.map((kind) => [kind, t(`match.${kind}`)]), params.get("match") ?? "exact");
  const camera = picker("camera_id", t("camera"), t("cameras.all"), params.getAll("camera_id"));
  const type = select("type", [["", t("any.type")], ...TYPES.map((kind) => [kind, t(`vehicle.${kind}`)])], params.get("type") ?? "");
  const color = select("color", [["", t("any.color")], ...COLORS.map((one) => [one, t(`color.${one}`)])], params.get("color") ?? "");
  const direction = select("direction", [["", t("any.direction")], ...DIRECTIONS.map((one) => [one, t(`direction.${one}`)])], params.get("direction") ?? "");
  const mark = select("mark", [["", t("any.mark")], ...MARKS.map((one) => [one, t(`search.mark.${one}`)])], params.get("mark") ?? "");
  const list = select("hotlist_id", [["", t("any.hotlist")]], "");
  const listField = field(t("search.hotlist"), list);
  listField.hidden = true;
  // Until the lists are known, the one that the address names counts.
  let asked = params.get("hotlist_id") ?? "";
  const fillLists = async () => {
    try {
      const page = await ask("GET", "/api/hotlists", { query: { limit: 200 } });
      list.append(...page.items.map((one) => h("option", { value: one.id, selected: one.id === asked }, one.name)));
      listField.hidden = page.items.length === 0;
      if (list.value === asked) asked = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  };
  const from = h("input", { id: "from", name: "from", type: "datetime-local", value: params.get("from") ?? "" });
  const to = h("input", { id: "to", name: "to", type: "datetime-local", value: params.get("to") ?? "" });
  const twins = h("input", { id: "twins", name: "twins", type: "checkbox", checked: params.get("twins") !== "off" });
  const twinsField = h("div", { class: "field check-field wide" }, h("label", {}, twins, t("search.twins")));
  const reason = reasonInput("reason");
  const help = h("p", { class: "help wide-help", id: uid("help") });
  match.setAttribute("aria-describedby", help.id);
  const explain = () => {
    setText(help, t(`match.${match.value}.help`));
    twinsField.hidden = !["exact", "fuzzy"].includes(match.value);
  };
  match.addEventListener("change", explain);
  explain();
  let drawn = "";
  const fillCameras = () => {
    const known = cameras.list.map((one) => [one.id, one.name]);
    // The list of boxes is made anew only when it differs: the reader may be in the middle of it.
    const now = JSON.stringify(known);
    if (now === drawn) return;
    drawn = now;
    camera.options(known);
  };
  fillCameras();
  const clear = h("button", { type: "button", class: "ghost", on: { click: () => { location.hash = "#/search"; } } }, t("search.clear"));
  const element = h("form", { class: "search-form", role: "search" },
    field(t("plate"), plate), field(t("match"), match), h("div", { class: "field" }, h("label", { for: "camera_id" }, t("camera")), camera.element), field(t("detail.type"), type),
    field(t("search.from"), from, null, "wide"), field(t("search.to"), to, null, "wide"),
    field(t("detail.color"), color), field(t("detail.direction"), direction), field(t("search.mark"), mark), listField,
    field(t("reason"), reason.input, null, "wide"), twinsField,
    h("div", { class: "search-buttons" }, h("button", { class: "primary", type: "submit" }, t("search.button")), clear), help);
  return {
    element, cameras: fillCameras, keepReason: reason.value,
    /** What the server asks of a search by plate, and what somebody who sees plates masked may ask. */
    settle(settings) {
      const must = () => { reason.input.required = settings.reason === "plate" && (plate.value.trim() !== "" || this.words().hotlist_id !== undefined); };
      plate.addEventListener("input", must);
      list.addEventListener("change", () => { asked = null; must(); });
      // Whoever sees plates masked may not ask which of them are on a list.
      if (!settings.masked) fillLists();
      must();
      for (const option of match.options) option.disabled = settings.masked && option.value !== "exact";
    },
    complete: () => !reason.input.required || reason.input.value.trim() !== "",
    /** As it stands in the address: local times, nothing that is empty. */
    words() {
      const words = {
        plate: plate.value.trim(), type: type.value, from: from.value, to: to.value, color: color.value, direction: direction.value, mark: mark.value,
        hotlist_id: asked ?? list.value,
      };
      if (words.plate && match.value !== "exact") words.match = match.value;
      if (words.plate && !twinsField.hidden && !twins.checked) words.twins = "off";
      return { ...Object.fromEntries(Object.entries(words).filter(([, value]) => value !== "")), camera_id: camera.values() };
    },
    query() {
      const { plate: text, match: kind = "exact", twins: pair = "on", from: since, to: until, mark: marked, ...same } = this.words();
      const both = text && pair === "on" && ["exact", "fuzzy"].includes(kind) ? true : null;
      return { ...same, plate: text, match: text ? kind : null, twins: both, from: utc(since), to: utc(until), reason: reason.value(), ...marks(marked) };
    },
  };
}

function select(name, options, chosen) {
  return h("select", { id: name, name }, options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
}

/** The filters that a choice of the mark stands for. */
function marks(marked) {
  if (marked === "corrected") return { corrected: true };
  return marked ? { uncertain: marked === "uncertain" } : {};
}

function head() {
  const names = [t("picture"), t("plate"), t("time"), t("camera"), t("detail.type"), t("detail.sure")];
  return h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));
}

function row(item, world) {
  const picture = h("span", { class: "shot thumb" });
  const crop = h("span", { class: "crop" });
  showPicture(picture, vehiclePicture(item), t("picture.vehicle"));
  showPicture(crop, platePicture(item), t("picture.plate"), { bare: true });
  const open = () => openDetection(item.id, world);
  const button = h("button", {
    class: "plain-button", type: "button",
    "aria-label": t("card.open", { plate: item.plate ?? t("plate.none"), camera: cameras.name(item.camera_id), time: clockTime(item.started_at) }),
  }, plateElement(item.plate, item.plate_format, { uncertain: item.uncertain, small: true }));
  return h("tr", { data: { id: item.id }, on: { click: open } },
    h("td", {}, picture),
    h("td", { class: "cell-plate" }, button, crop, alike(item), markOf(item)),
    h("td", { class: "cell-time" }, h("time", { datetime: item.started_at }, h("strong", {}, clockTime(item.started_at)), h("span", { class: "muted" }, day(item.started_at)))),
    h("td", { data: { camera: item.camera_id } }, cameras.name(item.camera_id)),
    h("td", {}, vehicle(item.type)),
    h("td", {}, item.plate && !item.corrected ? confidence(item.plate_confidence) : ""));
}

/** How near a fuzzy search's plate is to the one that was asked for. */
function alike(item) {
  if (item.score === null || item.score === undefined || item.score === 1) return null;
  return h("span", { class: "mark alike", title: t("search.alike.title") }, t("search.alike", { percent: percent(item.score) }));
}
