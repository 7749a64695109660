// The dialog that adds or changes a webhook.

import { ApiError, ask, onceKey } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog, toast } from "../dialog.js";
import { h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { groups } from "../groups-store.js";
import { maybe, t } from "../i18n.js";

/** `hook` null adds one. `saved()` after it was stored, `secret(name, text)` shows a new one's secret. */
export async function openWebhook(hook, { saved, secret }) {
  let types;
  try {
    types = (await ask("GET", "/api/webhooks/event-types")).items.map((item) => item.type);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    types = hook?.event_types ?? [];
  }
  openDialog(hook ? t("camera.edit.title", { name: hook.name }) : t("webhook.add"), (close) => form(hook, types, { saved, secret, close }));
}

function form(hook, types, { saved, secret, close }) {
  const name = h("input", { id: "w-name", name: "name", required: true, maxlength: 120, autocomplete: "off", value: hook?.name });
  const url = h("input", { id: "w-url", name: "url", type: "url", required: true, maxlength: 2000, autocomplete: "off", placeholder: "https://", value: hook?.url });
  const boxes = types.map((type) => h("input", { type: "checkbox", value: type, checked: hook?.event_types.includes(type) ?? false }));
  const chosenGroups = several("w-groups", "group_ids", groups.list, hook?.group_ids ?? []);
  const chosenCameras = several("w-cameras", "camera_ids", cameras.list, hook?.camera_ids ?? []);
  const previews = h("input", { type: "checkbox", checked: hook?.previews ?? false });
  const thin = h("input", { type: "checkbox", checked: hook?.payload === "thin" });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  let once = onceKey();

  const submit = async (event) => {
    event.preventDefault();
    const own = event.currentTarget;
    const body = {
      name: name.value.trim(), url: url.value.trim(), event_types: boxes.filter((box) => box.checked).map((box) => box.value),
      group_ids: values(chosenGroups), camera_ids: values(chosenCameras), previews: previews.checked, payload: thin.checked ? "thin" : "full",
    };
    clearErrors(own, fault);
    try {
      const stored = hook
        ? await ask("PATCH", `/api/webhooks/${encodeURIComponent(hook.id)}`, { body })
        : await ask("POST", "/api/webhooks", { body, once });
      close();
      if (stored.secret) secret(stored.name, stored.secret);
      else toast(t("webhook.saved", { name: stored.name }));
      await saved();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A key stands for one body: what is sent after a correction is another request.
      once = onceKey();
      showErrors(own, error, fault);
    }
  };

  return h("form", { on: { submit } },
    field(t("form.name"), name), field(t("webhook.url"), url, t("webhook.url.help")),
    h("fieldset", { class: "field webhook-types" }, h("legend", {}, t("webhook.types")), h("p", { class: "help" }, t("webhook.types.help")),
      boxes.map((box) => h("label", {}, box, wordsOf(box.value)))),
    h("div", { class: "webhook-places" }, field(t("nav.groups"), chosenGroups), field(t("nav.cameras"), chosenCameras)),
    h("p", { class: "help" }, t("webhook.places.help")),
    h("label", { class: "webhook-check" }, previews, t("webhook.previews")), h("label", { class: "webhook-check" }, thin, t("webhook.thin")), fault,
    h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
      h("button", { class: "primary", type: "submit" }, t("save"))));
}

function wordsOf(type) {
  return maybe(`event.${type.replace(/^gtv\./, "").replace(/\.v\d+$/, "")}`, type);
}

function several(id, name, items, chosen) {
  // What is chosen stays chosen, though the list may not hold it any more.
  const lost = chosen.filter((one) => !items.some((item) => item.id === one)).map((one) => ({ id: one, name: one }));
  return h("select", { id, name, multiple: true, size: 5 },
    [...items, ...lost].map((item) => h("option", { value: item.id, selected: chosen.includes(item.id) }, item.name)));
}

function values(select) {
  return [...select.selectedOptions].map((option) => option.value);
}
