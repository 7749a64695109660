// Modal dialogs: the browser's own <dialog>, so that focus and Escape behave.

import { h, icon, uid } from "./dom.js";
import { t } from "./i18n.js";

/** Opens a dialog; `body(close)` makes its contents. Returns a function that closes it. */
export function openDialog(title, body, { wide = false, onClose = () => {} } = {}) {
  const id = uid("dialog");
  const close = () => dialog.close();
  const shut = h("button", { class: "ghost square", type: "button", "aria-label": t("close"), on: { click: close } }, icon("close"));
  const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id },
    h("header", { class: "dialog-head" }, h("h2", { id }, title), shut),
    h("div", { class: "dialog-body" }, body(close)));
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
  return close;
}

/** Asks before something is lost; resolves to true when the reader agrees. */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    openDialog(title, (close) => [
      h("p", {}, text),
      h("div", { class: "actions" },
        h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { type: "button", class: "danger", on: { click: () => { answer = true; close(); } } }, yes)),
    ], { onClose: () => resolve(answer) });
  });
}

let note = 0;
/** A short message at the edge of the page that goes away by itself. */
export function toast(text, kind = "good") {
  document.querySelector(".toast")?.remove();
  const element = h("div", { class: `toast ${kind}`, role: "status" }, text);
  (document.querySelector("dialog[open]") ?? document.body).append(element);
  clearTimeout(note);
  note = setTimeout(() => element.remove(), 6000);
}
