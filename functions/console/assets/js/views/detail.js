// Everything about one passage, in a dialog.

import { ApiError, ask, saveFile } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, icon } from "../dom.js";
import { platePicture, vehiclePicture } from "../detections-store.js";
import { sentence } from "../errors.js";
import { current, dayAndTime, maybe, number, percent, t } from "../i18n.js";
import { confidence, plateElement, plateText } from "../plate.js";
import { may } from "../session.js";
import { markOf, showPicture, vehicle } from "./card.js";
import { correctForm, history } from "./correct.js";
import { revealForm } from "./reveal.js";
import { lastReason } from "./looking.js";

const LIKELY = 0.01;

export function openDetection(id, world) {
  openDialog(t("detail.title"), (close) => {
    const body = h("div", { class: "detail", "aria-busy": "true" }, h("p", { class: "muted" }, t("loading")));
    load(id, body, world, close);
    return body;
  }, { wide: true });
}

async function load(id, body, world, close) {
  try {
    const item = await ask("GET", `/api/detections/${encodeURIComponent(id)}`, { query: { reason: lastReason() } });
    show(item, body, world, close);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fill(body, h("p", { class: "form-error", role: "alert" }, sentence(error)));
  }
  body.removeAttribute("aria-busy");
}

function show(item, body, world, close) {
  const form = may("operator") ? correctForm(item, (next) => {
    show(next, body, world, close);
    // The list behind the dialog shows the passage, too.
    document.dispatchEvent(new CustomEvent("detection-changed", { detail: next }));
  }) : null;
  fill(body, contents(item, world, close, form, body));
}

function contents(item, world, close, form, body) {
  const picture = h("div", { class: "shot big" });
  const crop = h("div", { class: "crop big" });
  showPicture(picture, vehiclePicture(item), t("picture.vehicle"));
  showPicture(crop, platePicture(item), t("picture.plate"), { bare: true });
  return [
    h("div", { class: "detail-pictures" }, picture, crop),
    h("div", { class: "detail-facts" },
      h("div", { class: "detail-plate" }, plateElement(item.plate, item.plate_format, { uncertain: item.uncertain }), markOf(item)),
      history(item),
      item.masked && revealForm(item, (next) => fill(body, contents(next, world, close, form, body))),
      item.plate && !item.masked && actions(item, world, close),
      !item.masked && form?.element,
      facts(item),
      candidates(item, form),
      !item.masked && may("viewer") && evidence(item),
      item.seen?.length > 0 && observations(item)),
  ];
}

function actions(item, world, close) {
  return h("div", { class: "actions start" },
    h("button", { type: "button", on: { click: () => copy(item) } }, icon("copy"), t("plate.copy")),
    h("button", { type: "button", on: { click: () => { close(); world.go("search", { plate: item.plate }); } } }, icon("search"), t("plate.find")),
    h("button", { type: "button", on: { click: () => { close(); world.go("route", { plate: item.plate }); } } }, icon("route"), t("search.route")));
}

/** The sighting as a document. Where the server asks for a reason, the one of the last search stands for it. */
function evidence(item) {
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const button = h("button", { type: "button" }, icon("save"), t("detail.evidence"));
  button.addEventListener("click", async () => {
    button.disabled = true;
    fault.hidden = true;
    try {
      await saveFile(`/api/detections/${encodeURIComponent(item.id)}/evidence.pdf`, { reason: lastReason(), lang: current() }, `${item.id}.pdf`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(fault, error.details.field === "reason" ? t("detail.evidence.reason") : sentence(error));
      fault.hidden = false;
    }
    button.disabled = false;
  });
  return [h("div", { class: "actions start" }, button), fault];
}

async function copy(item) {
  const text = plateText(item.plate, null);
  try {
    await navigator.clipboard.writeText(text);
    toast(t("plate.copied", { plate: text }));
  } catch {
    // The clipboard is closed to pages without TLS: select the plate, so that Ctrl+C copies it.
    const plate = document.querySelector(".detail-plate .plate-text");
    getSelection().selectAllChildren(plate);
    toast(t("plate.copy.hand"), "fair");
  }
}

function facts(item) {
  const seconds = (Date.parse(item.ended_at) - Date.parse(item.started_at)) / 1000;
  const rows = [
    [t("camera"), cameras.name(item.camera_id)],
    [t("detail.from"), dayAndTime(item.started_at)],
    [t("detail.to"), `${dayAndTime(item.ended_at)} (${t("detail.seconds", { seconds: number(seconds, 1) })})`],
    [t("detail.type"), item.confidence ? `${vehicle(item.type)} (${percent(item.confidence)})` : vehicle(item.type)],
    item.corrected && [t("detail.read"), h("span", { class: "mono", translate: "no" }, item.plate_read ?? t("plate.none"))],
    item.plate_read && [t("detail.sure"), confidence(item.plate_confidence)],
    item.plate && [t("detail.format"), t(`format.${item.plate_format ?? "unknown"}`)],
    item.rows && [t("detail.rows"), number(item.rows)],
    item.color && [t("detail.color"), maybe(`color.${item.color}`, item.color)],
    item.direction && [t("detail.direction"), maybe(`direction.${item.direction}`, item.direction)],
    [t("detail.id"), h("code", {}, item.id)],
  ];
  return h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** The readings that were likely enough to name; an operator puts one into the form by a click. */
function candidates(item, form) {
  const likely = (item.candidates ?? []).filter((one) => one.confidence >= LIKELY);
  if (likely.length < 2 && !item.uncertain) return null;
  return h("section", {}, h("h3", {}, t("detail.candidates")),
    h("table", { class: "plain" }, h("tbody", {}, likely.map((one) =>
      h("tr", {}, h("td", { class: "mono", translate: "no" }, one.text), h("td", {}, confidence(one.confidence)),
        form && h("td", {}, h("button", {
          type: "button", class: "ghost small", "aria-label": t("correct.use.of", { plate: one.text }), on: { click: () => form.use(one.text) },
        }, t("correct.use"))))))));
}

function observations(item) {
  return h("details", {}, h("summary", {}, t("detail.observations", { count: number(item.seen.length) })),
    h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, [t("time"), t("plate"), t("detail.sure")].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, item.seen.map((seen) => h("tr", {},
        h("td", {}, dayAndTime(seen.captured_at)),
        h("td", { class: "mono", translate: "no" }, seen.plate ?? "–"),
        h("td", {}, confidence(seen.plate_confidence)))))));
}
