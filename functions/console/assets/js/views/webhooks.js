// Webhooks: where events are handed on to, how each address fares, and what can be done about it.

import { ApiError, ask, onceKey } from "../api.js";
import { cameras } from "../cameras-store.js";
import { confirmed, openDialog, toast } from "../dialog.js";
import { fill, h, icon, setText } from "../dom.js";
import { sentence } from "../errors.js";
import { groups } from "../groups-store.js";
import { ago, maybe, moment, number, plural, t } from "../i18n.js";
import { Register } from "../register.js";
import { me } from "../session.js";
import { openDeliveries, outcome } from "./webhook-deliveries.js";
import { openWebhook } from "./webhook-form.js";

const EVERY_MS = 10_000;
const SHOWN = { ok: "online", failing: "degraded", disabled: "offline" };

export function webhooksView(main) {
  const webhooks = new Register("/api/webhooks");
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const names = [t("webhook"), t("webhook.events"), t("webhook.state"), t("webhook.waiting")];
  const table = h("table", { class: "group-table webhook-table" }, h("caption", { class: "unseen" }, t("nav.webhooks")),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows);
  const empty = h("div", { class: "empty", hidden: true });
  const again = () => webhooks.load();
  const add = () => openWebhook(null, { saved: again, secret: showSecret });
  fill(main, h("div", { class: "groups" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.webhooks")), told,
      h("div", { class: "actions" }, h("button", { type: "button", class: "primary", on: { click: add } }, t("webhook.add")))),
    h("p", { class: "muted intro" }, t("webhooks.intro")), table, empty));

  function draw() {
    // A menu that somebody is in stays as it is.
    if (rows.contains(document.activeElement) && document.activeElement !== document.body && rows.children.length === webhooks.list.length) {
      redrawFacts(rows, webhooks);
    } else {
      fill(rows, webhooks.list.map((hook) => row(hook, again)));
    }
    setText(told, webhooks.loaded ? plural("webhooks.count", webhooks.list.length) : "");
    table.hidden = webhooks.list.length === 0;
    empty.hidden = webhooks.list.length > 0;
    if (webhooks.list.length === 0) fill(empty, emptyWords(webhooks, again));
  }

  webhooks.addEventListener("change", draw);
  draw();
  again();
  cameras.load();
  groups.load();
  const timer = setInterval(again, EVERY_MS);
  return () => {
    clearInterval(timer);
    webhooks.removeEventListener("change", draw);
  };
}

function emptyWords(webhooks, again) {
  if (webhooks.error && !webhooks.loaded) {
    return [h("h2", {}, t("webhooks.unread")), h("p", {}, sentence(webhooks.error)),
      h("button", { type: "button", on: { click: again } }, t("retry"))];
  }
  if (!webhooks.loaded) return h("p", {}, t("loading"));
  return [h("h2", {}, t("empty.nowebhooks")), h("p", {}, t("empty.nowebhooks.text"))];
}

/** The cells that change by themselves; buttons keep the focus. */
function redrawFacts(rows, webhooks) {
  for (const hook of webhooks.list) {
    const cells = rows.querySelector(`[data-id="${hook.id}"]`)?.children;
    if (cells) {
      fill(cells[2], stateOf(hook));
      fill(cells[3], waitingOf(hook));
    }
  }
}

function row(hook, again) {
  const button = (label, act, kind = "") =>
    h("button", { type: "button", class: `small ${kind}`, "aria-label": `${label}: ${hook.name}`, on: { click: act } }, label);
  const edit = () => openWebhook(hook, { saved: again, secret: showSecret });
  return h("tr", { data: { id: hook.id } },
    h("td", { class: "cell-name" }, h("strong", {}, hook.name), h("code", {}, hook.url),
      me().role === "admin" && h("span", { class: "muted" }, t("webhook.owner", { name: hook.owner }))),
    h("td", { class: "cell-formats" }, filters(hook)),
    h("td", { class: "cell-state" }, stateOf(hook)),
    h("td", {}, waitingOf(hook)),
    h("td", { class: "cell-actions webhook-actions" },
      button(t("webhook.test"), (event) => test(hook, event.currentTarget, again)),
      button(t("webhook.deliveries"), () => openDeliveries(hook, again)),
      button(t("camera.edit"), edit),
      button(t("webhook.rotate"), () => rotate(hook, again)),
      button(t(hook.enabled ? "webhook.disable" : "webhook.enable"), () => change(hook, { enabled: !hook.enabled }, again)),
      button(t("camera.delete"), () => remove(hook, again), "danger")));
}

