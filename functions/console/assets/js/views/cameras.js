// Cameras: how each fares and why, and for those who may, adding, changing and probing them.

import { ApiError, ask } from "../api.js";
import { cameras, hasPicture, stateOf } from "../cameras-store.js";
import { confirmed, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { cameraWords, sentence } from "../errors.js";
import { groups } from "../groups-store.js";
import { ago, number, plural, t } from "../i18n.js";
import { may } from "../session.js";
import { openCameraForm, streamWords } from "./camera-form.js";
import { openHealth } from "./camera-health.js";
import { exportCameras, openFind } from "./camera-find.js";
import { openImport } from "./camera-import.js";
import { showPicture } from "./card.js";
import { mendOf, readingFaults, reasonOf, stateBadge } from "./state.js";

const STATES = ["online", "degraded", "offline", "provisioning", "disabled", "unknown"];
const RANK = { offline: 0, unknown: 1, degraded: 2, provisioning: 3, online: 4, disabled: 5 };
const PICTURE_MS = 10_000;

export function camerasView(main, { feed }, params) {
  const q = h("input", { id: "camera-q", type: "search", value: params.get("q") ?? "", placeholder: t("cameras.filter"), autocomplete: "off" });
  const states = h("select", { id: "camera-state" }, [["", t("cameras.anystate")], ...STATES.map((state) => [state, t(`state.${state}`)])]
    .map(([value, label]) => h("option", { value, selected: value === params.get("state") }, label)));
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const table = h("table", { class: "camera-table" }, h("caption", { class: "unseen" }, t("nav.cameras")), head(), rows);
  const empty = h("div", { class: "empty", hidden: true });
  const held = new Map();
  fill(main, h("div", { class: "cameras" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.cameras")),
      h("label", { class: "unseen", for: "camera-q" }, t("cameras.filter")), q,
      h("label", { class: "unseen", for: "camera-state" }, t("camera.state")), states, told,
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/groups" }, t("groups")),
        may("operator") && h("button", { type: "button", on: { click: () => exportCameras() } }, t("camera.export")),
        may("operator") && h("button", { type: "button", on: { click: () => openImport() } }, t("camera.import")),
        may("operator") && h("button", { type: "button", on: { click: () => openFind() } }, t("find")),
        may("operator") && h("button", { type: "button", class: "primary", on: { click: () => openCameraForm(null) } }, t("camera.add")))),
    table, empty));

  const sight = new IntersectionObserver((found) => {
    for (const { target, isIntersecting } of found) held.get(target.dataset.id)?.seen(isIntersecting);
  });

  function draw() {
    const words = q.value.trim().toLowerCase();
    const found = cameras.list.filter((camera) =>
      (!states.value || stateOf(camera) === states.value) &&
      (!words || [camera.name, camera.id, camera.location, camera.group_id, groups.name(camera.group_id), camera.vendor, camera.model, ...(camera.tags ?? [])].some((text) => text?.toLowerCase().includes(words))));
    found.sort((one, other) => RANK[stateOf(one)] - RANK[stateOf(other)]);
    const seen = new Set();
    found.forEach((camera, place) => {
      const line = held.get(camera.id) ?? cameraRow(camera.id);
      if (!held.has(camera.id)) sight.observe(line.element);
      line.update(camera);
      held.set(camera.id, line);
      seen.add(camera.id);
      if (rows.children[place] !== line.element) rows.insertBefore(line.element, rows.children[place] ?? null);
    });
    for (const [id, line] of held) {
      if (seen.has(id)) continue;
      sight.unobserve(line.element);
      line.element.remove();
      held.delete(id);
    }
    setText(told, cameras.loaded ? plural("cameras.count", found.length) : "");
    table.hidden = found.length === 0;
    empty.hidden = found.length > 0;
    if (found.length === 0) fill(empty, emptyWords());
  }

  q.addEventListener("input", draw);
  states.addEventListener("change", draw);
  cameras.addEventListener("change", draw);
  groups.addEventListener("change", draw);
  draw();
  cameras.load();
  groups.load();
  if (params.get("add") && may("operator")) openCameraForm(null);
  const ticking = setInterval(() => !document.hidden && held.forEach((line) => line.refresh(feed.skew)), PICTURE_MS / 2);
  return () => {
    clearInterval(ticking);
    sight.disconnect();
    cameras.removeEventListener("change", draw);
    groups.removeEventListener("change", draw);
  };
}

function emptyWords() {
  if (cameras.error && !cameras.loaded) {
    return [h("h2", {}, t("cameras.unread")), h("p", {}, sentence(cameras.error)),
      h("button", { type: "button", on: { click: () => cameras.load() } }, t("retry"))];
  }
  if (!cameras.loaded) return h("p", {}, t("loading"));
  if (cameras.list.length > 0) return [h("h2", {}, t("empty.filter")), h("p", {}, t("empty.filter.how"))];
  return [h("h2", {}, t("empty.nocameras")), h("p", {}, t(may("operator") ? "empty.nocameras.operator" : "empty.nocameras.viewer"))];
}

function head() {
  const names = [t("picture"), t("camera"), t("camera.state"), t("camera.video"), t("camera.reading")];
  return h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
    may("operator") && h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions")))));
}

