// Columns and bars, drawn plainly.

import { h, s } from "../dom.js";
import { number } from "../i18n.js";

const WIDE = 960;
const HIGH = 248;
const LEFT = 44;
const FOOT = 42;

/** Columns over time. `columns`: {label, tick, parts: [numbers by series]}; `series`: names. */
export function columnChart(columns, series, title) {
  const top = niceTop(Math.max(1, ...columns.map((one) => sum(one.parts))));
  const step = (WIDE - LEFT) / Math.max(columns.length, 1);
  const y = (value) => (HIGH - FOOT) * (1 - value / top) + 16;
  const lines = [0, 0.25, 0.5, 0.75, 1].map((share) => s("g", { class: "chart-line" },
    s("path", { d: `M${LEFT} ${y(top * share)} H${WIDE}` }), s("text", { x: LEFT - 6, y: y(top * share) + 4, "text-anchor": "end" }, number(top * share))));
  const drawn = columns.map((column, index) => {
    let below = 0;
    const x = LEFT + index * step;
    const blocks = column.parts.map((value, place) => {
      const block = value > 0 ? s("rect", {
        x: x + step * 0.1, width: Math.max(step * 0.8, 0.8), y: y(below + value), height: Math.max(y(below) - y(below + value), 0.5), class: `series-${place}`,
      }) : null;
      below += value;
      return block;
    });
    const words = series.length > 1 ? series.map((name, place) => (column.parts[place] ? `\n${name}: ${number(column.parts[place])}` : "")).join("") : "";
    return s("g", {}, s("rect", { x, width: step, y: 0, height: HIGH - FOOT + 16, class: "chart-hover" }), blocks, s("title", {}, `${column.label}: ${number(sum(column.parts))}${words}`),
      column.tick ? s("text", { x: x + step / 2, y: HIGH - 6, class: "chart-tick", "text-anchor": "middle" }, column.tick) : null);
  });
  const key = series.length > 1 ? h("ul", { class: "chart-key" }, series.map((name, place) => h("li", {}, s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { width: 10, height: 10, rx: 2, class: `series-${place}` })), name))) : null;
  return h("figure", { class: "chart" }, s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": title }, lines, drawn), key);
}

/** Bars, the longest first. `rows`: {name, count}. */
export function barChart(rows) {
  const most = Math.max(1, ...rows.map((one) => one.count));
  return h("table", { class: "bars" }, h("tbody", {}, rows.map((one) => {
    const bar = h("span", { class: "bar-fill" });
    bar.style.width = `${Math.max(1, Math.round((100 * one.count) / most))}%`;
    return h("tr", {}, h("th", { scope: "row" }, one.name), h("td", { class: "bar-cell" }, h("span", { class: "bar", "aria-hidden": "true" }, bar)), h("td", { class: "bar-number" }, number(one.count)));
  })));
}

function sum(values) {
  return values.reduce((total, one) => total + one, 0);
}

/** A round number at or above: 4, 8, 20, 40, 80 ... */
function niceTop(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 8, 10].map((one) => Math.max(one * size, 4)).find((one) => one >= value) ?? 10 * size;
}
