// Where somebody is signed in, and the end of it.

import { ApiError, ask } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { dayAndTime, t } from "../i18n.js";

/** One's own sessions (no user given), or those of another user. */
export function sessionsDialog(user = null) {
  const path = user ? `/api/auth/users/${user.id}/sessions` : "/api/auth/sessions";
  openDialog(user ? t("sessions.of", { name: user.username }) : t("sessions.title"), (close) => {
    const list = h("ul", { class: "sessions" }, h("li", { class: "muted" }, t("loading")));
    const others = h("button", { type: "button", class: "danger", hidden: true, on: { click: () => end(path, t("sessions.ended.all")) } }, t(user ? "sessions.end.all" : "sessions.end.others"));
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });

    async function load() {
      try {
        draw((await ask("GET", path)).items);
      } catch (error) {
        fail(error);
      }
    }

    async function end(address, words) {
      try {
        await ask("DELETE", address);
        toast(words);
        await load();
      } catch (error) {
        fail(error);
      }
    }

    function fail(error) {
      if (!(error instanceof ApiError)) throw error;
      fault.textContent = sentence(error);
      fault.hidden = false;
    }

    function draw(items) {
      others.hidden = !items.some((one) => !one.current);
      fill(list, items.length === 0 && h("li", { class: "muted" }, t("sessions.none")), items.map((one) => h("li", { data: { id: one.id } },
        h("div", {}, h("strong", { translate: "no" }, one.address || "–"), one.current && h("span", { class: "badge active" }, t("sessions.current")),
          h("p", { class: "muted" }, t("sessions.line", { from: dayAndTime(one.created_at), seen: dayAndTime(one.seen_at) })),
          h("p", { class: "muted agent", translate: "no" }, one.agent)),
        !one.current && h("button", { type: "button", class: "small", "aria-label": `${t("sessions.end")}: ${one.address}`, on: { click: () => end(`/api/auth/sessions/${one.id}`, t("sessions.ended")) } }, t("sessions.end")))));
    }

    load();
    return [h("p", { class: "muted" }, t("sessions.intro")), list, fault,
      h("div", { class: "actions" }, others, h("button", { type: "button", class: "primary", on: { click: close } }, t("close")))];
  });
}