function filters(hook) {
  const types = hook.event_types.map((type) => maybe(`event.${type.replace(/^gtv\./, "").replace(/\.v\d+$/, "")}`, type));
  const places = [...hook.group_ids.map((id) => groups.name(id)), ...hook.camera_ids.map((id) => cameras.name(id))];
  const how = [hook.previews && t("webhook.previews.short"), hook.payload === "thin" && t("webhook.thin.short")].filter(Boolean);
  return h("ol", {}, [types.length ? types : [t("webhook.all.events")], places.length ? places : [t("webhook.all.cameras")], how]
    .flat().map((text) => h("li", {}, text)));
}

function stateOf(hook) {
  const why = hook.disabled_reason ? t(`webhook.why.${hook.disabled_reason}`) : "";
  const since = hook.state === "failing" ? t("webhook.since", { time: moment(hook.failing_since), outcome: outcome(hook.last_outcome) }) : why;
  const success = hook.last_success_at
    ? t("webhook.success", { ago: ago((Date.now() - Date.parse(hook.last_success_at)) / 1000) }) : t("webhook.success.never");
  return [
    h("span", { class: `state ${SHOWN[hook.state]}` }, h("span", { class: `state-mark ${SHOWN[hook.state]}`, "aria-hidden": "true" }), t(`webhook.state.${hook.state}`)),
    since && h("span", { class: "muted" }, since), h("span", { class: "muted" }, success),
    hook.previous_secret_until && h("span", { class: "muted" }, t("webhook.overlap", { time: moment(hook.previous_secret_until) })),
  ];
}

function waitingOf(hook) {
  return [h("span", {}, number(hook.waiting)),
    hook.dead > 0 && h("span", { class: "webhook-dead" }, plural("webhook.dead", hook.dead))];
}

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
    return null;
  }
}

const path = (hook, rest = "") => `/api/webhooks/${encodeURIComponent(hook.id)}${rest}`;

async function test(hook, button, again) {
  button.disabled = true;
  const done = await attempt(() => ask("POST", path(hook, "/test")));
  button.disabled = false;
  if (done) {
    const { last } = done;
    if (done.state === "delivered") toast(t("webhook.test.good", { name: hook.name, status: last.status, ms: number(last.duration_ms) }));
    else toast(t("webhook.test.bad", { name: hook.name, outcome: outcome(last?.status ?? last?.failure) }), "bad");
  }
  await again();
}

async function change(hook, body, again) {
  if (await attempt(() => ask("PATCH", path(hook), { body }))) toast(t("webhook.saved", { name: hook.name }));
  await again();
}

async function rotate(hook, again) {
  if (!(await confirmed(t("webhook.rotate.title", { name: hook.name }), t("webhook.rotate.text"), t("webhook.rotate")))) return;
  const done = await attempt(() => ask("POST", path(hook, "/rotate-secret"), { body: {}, once: onceKey() }));
  if (done) showSecret(hook.name, done.secret);
  await again();
}

async function remove(hook, again) {
  if (!(await confirmed(t("camera.delete.title", { name: hook.name }), t("webhook.delete.text"), t("camera.delete")))) return;
  try {
    await ask("DELETE", path(hook));
    toast(t("camera.deleted", { name: hook.name }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await again();
}

/** The one time that a secret is seen. */
function showSecret(name, secret) {
  openDialog(t("webhook.secret.title", { name }), (close) => {
    const shown = h("input", { class: "mono", readonly: true, value: secret, "aria-label": t("webhook.secret"), id: "w-secret" });
    const copy = async () => {
      shown.select();
      try {
        await navigator.clipboard.writeText(secret);
        toast(t("webhook.secret.copied"));
      } catch {
        toast(t("webhook.secret.hand"), "fair");
      }
    };
    return [h("p", {}, t("webhook.secret.text")), h("div", { class: "field" }, shown),
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: copy } }, icon("copy"), t("webhook.secret.copy")),
        h("button", { type: "button", class: "primary", on: { click: close } }, t("webhook.secret.kept")))];
  });
}
