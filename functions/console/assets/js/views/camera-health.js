// How well a camera sees and is read: what is wrong, what to do, and its last day against what is usual.

import { ApiError, ask } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { clockTime, maybe, number, percent, t } from "../i18n.js";
import { may } from "../session.js";

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 150, FOOT = 18;

export function openHealth(camera) {
  openDialog(t("health.title", { name: camera.name }), () => {
    const body = h("div", { class: "health" }, h("p", { class: "muted", role: "status" }, t("health.loading")));
    load(camera, body);
    return body;
  }, { wide: true });
}

async function load(camera, body) {
  try {
    fill(body, contents(camera, await ask("GET", `/api/cameras/${encodeURIComponent(camera.id)}/health`), body));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fill(body, h("p", { class: "form-error", role: "alert" }, sentence(error)));
  }
}

function contents(camera, found, body) {
  const faults = [
    ...found.faults.map(({ code, mend }) => [maybe(`reason.${code}`, code), maybe(`mend.${code}`, mend), code]),
    ...found.reading.verdicts.map(({ code, mend }) => [maybe(`fault.${code}`, code), maybe(`remedy.${code}`, mend), code]),
  ];
  return [
    faults.length === 0 ? h("p", { class: "health-fine" }, t("health.fine"))
      : h("ul", { class: "health-faults" }, faults.map(([what, how, code]) => h("li", { data: { code } },
        h("strong", {}, what), h("span", {}, how),
        code === "moved" && may("operator") && h("button", { type: "button", class: "small", on: { click: () => accept(camera, body) } }, t("health.accept"))))),
    facts(found),
    chart(found.reading.hours),
    h("p", { class: "health-key muted" }, h("i", { class: "passages" }), t("health.key.passages"), h("i", { class: "plates" }), t("health.key.plates"),
      h("i", { class: "usual" }), t("health.key.usual")),
  ];
}

function facts({ picture, reading }) {
  const rows = picture === null ? [] : [
    [t("health.brightness"), percent(picture.brightness / 255)],
    [t("health.sharpness"), picture.usual_sharpness ? t("health.sharpness.usual", { share: percent(picture.sharpness / picture.usual_sharpness) }) : number(picture.sharpness)],
    picture.view_match !== null && [t("health.match"), percent(Math.max(0, picture.view_match))],
  ];
  if (reading.plate_height !== null) rows.push([t("health.plates"), t("health.plates.px", { height: number(reading.plate_height) })]);
  return h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A bar an hour: all passages, in it those with a plate, and a line at what is usual. */
function chart(hours) {
  const most = Math.max(1, ...hours.map((hour) => Math.max(hour.passages, hour.usual_passages ?? 0)));
  const step = WIDTH / hours.length, tall = (count) => (count / most) * (HEIGHT - FOOT - 6);
  const bar = (place, count, kind) => svg("rect", {
    class: kind, x: place * step + 2, width: Math.max(1, step - 4), y: HEIGHT - FOOT - tall(count), height: tall(count),
  });
  const picture = svg("svg", { class: "health-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": t("health.chart") });
  hours.forEach((hour, place) => {
    const time = clockTime(hour.at).slice(0, 5);
    const words = [t("health.hour", { time, passages: hour.passages, plates: hour.plates, uncertain: hour.uncertain })];
    if (hour.usual_passages !== null) words.push(t("health.usual", { time, usual: number(hour.usual_passages) }));
    const title = svg("title", {}, words.join("\n"));
    const group = svg("g", {}, title, bar(place, hour.passages, "passages"), bar(place, hour.plates, "plates"));
    if (hour.usual_passages !== null) {
      const y = HEIGHT - FOOT - tall(hour.usual_passages);
      group.append(svg("line", { class: "usual", x1: place * step, x2: (place + 1) * step, y1: y, y2: y }));
    }
    if (place % 3 === 0) group.append(svg("text", { x: place * step + 2, y: HEIGHT - 4 }, time));
    picture.append(group);
  });
  return picture;
}

async function accept(camera, body) {
  try {
    await ask("POST", `/api/cameras/${encodeURIComponent(camera.id)}/health/accept`);
    toast(t("health.accepted", { name: camera.name }));
    await load(camera, body);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await cameras.load();
}
