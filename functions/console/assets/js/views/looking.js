// What every page that looks somebody up needs: the reason, what the server asks for, the times in which nobody saw.

import { ApiError, ask } from "../api.js";
import { h } from "../dom.js";
import { dayAndTime, maybe, plural, t } from "../i18n.js";

const KEPT = "gtv.reason";
const MOST = 60;
const NONE = { reason: "off", masked: false, time_zone: "", export_limit: 0 };
let asked = null;

/** What the server wants of a search; asked once. */
export function searchSettings() {
  asked ??= ask("GET", "/api/search/settings").catch((error) => {
    asked = null;
    if (!(error instanceof ApiError)) throw error;
    return NONE;
  });
  return asked;
}

/** The reason that was given last, for as long as the tab is open: a case takes more than one question. */
export function lastReason() {
  return sessionStorage.getItem(KEPT) ?? "";
}

/** An input for the reason; `value()` keeps what is in it. */
export function reasonInput(id) {
  const input = h("input", { id, name: "reason", value: lastReason(), maxlength: 500, autocomplete: "off", placeholder: t("reason.example") });
  return {
    input,
    value() {
      const text = input.value.trim();
      sessionStorage.setItem(KEPT, text);
      return text;
    },
  };
}

/** A note on the times in which the asked cameras did not see; null where there is none. */
export function blindNotice(answer) {
  const { blind, blind_window: window } = answer;
  if (!blind?.length) return null;
  const cameras = new Set(blind.map((one) => one.camera_id)).size;
  const list = blind.slice(0, MOST).map((one) => h("li", {},
    h("strong", {}, one.camera_name), ` ${t("blind.span", { from: dayAndTime(one.from), to: dayAndTime(one.to) })} `,
    h("span", { class: "muted" }, maybe(`reason.${one.reason}`, maybe(`blind.${one.reason}`, one.reason)))));
  const more = blind.length > MOST || window.more;
  return h("details", { class: "blind" },
    h("summary", {}, plural("blind.cameras", cameras, { from: dayAndTime(window.from), to: dayAndTime(window.to) })),
    h("p", { class: "help" }, t("blind.help")), h("ul", {}, list, more && h("li", { class: "muted" }, t("blind.more"))));
}

/** A note that plates of the asked lists may be missing; null where none can be. */
export function listsNotice(answer) {
  return answer.hotlists_whole === false ? h("p", { class: "help" }, t("search.hotlist.part")) : null;
}

/** `datetime-local` as the API takes it. */
export function utc(local) {
  return local ? new Date(local).toISOString() : null;
}

/** A time as `datetime-local` takes it. */
export function localInput(time) {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
