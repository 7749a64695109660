// The account menu: language, password, the way out.

import { ApiError, ask } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { h, icon } from "../dom.js";
import { clearErrors, field, showError, showErrors } from "../errors.js";
import { t } from "../i18n.js";
import { me } from "../session.js";
import { sessionsDialog } from "./sessions.js";
import { languageChoice } from "./signin.js";

export function accountMenu(world, signOut) {
  const { username, role, sign_in } = me();
  const menu = h("div", { class: "menu", id: "account-menu", hidden: true },
    h("p", { class: "menu-who" }, h("strong", { translate: "no" }, username), h("span", { class: "muted" }, t(`role.${role}`))),
    languageChoice(world.again),
    h("button", { class: "ghost", type: "button", on: { click: () => { show(false); sessionsDialog(); } } }, t("sessions.title")),
    sign_in === "password" && h("button", { class: "ghost", type: "button", on: { click: () => { show(false); passwordDialog(); } } }, t("password.change")),
    h("button", { class: "ghost", type: "button", on: { click: signOut } }, t("signout")));
  const button = h("button", {
    class: "ghost account", type: "button", "aria-haspopup": "true", "aria-expanded": "false", "aria-controls": "account-menu",
    "aria-label": t("account"), on: { click: () => show(menu.hidden) },
  }, icon("user"), h("span", { class: "account-name", translate: "no" }, username));
  const outside = (event) => !holder.contains(event.target) && show(false);
  const escape = (event) => {
    if (event.key !== "Escape") return;
    show(false);
    button.focus();
  };
  function show(open) {
    menu.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    document[open ? "addEventListener" : "removeEventListener"]("pointerdown", outside);
    if (open) menu.querySelector("button").focus();
  }
  const holder = h("div", { class: "account-holder", on: { keydown: escape } }, button, menu);
  return holder;
}

function passwordDialog() {
  openDialog(t("password.change"), (close) => {
    const now = secret("current_password", "current-password");
    const next = secret("new_password", "new-password");
    const again = secret("repeated", "new-password");
    next.minLength = 12;
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      if (next.value !== again.value) {
        showError(again, t("password.differs"));
        again.focus();
        return;
      }
      try {
        const body = { current_password: now.value, new_password: next.value };
        await ask("POST", "/api/auth/password", { body });
        close();
        toast(t("password.changed"));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } },
      field(t("password.current"), now), field(t("password.new"), next, t("password.help")), field(t("password.repeat"), again),
      fault, h("div", { class: "actions" },
        h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("password.change"))));
  });
}

function secret(name, autocomplete) {
  return h("input", { id: name, name, type: "password", autocomplete, required: true });
}