/** {element, update(camera), refresh(skew), seen(yes)} for one camera; only a row in sight asks for its picture. */
function cameraRow(id) {
  const shot = h("span", { class: "shot thumb" });
  const name = h("td", { class: "cell-name" });
  const state = h("td", { class: "cell-state" });
  const video = h("td", { class: "cell-video" });
  const reading = h("td", { class: "cell-reading muted" });
  const actions = may("operator") && h("td", { class: "cell-actions" });
  const age = h("span", { class: "muted" });
  const element = h("tr", { data: { id } }, h("td", { class: "cell-shot" }, shot), name, state, video, reading, actions);
  let camera = null;
  let drawn = "";
  let pictured = 0;
  let inSight = false;

  function writeAge(skew) {
    const time = camera.status?.last_frame_at;
    const seconds = time ? (Date.now() + skew - Date.parse(time)) / 1000 : null;
    setText(age, seconds === null ? "" : t("camera.lastframe", { ago: ago(seconds) }));
  }

  function refresh(skew = 0) {
    writeAge(skew);
    if (!hasPicture(camera, skew)) showPicture(shot, null, "");
    else if (inSight && Date.now() - pictured >= PICTURE_MS) {
      pictured = Date.now();
      showPicture(shot, `/api/cameras/${encodeURIComponent(id)}/snapshot.jpg?at=${pictured}`, t("picture.camera", { name: camera.name }), { version: pictured });
    }
  }

  function update(next) {
    camera = next;
    const { published, dropped, last_frame_at, updated_at, ...lasting } = camera.status ?? {};
    const group = camera.group_id && groups.name(camera.group_id);
    const text = JSON.stringify([camera.name, camera.location, group, camera.tags, camera.enabled, camera.revision, camera.reading, lasting]);
    if (text !== drawn) {
      drawn = text;
      fill(name, h("strong", {}, camera.name), h("code", {}, id), camera.location && h("span", { class: "muted" }, camera.location),
        group && h("span", { class: "muted" }, t("camera.group", { name: group })),
        camera.tags && h("span", { class: "tags" }, camera.tags.map((tag) => h("span", { class: "tag" }, tag))));
      fill(state, stateBadge(stateOf(camera)), h("span", { class: "why" }, reasonOf(camera)), h("span", { class: "mend muted" }, mendOf(camera)), readingFaults(camera), age,
        h("button", { type: "button", class: "link", "aria-label": `${t("health")}: ${camera.name}`, on: { click: () => openHealth(camera) } }, t("health")));
      fill(video, videoWords(camera.status));
      fill(reading, readingWords(camera));
      if (actions) fill(actions, actionButtons(camera));
    }
    refresh();
  }
  function seen(yes) {
    inSight = yes;
    if (yes) refresh();
  }
  return { element, update, refresh, seen };
}

function videoWords(status) {
  if (!status?.codec) return h("span", { class: "muted" }, "–");
  const { codec, fps, width, height } = status;
  return [h("span", {}, streamWords({ codec, fps })), h("span", { class: "muted" }, streamWords({ width, height }))];
}

function readingWords(camera) {
  const { decode, decode_reason: why, keyframe_interval_s: every } = camera.status ?? {};
  const rate = h("span", {}, t("camera.rate", { fps: number(camera.sample_fps, 1) }));
  if (!decode) return [rate];
  const interval = decode === "keyframes" && every ? t("camera.keyframes.every", { seconds: number(every, 1) }) : "";
  return [rate, h("span", { title: why }, t(`decode.${decode}`), interval && ` ${interval}`)];
}

function actionButtons(camera) {
  const button = (label, act, kind = "") =>
    h("button", { type: "button", class: `small ${kind}`, "aria-label": `${label}: ${camera.name}`, on: { click: act } }, label);
  return [
    button(t("camera.probe"), (event) => probe(camera, event.currentTarget)),
    button(t("camera.edit"), () => openCameraForm(camera)),
    button(t(camera.enabled ? "camera.disable" : "camera.enable"), () => change(camera, { enabled: !camera.enabled })),
    button(t("camera.delete"), () => remove(camera), "danger"),
  ];
}

async function probe(camera, button) {
  button.disabled = true;
  const label = button.textContent;
  button.textContent = t("camera.probing");
  try {
    const found = await ask("POST", `/api/cameras/${encodeURIComponent(camera.id)}/probe`);
    toast(`${camera.name}: ${streamWords(found)}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(`${camera.name}: ${cameraWords(error).join(". ")}`, "bad");
  } finally {
    button.disabled = false;
    button.textContent = label;
  }
}

async function change(camera, body) {
  try {
    await ask("PATCH", `/api/cameras/${encodeURIComponent(camera.id)}`, { body });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await cameras.load();
}

async function remove(camera) {
  if (!(await confirmed(t("camera.delete.title", { name: camera.name }), t("camera.delete.text"), t("camera.delete")))) return;
  try {
    await ask("DELETE", `/api/cameras/${encodeURIComponent(camera.id)}`);
    toast(t("camera.deleted", { name: camera.name }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await cameras.load();
}
