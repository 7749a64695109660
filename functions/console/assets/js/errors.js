// What the API answered, in the reader's words.

import { h } from "./dom.js";
import { maybe, t } from "./i18n.js";

/** One sentence for an ApiError. */
export function sentence(error) {
  if (error.code === "throttled" && error.details.retry_after) {
    return t("error.throttled.for", { seconds: Math.ceil(error.details.retry_after) });
  }
  return maybe(`error.${error.code}`, error.message);
}

/** What a camera's stream refused, by its short word where the dictionary has it. */
export function cameraSentence(error) {
  const reason = error.details.reason;
  return reason ? maybe(`reason.${reason}`, error.message) : sentence(error);
}

/** Show each finding beside its input, the rest in `summary`; the first wrong input gets the focus. */
export function showErrors(form, error, summary) {
  clearErrors(form, summary);
  const loose = [];
  let first = null;
  for (const { field, reason } of error.fields) {
    const input = form.elements.namedItem(field.split(".").at(-1));
    if (!(input instanceof HTMLElement)) {
      loose.push(`${field}: ${reason}`);
      continue;
    }
    first ??= input;
    showError(input, reason);
  }
  if (first) first.focus();
  const rest = error.fields.length === 0 ? [sentence(error)] : loose;
  summary.textContent = rest.join(" · ");
  summary.hidden = rest.length === 0;
}

export function showError(input, text) {
  input.setAttribute("aria-invalid", "true");
  const note = h("p", { class: "field-error", id: `${input.id}-error` }, text);
  input.setAttribute("aria-describedby", note.id);
  input.closest(".field")?.append(note);
}

export function clearErrors(form, summary) {
  for (const note of form.querySelectorAll(".field-error")) note.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  summary.textContent = "";
  summary.hidden = true;
}

/** A labelled input; `help` explains it below. */
export function field(label, input, help, kind = "") {
  return h("div", { class: `field ${kind}` }, h("label", { for: input.id }, label), input, help && h("p", { class: "help" }, help));
}
