// A detection as a card of the live feed; it is changed in place when more is known.

import { cameras } from "../cameras-store.js";
import { platePicture, vehiclePicture } from "../detections-store.js";
import { fill, h, icon, setText } from "../dom.js";
import { maybe, moment, t } from "../i18n.js";
import { confidence, plateElement } from "../plate.js";

const PREVIEW_MS = 60_000;

/** {element, update(item), refresh()} for one detection. */
export function detectionCard(id, open) {
  const picture = h("span", { class: "shot" });
  const crop = h("span", { class: "crop" });
  const plate = h("span", { class: "card-plate" });
  const time = h("time", { class: "card-time" });
  const mark = h("span", { class: "card-mark" });
  const place = h("span", { class: "card-camera" });
  const kind = h("span", { class: "card-kind muted" });
  const sure = h("span", {});
  const button = h("button", { class: "card-open", type: "button", on: { click: () => open(id) } }, picture, time, mark);
  const element = h("li", { class: "card", data: { id } }, button,
    h("div", { class: "card-read" }, plate, crop),
    h("div", { class: "card-facts" }, place, h("span", { class: "card-row" }, kind, sure)));
  let item = null;

  /** What changes by itself: the camera's name in the register, a preview that grows old. */
  function refresh() {
    if (item === null) return;
    fill(mark, markOf(item));
    element.classList.toggle("preview", reading(item));
    setText(place, cameras.name(item.camera_id));
    place.title = place.textContent;
    button.setAttribute("aria-label", t("card.open", { plate: item.plate ?? t("plate.none"), camera: cameras.name(item.camera_id), time: moment(item.started_at) }));
  }

  return {
    element, refresh,
    update(next) {
      if (next === item) return;
      item = next;
      showPicture(picture, vehiclePicture(item), t("picture.vehicle"));
      showPicture(crop, platePicture(item), t("picture.plate"), { bare: true });
      fill(plate, plateElement(item.plate, item.plate_format, { uncertain: item.uncertain }));
      time.dateTime = item.started_at;
      setText(time, moment(item.started_at));
      setText(kind, vehicle(item.type));
      fill(sure, item.plate && !item.corrected ? confidence(item.plate_confidence) : null);
      refresh();
    },
  };
}

/** Still being read. A preview that nothing has followed for so long was left behind by a reader that ended. */
function reading(item) {
  return item.final === false && Date.now() - Date.parse(item.ended_at) < PREVIEW_MS;
}

export function markOf(item) {
  if (reading(item)) return h("span", { class: "mark reading" }, t("mark.preview"));
  if (item.corrected) {
    const key = item.plate === item.plate_read ? "mark.confirmed" : "mark.corrected";
    return h("span", { class: "mark corrected", title: t("mark.corrected.title") }, t(key));
  }
  if (item.plate && item.uncertain) return h("span", { class: "mark uncertain", title: t("mark.uncertain.title") }, t("mark.uncertain"));
  return null;
}

export function vehicle(type) {
  return type ? maybe(`vehicle.${type}`, type) : t("vehicle.unknown");
}

/**
 * A picture that keeps the one before until the next has come; an empty frame (nothing where `bare`) if there is none.
 * A link is signed anew each time: what is behind it is the same until `version` changes.
 */
export function showPicture(holder, address, alt, { version = "", bare = false } = {}) {
  const nothing = () => fill(holder, bare ? null : h("span", { class: "no-picture" }, icon("image")));
  const name = address ? `${address.split("?")[0]} ${version}` : "";
  if (holder.dataset.picture === name) return;
  holder.dataset.picture = name;
  if (!address) {
    nothing();
    return;
  }
  const image = h("img", { alt, decoding: "async" });
  const current = () => holder.dataset.picture === name;
  image.addEventListener("load", () => current() && fill(holder, image));
  image.addEventListener("error", () => current() && nothing());
  image.src = address;
  if (!holder.firstChild) nothing();
}
