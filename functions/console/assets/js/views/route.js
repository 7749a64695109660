// Where a plate went: a line of time beside a map, and what went with it.

import { ApiError, ask, queryOf } from "../api.js";
import { fill, h, setText } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { clockTime, day, number, percent, plural, t } from "../i18n.js";
import { plateElement } from "../plate.js";
import { vehicle } from "./card.js";
import { openDetection } from "./detail.js";
import { blindNotice, reasonInput, searchSettings, utc } from "./looking.js";
import { routeMap } from "./map.js";

const PAGE = 200;

export function routeView(main, world, params) {
  const plate = h("input", {
    id: "plate", name: "plate", value: params.get("plate") ?? "", required: true, maxlength: 16, autocomplete: "off", spellcheck: "false", class: "mono",
  });
  const from = h("input", { id: "from", name: "from", type: "datetime-local", value: params.get("from") ?? "" });
  const to = h("input", { id: "to", name: "to", type: "datetime-local", value: params.get("to") ?? "" });
  const reason = reasonInput("reason");
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const told = h("p", { class: "muted", role: "status" });
  const result = h("div", { class: "route" });
  const beside = h("section", { class: "panel companions", hidden: true });
  const form = h("form", { class: "search-form" }, field(t("plate"), plate), field(t("search.from"), from), field(t("search.to"), to), field(t("reason"), reason.input),
    h("div", { class: "search-buttons" }, h("button", { class: "primary", type: "submit" }, t("route.show")),
      h("a", { class: "button ghost", href: "#/search" }, t("nav.search"))));
  fill(main, h("div", { class: "search" }, h("h1", {}, t("nav.route")), form, fault, told, result, beside));
  let asking = null;

  const question = () => ({ from: utc(from.value), to: utc(to.value), reason: reason.value() });
  const path = (what) => `/api/plates/${encodeURIComponent(plate.value.trim())}/${what}`;

  async function load() {
    asking?.abort();
    asking = new AbortController();
    clearErrors(form, fault);
    fill(result, h("p", { class: "muted" }, t("loading")));
    beside.hidden = true;
    try {
      const answer = await ask("GET", path("route"), { query: { ...question(), limit: PAGE }, signal: asking.signal });
      draw(answer);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      fill(result);
      setText(told, "");
      showErrors(form, error, fault);
    }
  }

  function draw(answer) {
    const { items } = answer;
    setText(told, items.length ? `${answer.plates.join(" / ")} · ${plural(answer.next_cursor ? "route.points.more" : "route.points", items.length)}` : "");
    if (items.length === 0) {
      fill(result, blindNotice(answer), h("div", { class: "empty" }, h("h2", {}, t("route.none")), h("p", {}, t("route.none.how"))));
      return;
    }
    const open = (index) => openDetection(items[index].detection_id, world);
    const map = routeMap(items, open);
    fill(result, blindNotice(answer), h("div", { class: "route-both" },
      h("ol", { class: "route-line" }, items.map((point, index) => stop(point, index, open))),
      h("div", { class: "route-side" }, map ?? h("p", { class: "empty" }, t("route.noplaces")))));
    fill(beside, h("h2", {}, t("companions")), h("p", { class: "help" }, t("companions.help", { minutes: 5, meetings: 3 })),
      h("button", { type: "button", on: { click: (event) => company(event.currentTarget) } }, t("companions.show")));
    beside.hidden = false;
  }

  async function company(button) {
    button.disabled = true;
    try {
      const found = await ask("GET", path("companions"), { query: question() });
      fill(beside, h("h2", {}, t("companions")), h("p", { class: "help" }, plural("companions.looked", found.passages)), companions(found, world));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      button.disabled = false;
      beside.append(h("p", { class: "form-error", role: "alert" }, sentence(error)));
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    reason.value();
    const next = `#/route${queryOf({ plate: plate.value.trim(), from: from.value, to: to.value })}`;
    if (location.hash === next) load();
    else location.hash = next;
  });
  searchSettings().then((settings) => {
    reason.input.required = settings.reason === "plate";
    // Without the reason that is asked for, the question would only be refused.
    if (plate.value && (!reason.input.required || reason.input.value)) load();
  });
  return () => asking?.abort();
}

function stop(point, index, open) {
  const gap = point.gap_s === null ? null : h("p", { class: "route-gap muted" }, gapWords(point));
  return h("li", {}, gap,
    h("button", { type: "button", class: "route-stop", on: { click: () => open(index) } },
      h("span", { class: "route-number", "aria-hidden": "true" }, index + 1),
      h("span", { class: "route-time" }, h("strong", {}, clockTime(point.started_at)), h("span", { class: "muted" }, day(point.started_at))),
      h("span", { class: "route-place" }, h("strong", {}, point.camera_name ?? point.camera_id), point.location && h("span", { class: "muted" }, point.location),
        h("span", { class: "muted" }, [vehicle(point.type), point.direction && t(`direction.${point.direction}`)].filter(Boolean).join(" · "))),
      plateElement(point.plate, null, { uncertain: point.uncertain, small: true })));
}

function gapWords(point) {
  const parts = [duration(point.gap_s)];
  if (point.distance_km !== null) parts.push(`${number(point.distance_km, 1)} km`);
  if (point.speed_kmh !== null) parts.push(t("route.speed", { speed: number(point.speed_kmh) }));
  return parts.join(" · ");
}

function duration(seconds) {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = `${String(Math.floor(whole / 60) % 60).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return t("route.after", { time: hours > 0 ? `${hours}:${rest}` : rest });
}

function companions(found, world) {
  if (found.items.length === 0) return h("p", {}, t("companions.none"));
  const names = [t("plate"), t("companions.meetings"), t("companions.cameras"), t("companions.share"), t("companions.last")];
  return h("table", { class: "plain" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, found.items.map((one) => h("tr", {},
      h("td", {}, h("button", { type: "button", class: "plain-button", "aria-label": t("companions.find", { plate: one.plate }), on: { click: () => world.go("route", { plate: one.plate }) } },
        plateElement(one.plate, null, { small: true }))),
      h("td", {}, number(one.meetings)), h("td", {}, number(one.cameras)), h("td", {}, percent(one.share)),
      h("td", {}, `${day(one.last_at)} ${clockTime(one.last_at)}`)))));
}
