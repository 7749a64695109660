// The shapes of a camera's regions and ignore zones, as SVG in the picture's pixels.

import { s } from "../dom.js";
import { t } from "../i18n.js";
import { fault } from "../polygons.js";

export const KINDS = ["regions", "ignore_zones"];

/** "Region 1", "Ignore zone 2". */
export function zoneName(kind, place) {
  return t(kind === "regions" ? "zones.region" : "zones.ignore", { number: place + 1 });
}

/**
 * Everything that lies on the picture. `look`: size [width, height], unit (pixels of the picture to one of the page),
 * areas by kind, kind and chosen (its place, or null), draft, corners (those that have handles), sample (px or null),
 * aim ([x, y] or null), id (of the mask).
 */
export function shapes(look) {
  return [
    shade(look), KINDS.map((kind) => look.areas[kind].map((_, place) => zone(look, kind, place))), sampleShape(look),
    look.draft.length > 0 && s("polyline", { class: `zone draft ${look.kind}`, points: points(look, look.draft) }),
    look.corners.map((corner, place) => handle(look, corner, place)), aimShape(look),
  ];
}

function points({ size }, corners) {
  return corners.map(([x, y]) => `${x * size[0]},${y * size[1]}`).join(" ");
}

/** What lies outside of all regions is darkened, since nothing there counts. */
function shade(look) {
  if (look.areas.regions.length === 0) return null;
  const [width, height] = look.size;
  return [
    s("mask", { id: look.id }, s("rect", { width, height, fill: "white" }),
      look.areas.regions.map((corners) => s("polygon", { points: points(look, corners), fill: "black" }))),
    s("rect", { class: "zones-outside", width, height, mask: `url(#${look.id})` }),
  ];
}

/** Areas of the kind that is being drawn can be chosen; the pointer goes through the others. */
function zone(look, kind, place) {
  const corners = look.areas[kind][place];
  const own = kind === look.kind;
  const classes = ["zone", kind, own && look.chosen === place && "chosen", fault(corners) && "wrong"].filter(Boolean).join(" ");
  return s("polygon", { class: classes, points: points(look, corners), data: own ? { area: place } : {} });
}

/** How high the lowest plate that is read would be; a Brazilian plate is 400 x 130 mm. */
function sampleShape({ size, unit, sample }) {
  if (sample === null) return null;
  const edge = 12 * unit;
  return s("rect", { class: "zones-sample", x: edge, y: size[1] - sample - edge, width: (sample * 400) / 130, height: sample },
    s("title", {}, t("zones.sample")));
}

function handle({ size, unit, draft, kind, chosen }, [x, y], place) {
  const drawing = draft.length > 0;
  const label = drawing ? t("zones.corner.new", { number: place + 1 })
    : t("zones.corner", { number: place + 1, name: zoneName(kind, chosen) });
  return s("circle", {
    class: `zone-corner ${kind}${drawing && place === 0 && draft.length >= 3 ? " first" : ""}`,
    cx: x * size[0], cy: y * size[1], r: 8 * unit, tabindex: 0, role: "button", "aria-label": label, data: { corner: place },
  });
}

function aimShape({ size, unit, aim }) {
  if (aim === null) return null;
  const [x, y] = [aim[0] * size[0], aim[1] * size[1]];
  const arm = 16 * unit;
  return s("path", { class: "zones-aim", d: `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}` });
}
