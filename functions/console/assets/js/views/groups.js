// Groups of cameras: which formats the plates there may have, the likeliest first.

import { ApiError, ask, onceKey } from "../api.js";
import { confirmed, openDialog, toast } from "../dialog.js";
import { fill, h, icon, setText, uid } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { FORMATS, groups } from "../groups-store.js";
import { plural, t } from "../i18n.js";
import { may } from "../session.js";

export function groupsView(main) {
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const names = [t("group"), t("group.formats"), t("nav.cameras")];
  const table = h("table", { class: "group-table" }, h("caption", { class: "unseen" }, t("nav.groups")),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)),
      may("operator") && h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows);
  const empty = h("div", { class: "empty", hidden: true });
  fill(main, h("div", { class: "groups" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.groups")), told,
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/cameras" }, t("nav.cameras")),
        may("operator") && h("button", { type: "button", class: "primary", on: { click: () => openGroup(null) } }, t("group.add")))),
    h("p", { class: "muted intro" }, t("groups.intro")), table, empty));

  function draw() {
    fill(rows, groups.list.map(row));
    setText(told, groups.loaded ? plural("groups.count", groups.list.length) : "");
    table.hidden = groups.list.length === 0;
    empty.hidden = groups.list.length > 0;
    if (groups.list.length === 0) fill(empty, emptyWords());
  }

  groups.addEventListener("change", draw);
  draw();
  groups.load();
  return () => groups.removeEventListener("change", draw);
}

function emptyWords() {
  if (groups.error && !groups.loaded) {
    return [h("h2", {}, t("groups.unread")), h("p", {}, sentence(groups.error)),
      h("button", { type: "button", on: { click: () => groups.load() } }, t("retry"))];
  }
  if (!groups.loaded) return h("p", {}, t("loading"));
  return [h("h2", {}, t("empty.nogroups")), h("p", {}, t(may("operator") ? "empty.nogroups.operator" : "empty.nogroups.viewer"))];
}

function row(group) {
  const button = (label, act, kind = "") =>
    h("button", { type: "button", class: `small ${kind}`, "aria-label": `${label}: ${group.name}`, on: { click: act } }, label);
  return h("tr", { data: { id: group.id } },
    h("td", { class: "cell-name" }, h("strong", {}, group.name), h("code", {}, group.id)),
    h("td", { class: "cell-formats" }, h("ol", {}, group.plate_formats.map((format) => h("li", {}, t(`format.${format}`))))),
    h("td", {}, h("a", { href: `#/cameras?q=${encodeURIComponent(group.id)}` }, plural("cameras.count", group.cameras))),
    may("operator") && h("td", { class: "cell-actions" },
      button(t("camera.edit"), () => openGroup(group)), button(t("camera.delete"), () => remove(group), "danger")));
}

async function remove(group) {
  if (!(await confirmed(t("camera.delete.title", { name: group.name }), t("group.delete.text"), t("camera.delete")))) return;
  try {
    await ask("DELETE", `/api/groups/${encodeURIComponent(group.id)}`);
    toast(t("group.deleted", { name: group.name }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { cameras: held } = error.details;
    toast(held ? plural("group.held", held, { name: group.name }) : sentence(error), "bad");
  }
  await groups.load();
}

function openGroup(group) {
  openDialog(group ? t("camera.edit.title", { name: group.name }) : t("group.add"), (close) => {
    const name = h("input", { id: "g-name", name: "name", required: true, maxlength: 120, autocomplete: "off", value: group?.name });
    const formats = formatChoice(group?.plate_formats ?? FORMATS.slice(0, 2));
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    let once = onceKey();
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      const body = { name: name.value.trim(), plate_formats: formats.values() };
      clearErrors(form, fault);
      try {
        const saved = group
          ? await ask("PATCH", `/api/groups/${encodeURIComponent(group.id)}`, { body, match: group.revision })
          : await ask("POST", "/api/groups", { body, once });
        close();
        toast(t("group.saved", { name: saved.name }));
        await groups.load();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        // A key stands for one body: what is sent after a correction is another request.
        once = onceKey();
        if (error.fields.some(({ field: wrong }) => wrong.startsWith("plate_formats"))) formats.complain();
        else showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, field(t("form.name"), name), formats.element, fault,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("save"))));
  });
}

/** {element, values(), complain()}: boxes of the formats; the chosen ones stand first, in their order. */
function formatChoice(chosen) {
  const list = h("ul", { class: "formats" });
  const note = h("p", { class: "form-error", role: "alert", id: uid("formats"), hidden: true }, t("group.formats.none"));
  const help = h("p", { class: "help", id: uid("formats") }, t("group.formats.help"));
  const element = h("fieldset", { class: "field formats-field", "aria-describedby": help.id }, h("legend", {}, t("group.formats")), help, list, note);
  let values = [...chosen];

  function toggle(format, on) {
    values = on ? [...values, format] : values.filter((one) => one !== format);
    note.hidden = true;
    draw(`box ${format}`);
  }

  function raise(format) {
    const place = values.indexOf(format);
    values.splice(place, 1);
    values.splice(place - 1, 0, format);
    draw(`up ${format}`);
  }

  function draw(focus) {
    const rest = FORMATS.filter((format) => !values.includes(format));
    fill(list, [...values, ...rest].map((format, place) => {
      const on = place < values.length;
      const box = h("input", { type: "checkbox", value: format, checked: on, data: { of: `box ${format}` } });
      box.addEventListener("change", () => toggle(format, box.checked));
      const name = t(`format.${format}`);
      return h("li", {}, h("label", {}, box, on && h("span", { class: "formats-place" }, `${place + 1}.`), name),
        on && place > 0 && h("button", {
          type: "button", class: "ghost small square", "aria-label": t("group.formats.up", { name }), title: t("group.formats.up", { name }),
          data: { of: `up ${format}` }, on: { click: () => raise(format) },
        }, icon("up")));
    }));
    // The one at the top has no button any more: its box is the next best place.
    if (focus) (list.querySelector(`[data-of="${focus}"]`) ?? list.querySelector(`[data-of="box ${focus.split(" ")[1]}"]`)).focus();
  }

  draw();
  return {
    element, values: () => values,
    complain() {
      note.hidden = false;
      list.querySelector("input").focus();
    },
  };
}
