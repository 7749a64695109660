// API keys of machines: made and shown once, listed with their last use, revoked.

import { ApiError, ask, onceKey } from "../api.js";
import { confirmed, openDialog, toast } from "../dialog.js";
import { fill, h, icon, setText } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { groups } from "../groups-store.js";
import { day, dayAndTime, maybe, plural, t } from "../i18n.js";
import { users } from "../people-store.js";
import { Register } from "../register.js";
import { choice } from "./people-form.js";
import { scopeChoice, scopeWords } from "./scope-choice.js";

const DAYS = [30, 90, 365, 1095];

export function keysView(main) {
  const keys = new Register("/api/auth/api-keys");
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const names = [t("keys.name"), t("people.user"), t("keys.may"), t("people.sees"), t("keys.ends"), t("keys.lastuse"), t("people.state")];
  const table = h("table", { class: "group-table people-table" }, h("caption", { class: "unseen" }, t("nav.keys")),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows);
  const empty = h("div", { class: "empty", hidden: true });
  const load = () => keys.load();
  fill(main, h("div", { class: "groups people" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.keys")), told,
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/people" }, t("nav.people")),
        h("button", { type: "button", class: "primary", on: { click: () => makeKey(load) } }, t("keys.add")))),
    h("p", { class: "muted intro" }, t("keys.intro")), table, empty));

  function draw() {
    fill(rows, keys.list.map((key) => row(key, load, names)));
    setText(told, keys.loaded ? plural("keys.count", keys.list.length) : "");
    table.hidden = keys.list.length === 0;
    empty.hidden = keys.list.length > 0;
    if (keys.error && !keys.loaded) {
      fill(empty, h("h2", {}, t("keys.unread")), h("p", {}, sentence(keys.error)), h("button", { type: "button", on: { click: load } }, t("retry")));
    } else fill(empty, keys.loaded ? [h("h2", {}, t("keys.none")), h("p", {}, t("keys.none.how"))] : h("p", {}, t("loading")));
  }

  keys.addEventListener("change", draw);
  groups.addEventListener("change", draw);
  draw();
  load();
  groups.load();
  return () => groups.removeEventListener("change", draw);
}

function row(key, load, names) {
  const cells = [
    [h("strong", {}, key.name), h("code", {}, `${key.prefix}…`)], h("span", { translate: "no" }, key.username),
    h("ul", { class: "plain" }, key.permissions.map((one) => h("li", {}, permissionWords(one)))), scopeWords(key.groups), day(key.expires_at),
    key.last_used_at ? [dayAndTime(key.last_used_at), h("span", { class: "muted", translate: "no" }, ` ${key.last_used_from ?? ""}`)] : t("people.never"),
    h("span", { class: `badge ${key.state}` }, t(`keys.state.${key.state}`)),
  ];
  return h("tr", { data: { id: key.id, state: key.state } },
    cells.map((cell, place) => h("td", { class: place === 0 ? "cell-name" : "", data: { label: names[place] } }, cell)),
    h("td", { class: "cell-actions" }, key.state === "active" &&
      h("button", { type: "button", class: "small danger", "aria-label": `${t("keys.revoke")}: ${key.name}`, on: { click: () => revoke(key, load) } }, t("keys.revoke"))));
}

/** What a permission allows, in the reader's words where there are some. */
function permissionWords(permission) {
  return maybe(`permission.${permission.replace(":", ".")}`, permission);
}

async function revoke(key, load) {
  if (!(await confirmed(t("keys.revoke.title", { name: key.name }), t("keys.revoke.text"), t("keys.revoke")))) return;
  try {
    await ask("DELETE", `/api/auth/api-keys/${key.id}`);
    toast(t("keys.revoked", { name: key.name }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await load();
}

async function makeKey(load) {
  let offered = [];
  try {
    [{ items: offered }] = await Promise.all([ask("GET", "/api/auth/permissions"), users.load()]);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
    return;
  }
  const owners = users.list.filter((user) => !user.disabled);
  // The account of a machine comes first: a key of an administrator's is rarely meant.
  owners.sort((one, other) => (other.role === "integrator") - (one.role === "integrator"));
  let scope = null;
  openDialog(t("keys.add"), (close) => {
    const name = h("input", { id: "k-name", name: "name", required: true, maxlength: 80, autocomplete: "off" });
    const owner = choice("k-user", "user_id", owners.map((user) => [user.id, `${user.username} (${t(`role.${user.role}`)})`]), owners[0]?.id);
    const life = choice("k-days", "expires_in_days", DAYS.map((days) => [String(days), plural("keys.days", days)]), "365");
    const list = h("ul", { class: "formats" });
    const note = h("p", { class: "form-error", role: "alert", hidden: true }, t("keys.may.none"));
    const may = h("fieldset", { class: "field formats-field" }, h("legend", {}, t("keys.may")), list, note);
    scope = scopeChoice(t("people.sees"), null, t("keys.sees.user"));
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    const chosen = () => [...list.querySelectorAll("input:checked")].map((box) => box.value);
    const fit = () => {
      const kept = new Set(chosen());
      const { role } = owners.find((user) => user.id === owner.value) ?? {};
      fill(list, offered.filter((one) => one.roles.includes(role)).map((one) =>
        h("li", {}, h("label", {}, h("input", { type: "checkbox", value: one.permission, checked: kept.has(one.permission) }), permissionWords(one.permission)))));
    };
    owner.addEventListener("change", fit);
    fit();
    let once = onceKey();
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      note.hidden = chosen().length > 0;
      if (!note.hidden) return;
      const body = { name: name.value.trim(), user_id: owner.value, permissions: chosen(), groups: scope.values(), expires_in_days: Number(life.value) };
      try {
        const made = await ask("POST", "/api/auth/api-keys", { body, once });
        close();
        showKey(made);
        await load();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        once = onceKey();
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, field(t("keys.name"), name, t("keys.name.help")), field(t("people.user"), owner, t("keys.user.help")),
      may, scope.element, field(t("keys.ends"), life), fault,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("keys.make"))));
  }, { onClose: () => scope?.close() });
}

/** The key itself, this once. */
function showKey(made) {
  openDialog(t("keys.made", { name: made.name }), (close) => {
    const shown = h("input", { id: "k-key", class: "secret", readonly: true, value: made.key ?? "", spellcheck: "false", autocomplete: "off", translate: "no", on: { focus: () => shown.select() } });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(made.key);
        toast(t("keys.copied"));
      } catch {
        // Without TLS there is no clipboard: what is selected is copied by hand.
        shown.select();
        toast(t("keys.copy.hand"), "fair");
      }
    };
    return [h("p", {}, t("keys.once")), field(t("keys.key"), shown), h("p", { class: "help" }, t("keys.use")),
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: copy } }, icon("copy"), t("keys.copy")),
        h("button", { type: "button", class: "primary", on: { click: close } }, t("keys.kept")))];
  });
}
