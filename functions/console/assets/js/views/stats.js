// Vehicles an hour: by camera, type or colour; the busiest hours and the hours of the day.

import { ApiError, ask, queryOf } from "../api.js";
import { fill, h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { maybe, number, t } from "../i18n.js";
import { barChart, columnChart } from "./chart.js";
import { blindNotice, localInput, utc } from "./looking.js";
import { cameras } from "../cameras-store.js";
import { picker } from "./picker.js";

const BY = ["camera", "type", "color"];
// Series that are told apart by colour; the rest is one more.
const MOST_SERIES = 5;
const DAY_MS = 86_400_000;

export function statsView(main, world, params) {
  const to = h("input", { id: "to", name: "to", type: "datetime-local", value: params.get("to") ?? "" });
  const from = h("input", { id: "from", name: "from", type: "datetime-local", value: params.get("from") ?? localInput(Date.now() - DAY_MS) });
  const by = h("select", { id: "by", name: "by" }, BY.map((one) => h("option", { value: one, selected: one === (params.get("by") ?? "type") }, t(`stats.by.${one}`))));
  const chosen = picker("camera_id", t("camera"), t("cameras.all"), params.getAll("camera_id"));
  const named = () => chosen.options(cameras.list.map((one) => [one.id, one.name]));
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const result = h("div", { class: "stats" });
  const form = h("form", { class: "search-form" }, field(t("search.from"), from), field(t("search.to"), to), field(t("stats.by"), by),
    h("div", { class: "field" }, h("label", { for: "camera_id" }, t("camera")), chosen.element),
    h("div", { class: "search-buttons" }, h("button", { class: "primary", type: "submit" }, t("stats.show"))));
  fill(main, h("div", { class: "search" }, h("h1", {}, t("nav.stats")), form, fault, result));
  let asking = null;

  async function load() {
    asking?.abort();
    asking = new AbortController();
    clearErrors(form, fault);
    result.setAttribute("aria-busy", "true");
    try {
      const query = { from: utc(from.value), to: utc(to.value), by: by.value, camera_id: chosen.values() };
      draw(await ask("GET", "/api/detections/stats", { query, signal: asking.signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      fill(result);
      showErrors(form, error, fault);
    }
    result.removeAttribute("aria-busy");
  }

  function draw(answer) {
    const big = (value, name) => h("div", { class: "big-number" }, h("strong", {}, value), h("span", { class: "muted" }, name));
    const busiest = answer.busiest[0];
    fill(result, blindNotice(answer),
      h("div", { class: "big-numbers" }, big(number(answer.total), t("stats.vehicles")), big(number(answer.with_plate), t("stats.plates")),
        busiest && big(busiest.local, t("stats.busiest", { count: number(busiest.count) }))),
      h("section", { class: "panel" }, h("h2", {}, t("stats.hours")), h("p", { class: "help" }, t("stats.zone", { zone: answer.time_zone })), hours(answer)),
      h("div", { class: "stats-both" },
        h("section", { class: "panel" }, h("h2", {}, t(`stats.by.${answer.by}`)), barChart(answer.keys.slice(0, 20).map((one) => ({ name: nameOf(answer.by, one), count: one.count })))),
        h("section", { class: "panel" }, h("h2", {}, t("stats.clock")), clock(answer))));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const next = `#/stats${queryOf({ from: from.value, to: to.value, by: by.value, camera_id: chosen.values() })}`;
    if (location.hash === next) load();
    else location.hash = next;
  });
  cameras.addEventListener("change", named);
  named();
  load();
  return () => {
    asking?.abort();
    cameras.removeEventListener("change", named);
  };
}

function nameOf(by, { key, name }) {
  if (key === null) return t("stats.unknown");
  if (by === "type") return maybe(`vehicle.${key}`, key);
  return by === "color" ? maybe(`color.${key}`, key) : name ?? key;
}

function hours(answer) {
  const shown = answer.keys.slice(0, MOST_SERIES);
  const rest = answer.keys.length > MOST_SERIES;
  const every = Math.max(1, Math.ceil(answer.hours.length / 12));
  const columns = answer.hours.map((hour, index) => {
    const parts = shown.map((one) => hour.counts[one.key ?? "-"] ?? 0);
    if (rest) parts.push(hour.count - parts.reduce((total, one) => total + one, 0));
    const tick = index % every === 0 ? (answer.hours.length > 48 ? hour.local.slice(5, 10) : hour.local.slice(11)) : null;
    return { label: hour.local, tick, parts };
  });
  const series = shown.map((one) => nameOf(answer.by, one));
  return columnChart(columns, rest ? [...series, t("stats.rest")] : series, t("stats.hours"));
}

function clock(answer) {
  const columns = answer.hour_of_day.map((count, hour) => ({ label: `${String(hour).padStart(2, "0")}:00`, tick: hour % 3 === 0 ? String(hour).padStart(2, "0") : null, parts: [count] }));
  return columnChart(columns, [t("stats.vehicles")], t("stats.clock"));
}
