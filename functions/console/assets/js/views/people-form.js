// Dialogs that make and change a user, and set a password.

import { ApiError, ask, onceKey } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { h } from "../dom.js";
import { clearErrors, field, showErrors } from "../errors.js";
import { t } from "../i18n.js";
import { scopeChoice } from "./scope-choice.js";

const ROLES = ["viewer", "operator", "admin", "integrator"];
const WAYS = ["password", "oidc", "keys"];

/** Make a user (null), or change one. */
export function userDialog(user, done) {
  let scope = null;
  openDialog(user ? t("camera.edit.title", { name: user.username }) : t("people.add"), (close) => {
    const name = h("input", { id: "p-username", name: "username", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "none", spellcheck: "false", value: user?.username, disabled: Boolean(user) });
    const full = h("input", { id: "p-full", name: "full_name", maxlength: 120, autocomplete: "off", value: user?.full_name });
    const role = choice("p-role", "role", ROLES.map((one) => [one, t(`role.${one}`)]), user?.role ?? "viewer");
    const way = choice("p-way", "sign_in", WAYS.map((one) => [one, t(`people.by.${one}`)]), user?.sign_in ?? "password");
    const word = h("input", { id: "p-password", name: "password", type: "password", autocomplete: "new-password", minlength: 12 });
    const wordField = field(t("signin.password"), word, t("password.help"));
    scope = scopeChoice(t("people.sees"), user ? user.groups : null);
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    let once = onceKey();
    const fit = () => {
      scope.fixed(role.value === "admin" ? t("people.sees.admin") : "");
      // A new way to sign in by password needs one; who has one keeps it.
      wordField.hidden = way.value !== "password" || user?.sign_in === "password";
      word.required = !wordField.hidden;
    };
    role.addEventListener("change", fit);
    way.addEventListener("change", fit);
    fit();
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      const body = { full_name: full.value.trim() || null, role: role.value, sign_in: way.value, groups: scope.values() };
      if (!wordField.hidden) body.password = word.value;
      try {
        const saved = user
          ? await ask("PATCH", `/api/auth/users/${user.id}`, { body, revision: user.revision })
          : await ask("POST", "/api/auth/users", { body: { username: name.value.trim(), ...body }, once });
        close();
        toast(t(user ? "people.saved" : "people.added", { name: saved.username }));
        await done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        once = onceKey();
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } },
      field(t("signin.username"), name, user ? null : t("people.username.help")), field(t("people.fullname"), full),
      field(t("people.role"), role, t("people.role.help")), field(t("people.signin"), way), wordField, scope.element, fault,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("save"))));
  }, { onClose: () => scope?.close() });
}

/** Set somebody's password; where they are signed in ends. */
export function passwordDialog(user, done) {
  openDialog(t("people.password.title", { name: user.username }), (close) => {
    const word = h("input", { id: "p-password", name: "password", type: "password", autocomplete: "new-password", required: true, minlength: 12 });
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      try {
        await ask("PATCH", `/api/auth/users/${user.id}`, { body: { password: word.value } });
        close();
        toast(t("people.password.set", { name: user.username }));
        await done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, h("p", {}, t("people.password.text")),
      field(t("password.new"), word, t("password.help")), fault,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("people.password"))));
  });
}

/** A select of [value, words]. */
export function choice(id, name, options, chosen) {
  const element = h("select", { id, name }, options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
  if (chosen !== undefined && chosen !== null) element.value = chosen;
  return element;
}
