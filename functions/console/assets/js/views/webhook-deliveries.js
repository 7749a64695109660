// What a webhook was sent, newest first, with what came of it; and the same again.

import { ApiError, ask } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { maybe, moment, number, plural, t } from "../i18n.js";

const STATES = ["pending", "delivered", "dead", "skipped"];
const MARKS = { pending: "degraded", delivered: "online", dead: "offline", skipped: "unknown" };
const DEAD_DAYS = 30;

/** A status, or the short word for why there was no answer, in the reader's words. */
export function outcome(result) {
  return result ? maybe(`webhook.failure.${result}`, String(result)) : t("webhook.failure.none");
}

export function openDeliveries(hook, changed) {
  const path = `/api/webhooks/${encodeURIComponent(hook.id)}`;
  const rows = h("tbody", {});
  const note = h("p", { class: "muted", role: "status" });
  const more = h("button", { type: "button", hidden: true }, t("search.more"));
  const only = h("select", { id: "w-state" }, h("option", { value: "" }, t("webhook.delivery.every")),
    STATES.map((state) => h("option", { value: state }, t(`webhook.delivery.${state}`))));
  let cursor = null;

  async function load(fresh) {
    try {
      const query = { state: only.value, cursor: fresh ? null : cursor, limit: 50 };
      const page = await ask("GET", `${path}/deliveries`, { query });
      if (fresh) fill(rows);
      for (const item of page.items) rows.append(row(item));
      cursor = page.next_cursor;
      more.hidden = cursor === null;
      fill(note, rows.children.length === 0 ? t("webhook.delivery.nothing") : "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(note, sentence(error));
    }
  }

  async function replay(body) {
    try {
      const { replayed } = await ask("POST", `${path}/replay`, { body });
      toast(plural("webhook.replayed", replayed), replayed > 0 ? "good" : "fair");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.code === "conflict" ? t("webhook.replay.disabled") : sentence(error), "bad");
    }
    await load(true);
    await changed();
  }

  function row(item) {
    const { last } = item;
    const result = last ? outcome(last.status ?? last.failure) : "";
    const type = maybe(`event.${item.type.replace(/^gtv\./, "").replace(/\.v\d+$/, "")}`, item.type);
    return h("tr", { data: { id: item.id } },
      h("td", { class: "cell-time" }, moment(item.occurred_at)),
      h("td", { class: "cell-name" }, h("span", {}, type), item.camera_id && h("code", {}, item.camera_id)),
      h("td", { class: "cell-state" },
        h("span", { class: `state ${MARKS[item.state]}` }, h("span", { class: `state-mark ${MARKS[item.state]}`, "aria-hidden": "true" }), t(`webhook.delivery.${item.state}`)),
        item.state === "pending" && item.next_at && h("span", { class: "muted" }, t("webhook.delivery.next", { time: moment(item.next_at) }))),
      h("td", {}, last && h("span", { title: last.reason ?? "" }, t("webhook.delivery.result", { outcome: result, ms: number(last.duration_ms) })),
        last?.answer && h("details", {}, h("summary", {}, t("webhook.delivery.answer")), h("pre", {}, last.answer)),
        item.tries > 1 && h("span", { class: "muted block" }, plural("webhook.delivery.tries", item.tries))),
      h("td", { class: "cell-actions" }, item.state !== "skipped" && h("button", {
        type: "button", class: "small", "aria-label": `${t("webhook.replay")}: ${item.event_id}`, on: { click: () => replay({ delivery_ids: [item.id] }) },
      }, t("webhook.replay"))));
  }

  only.addEventListener("change", () => load(true));
  more.addEventListener("click", () => load(false));
  const since = () => new Date(Date.now() - DEAD_DAYS * 86_400_000).toISOString();
  const until = () => new Date(Date.now() + 60_000).toISOString();
  const names = [t("webhook.delivery.time"), t("webhook.delivery.event"), t("webhook.delivery.state"), t("webhook.delivery.last")];
  openDialog(t("webhook.deliveries.title", { name: hook.name }), () => h("div", { class: "webhook-deliveries" },
    h("div", { class: "toolbar" }, h("label", { class: "unseen", for: "w-state" }, t("webhook.delivery.state")), only, h("button", { type: "button", on: { click: () => load(true) } }, t("webhook.delivery.refresh")),
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: () => replay({ from: since(), to: until(), states: ["dead"] }) } },
        t("webhook.replay.dead")))),
    h("table", { class: "group-table" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows), note, more), { wide: true });
  load(true);
}
