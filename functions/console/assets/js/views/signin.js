// The sign-in page.

import { ApiError } from "../api.js";
import { fill, h } from "../dom.js";
import { field, sentence } from "../errors.js";
import { LANGUAGES, current, t, use } from "../i18n.js";
import { signIn } from "../session.js";

export function signInView(root, { entered, again }) {
  document.title = `${t("signin.title")} · GT-Vision`;
  const name = h("input", { id: "username", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const word = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const button = h("button", { class: "primary", type: "submit" }, t("signin.button"));
  const submit = async (event) => {
    event.preventDefault();
    fault.hidden = true;
    button.disabled = true;
    try {
      await signIn(name.value.trim(), word.value);
      entered();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fault.textContent = error.status === 401 ? t("signin.wrong") : sentence(error);
      fault.hidden = false;
      word.select();
    } finally {
      button.disabled = false;
    }
  };
  fill(root, h("main", { class: "signin" },
    h("form", { class: "card-box", novalidate: false, on: { submit } },
      h("h1", {}, h("img", { src: "/assets/icon.svg", alt: "", width: 40, height: 40 }), h("span", { translate: "no" }, "GT-Vision")),
      h("p", { class: "muted" }, t("signin.intro")),
      field(t("signin.username"), name), field(t("signin.password"), word), fault, button),
    languageChoice(again)));
  name.focus();
}

/** Two buttons, one for each language. */
export function languageChoice(again) {
  return h("div", { class: "languages", role: "group", "aria-label": t("language") },
    Object.entries(LANGUAGES).map(([tag, label]) =>
      h("button", {
        type: "button", class: "ghost", lang: tag, "aria-pressed": String(tag === current()),
        on: { click: async () => { await use(tag, true); again(); } },
      }, label)));
}
