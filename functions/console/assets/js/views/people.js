// Users: their roles, which cameras they see, and how they sign in.

import { ApiError, ask } from "../api.js";
import { confirmed, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { sentence } from "../errors.js";
import { groups } from "../groups-store.js";
import { dayAndTime, plural, t } from "../i18n.js";
import { users } from "../people-store.js";
import { me } from "../session.js";
import { passwordDialog, userDialog } from "./people-form.js";
import { scopeWords } from "./scope-choice.js";
import { sessionsDialog } from "./sessions.js";

export function peopleView(main) {
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const names = [t("people.user"), t("people.role"), t("people.sees"), t("people.signin"), t("people.lastlogin"), t("people.state")];
  const table = h("table", { class: "group-table people-table" }, h("caption", { class: "unseen" }, t("nav.people")),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows);
  const empty = h("div", { class: "empty", hidden: true });
  fill(main, h("div", { class: "groups people" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.people")), told,
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/keys" }, t("nav.keys")),
        h("button", { type: "button", class: "primary", on: { click: () => userDialog(null, load) } }, t("people.add")))),
    h("p", { class: "muted intro" }, t("people.intro")), table, empty));

  function draw() {
    fill(rows, users.list.map((user) => row(user, load, names)));
    setText(told, users.loaded ? plural("people.count", users.list.length) : "");
    table.hidden = users.list.length === 0;
    empty.hidden = users.list.length > 0;
    if (users.error && !users.loaded) {
      fill(empty, h("h2", {}, t("people.unread")), h("p", {}, sentence(users.error)),
        h("button", { type: "button", on: { click: load } }, t("retry")));
    } else fill(empty, h("p", {}, t("loading")));
  }

  function load() {
    groups.load();
    return users.load();
  }

  users.addEventListener("change", draw);
  groups.addEventListener("change", draw);
  draw();
  load();
  return () => {
    users.removeEventListener("change", draw);
    groups.removeEventListener("change", draw);
  };
}

function row(user, load, names) {
  const button = (label, act, kind = "") =>
    h("button", { type: "button", class: `small ${kind}`, "aria-label": `${label}: ${user.username}`, on: { click: act } }, label);
  const state = user.disabled ? "disabled" : user.inactive ? "inactive" : "active";
  const out = user.disabled || user.inactive;
  const cells = [
    [h("strong", { translate: "no" }, user.username), user.full_name && h("span", { class: "muted" }, user.full_name)],
    t(`role.${user.role}`), scopeWords(user.groups), t(`people.by.${user.sign_in}`),
    user.last_login_at ? dayAndTime(user.last_login_at) : t("people.never"),
    h("span", { class: `badge ${state}` }, t(`people.state.${state}`)),
  ];
  return h("tr", { data: { id: user.id, state } },
    cells.map((cell, place) => h("td", { class: place === 0 ? "cell-name" : "", data: { label: names[place] } }, cell)),
    h("td", { class: "cell-actions" },
      button(t("camera.edit"), () => userDialog(user, load)),
      user.sign_in === "password" && button(t("people.password"), () => passwordDialog(user, load)),
      user.sign_in !== "keys" && button(t("sessions.title"), () => sessionsDialog(user)),
      out ? button(t("people.enable"), () => change(user, false, load)) : user.id !== me().id && button(t("people.disable"), () => disable(user, load), "danger")));
}

async function disable(user, load) {
  if (!(await confirmed(t("people.disable.title", { name: user.username }), t("people.disable.text"), t("people.disable")))) return;
  await change(user, true, load);
}

async function change(user, disabled, load) {
  try {
    await ask("PATCH", `/api/auth/users/${user.id}`, { body: { disabled }, revision: user.revision });
    toast(t(disabled ? "people.disabled" : "people.enabled", { name: user.username }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.details.field === "role" ? t("finding.lastadmin") : sentence(error), "bad");
  }
  await load();
}
