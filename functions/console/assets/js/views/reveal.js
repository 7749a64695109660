// A plate that is masked for the reader's role: shown after a reason, which goes into the audit log.

import { ApiError, ask } from "../api.js";
import { h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { t } from "../i18n.js";

/** The form; `done(item)` gets the passage with its plate and pictures. */
export function revealForm(item, done) {
  const reason = h("input", { id: "reveal-reason", name: "reason", required: true, minlength: 3, maxlength: 500, autocomplete: "off" });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    clearErrors(form, fault);
    try {
      const found = await ask("POST", `/api/detections/${encodeURIComponent(item.id)}/reveal`, { body: { reason: reason.value } });
      done({ ...item, ...found, id: item.id, masked: false });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showErrors(form, error, fault);
    }
  };
  return h("form", { class: "reveal", on: { submit } }, field(t("reveal.reason"), reason, t("reveal.help")), fault,
    h("div", { class: "actions start" }, h("button", { type: "submit" }, t("reveal.button"))));
}
