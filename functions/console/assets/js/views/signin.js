// The sign-in page.

import { ApiError, ask } from "../api.js";
import { fill, h } from "../dom.js";
import { field, sentence } from "../errors.js";
import { LANGUAGES, current, maybe, t, use } from "../i18n.js";
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
      fault.textContent = error.details.reason === "inactive" ? t("oidc.refused.inactive") : error.status === 401 ? t("signin.wrong") : sentence(error);
      fault.hidden = false;
      word.select();
    } finally {
      button.disabled = false;
    }
  };
  const other = h("div", { class: "other-way", hidden: true });
  tellRefusal(fault);
  offerOther(other);
  fill(root, h("main", { class: "signin" },
    h("form", { class: "card-box", novalidate: false, on: { submit } },
      h("h1", {}, h("img", { src: "/assets/icon.svg", alt: "", width: 40, height: 40 }), h("span", { translate: "no" }, "GT-Vision")),
      h("p", { class: "muted" }, t("signin.intro")),
      field(t("signin.username"), name), field(t("signin.password"), word), fault, button, other),
    languageChoice(again)));
  name.focus();
}

/** The button of the city's own sign-in service, where there is one. */
async function offerOther(place) {
  try {
    const { oidc } = await ask("GET", "/api/auth/ways", { plain: true });
    if (!oidc) return;
    fill(place, h("p", { class: "or" }, t("signin.or")), h("a", { class: "button", href: "/api/auth/oidc/start" }, oidc));
    place.hidden = false;
  } catch (error) {
    // Without an answer there is the password alone; what is wrong shows when it is tried.
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Why the sign-in service's visitor was sent back, told once. */
function tellRefusal(fault) {
  const [place, query] = location.hash.split("?");
  if (place !== "#/oidc-refused") return;
  const reason = new URLSearchParams(query).get("reason") ?? "";
  fault.textContent = maybe(`oidc.refused.${reason}`, t("oidc.refused.identity"));
  fault.hidden = false;
  history.replaceState(null, "", "#/live");
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
