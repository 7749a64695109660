// A plain map of cameras on a plate's way: places as the crow flies, north up, a bar of length. No tiles from elsewhere.

import { s } from "../dom.js";
import { number, t } from "../i18n.js";

const WIDE = 520;
const HIGH = 400;
const EDGE = 46;
const KM_A_DEGREE = 111.32;
const BARS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

/** The drawing, or null where no place is known. `points` are those of the route; a click calls `open(index)`. */
export function routeMap(points, open) {
  const placed = points.map((point, index) => ({ ...point, index })).filter((one) => one.latitude !== null && one.longitude !== null);
  if (placed.length === 0) return null;
  const { at, pixels } = projection(placed);
  const way = placed.map((one) => at(one).join(",")).join(" ");
  const stops = new Map();
  for (const one of placed) {
    const known = stops.get(one.camera_id) ?? { ...one, visits: [] };
    known.visits.push(one.index + 1);
    stops.set(one.camera_id, known);
  }
  return s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "route-map", role: "img", "aria-label": t("route.map", { count: stops.size }) },
    s("rect", { width: WIDE, height: HIGH, class: "map-ground" }),
    s("polyline", { points: way, class: "map-way" }),
    [...stops.values()].map((stop) => mark(stop, at(stop), open)),
    scale(pixels), north());
}

/** Equirectangular: a city is small enough. */
function projection(placed) {
  const [south, top] = bounds(placed.map((one) => one.latitude));
  const [west, east] = bounds(placed.map((one) => one.longitude));
  const shrink = Math.cos(((south + top) / 2) * (Math.PI / 180));
  const across = Math.max((east - west) * shrink * KM_A_DEGREE, 0.2);
  const down = Math.max((top - south) * KM_A_DEGREE, 0.2);
  const pixels = Math.min((WIDE - 2 * EDGE) / across, (HIGH - 2 * EDGE) / down);
  const at = (one) => [
    round(WIDE / 2 + (one.longitude - (west + east) / 2) * shrink * KM_A_DEGREE * pixels),
    round(HIGH / 2 - (one.latitude - (south + top) / 2) * KM_A_DEGREE * pixels),
  ];
  return { at, pixels };
}

function bounds(values) {
  return [Math.min(...values), Math.max(...values)];
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function mark(stop, [x, y], open) {
  const last = stop.visits.at(-1);
  const words = stop.visits.length > 3 ? `${stop.visits.slice(0, 3).join(", ")}…` : stop.visits.join(", ");
  const left = x > WIDE * 0.72;
  const looks = stop.heading === null ? null : s("path", { d: "M0 0 L-9 -22 L9 -22 Z", class: "map-looks", transform: `translate(${x} ${y}) rotate(${stop.heading})` });
  return s("g", { class: "map-stop", on: { click: () => open(last - 1) } }, looks,
    s("circle", { cx: x, cy: y, r: 9 }),
    s("text", { x, y: y + 3.5, class: "map-number" }, String(stop.visits[0])),
    s("text", { x: left ? x - 14 : x + 14, y: y + 4, class: "map-name", "text-anchor": left ? "end" : "start" }, stop.camera_name ?? stop.camera_id,
      stop.visits.length > 1 ? ` (${words})` : null),
    s("title", {}, `${stop.camera_name ?? stop.camera_id}: ${words}`));
}

function scale(pixels) {
  const km = [...BARS].reverse().find((one) => one * pixels <= 150) ?? BARS[0];
  const wide = round(km * pixels);
  return s("g", { class: "map-scale" },
    s("path", { d: `M14 ${HIGH - 20} v6 h${wide} v-6` }),
    s("text", { x: 14 + wide + 8, y: HIGH - 13 }, km < 1 ? `${number(km * 1000)} m` : `${number(km)} km`));
}

function north() {
  return s("g", { class: "map-scale", transform: `translate(${WIDE - 22} 28)` }, s("path", { d: "M0 12 V-10 M-5 -3 L0 -11 L5 -3" }), s("text", { x: -4.5, y: 25 }, "N"));
}
