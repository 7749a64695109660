// Two dictionaries; Portuguese where the browser asks for it, English otherwise, and what the reader chose before both.

const KEPT = "gtv.language";
// A file a room, so that none grows long.
const SECTIONS = ["base", "alerts", "cameras", "people", "privacy", "search", "webhooks"];
export const LANGUAGES = { "pt-BR": "Português", en: "English" };

let language = "en";
let words = {};

export function preferred() {
  const chosen = localStorage.getItem(KEPT);
  if (chosen in LANGUAGES) return chosen;
  const first = (navigator.languages ?? [navigator.language]).find((tag) => /^(pt|en)\b/i.test(tag)) ?? "";
  return /^pt\b/i.test(first) ? "pt-BR" : "en";
}

export async function use(tag, keep = false) {
  const files = SECTIONS.map(async (section) => (await fetch(`/assets/i18n/${tag}/${section}.json`)).json());
  words = Object.assign({}, ...(await Promise.all(files)));
  language = tag;
  if (keep) localStorage.setItem(KEPT, tag);
  document.documentElement.lang = tag;
}

export function current() {
  return language;
}

/** The text of a key, with {name} replaced from `values`. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text of a key that may not exist: for words that the server may add. */
export function maybe(key, otherwise) {
  return words[key] ?? otherwise;
}

/** `key.one` or `key.other` by the number's grammar. */
export function plural(key, count, values = {}) {
  const form = new Intl.PluralRules(language).select(count) === "one" ? "one" : "other";
  return t(`${key}.${form}`, { count: number(count), ...values });
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

export function percent(value) {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(value);
}

export function clockTime(time) {
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).format(new Date(time));
}

export function day(time) {
  return new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", year: "numeric" }).format(new Date(time));
}

/** The time alone today, with its date on any other day. */
export function moment(time) {
  if (day(time) === day(Date.now())) return clockTime(time);
  const date = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit" }).format(new Date(time));
  return `${date} ${clockTime(time)}`;
}

export function dayAndTime(time) {
  return `${day(time)} ${clockTime(time)}`;
}

const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [Infinity, "day", 86400],
];

/** "4 seconds ago" in the reader's words, short. */
export function ago(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [, unit, size] = STEPS.find(([limit]) => whole < limit);
  return new Intl.RelativeTimeFormat(language, { style: "short", numeric: whole === 0 ? "auto" : "always" }).format(-Math.floor(whole / size), unit);
}
