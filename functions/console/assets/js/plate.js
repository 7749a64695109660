// A plate as it is made: old grey ABC-1234, Mercosul with its blue band, plain where the format is unknown.

import { h } from "./dom.js";
import { percent, t } from "./i18n.js";

/** The plate as people write it. */
export function plateText(plate, format) {
  return format === "br_old" && plate.length === 7 ? `${plate.slice(0, 3)}-${plate.slice(3)}` : plate;
}

/** An element that looks like the plate; `uncertain` draws it with a broken edge. */
export function plateElement(plate, format, { uncertain = false, small = false } = {}) {
  const classes = ["plate", `plate-${format ?? "unknown"}`];
  if (uncertain) classes.push("plate-uncertain");
  if (small) classes.push("plate-small");
  if (!plate) {
    return h("span", { class: [...classes, "plate-none"].join(" ") }, t("plate.none"));
  }
  const band = format === "br_mercosul" && h("span", { class: "plate-band", "aria-hidden": "true" }, "BRASIL");
  return h("span", { class: classes.join(" "), translate: "no", data: { plate } },
    band, h("span", { class: "plate-text" }, plateText(plate, format)));
}

/** A confidence 0..1 as a bar and a number. */
export function confidence(value) {
  if (value === null || value === undefined) return h("span", { class: "confidence none" }, "–");
  const level = value >= 0.85 ? "good" : value >= 0.6 ? "fair" : "poor";
  const bar = h("span", { class: "bar-fill" });
  bar.style.width = `${Math.round(value * 100)}%`;
  return h("span", { class: `confidence ${level}`, title: t("confidence.title") },
    h("span", { class: "bar", "aria-hidden": "true" }, bar), percent(value));
}
