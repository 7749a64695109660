// Hotlists: plates that somebody is to be told of, or the only ones that may pass.

import { ApiError, ask } from "../api.js";
import { confirmed, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { sentence } from "../errors.js";
import { groups } from "../groups-store.js";
import { number, plural, t } from "../i18n.js";
import { Register } from "../register.js";
import { may } from "../session.js";
import { openEntries } from "./hotlist-entries.js";
import { openHotlist } from "./hotlist-form.js";
import { openPreview } from "./hotlist-preview.js";

export const hotlists = new Register("/api/hotlists");

export function hotlistsView(main) {
  const told = h("span", { class: "muted", role: "status" });
  const rows = h("tbody", {});
  const names = ["hotlist.name", "hotlist.kind", "alert.priority", "hotlist.where", "hotlist.entries"];
  const table = h("table", { class: "group-table hotlist-table" }, h("caption", { class: "unseen" }, t("nav.hotlists")),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, t(name))),
      h("th", { scope: "col" }, h("span", { class: "unseen" }, t("camera.actions"))))), rows);
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  fill(main, h("div", { class: "groups" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.hotlists")), told,
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/alerts" }, t("nav.alerts")),
        may("operator") && h("button", { type: "button", class: "primary", on: { click: () => openHotlist(null, () => hotlists.load()) } }, t("hotlist.add")))),
    h("p", { class: "muted intro" }, t("hotlists.intro")), fault, table));

  function draw() {
    fill(rows, hotlists.list.map(row));
    setText(told, hotlists.loaded ? plural("hotlists.count", hotlists.list.length) : t("loading"));
    fault.hidden = hotlists.error === null;
    if (hotlists.error) setText(fault, sentence(hotlists.error));
  }

  hotlists.addEventListener("change", draw);
  groups.addEventListener("change", draw);
  draw();
  hotlists.load();
  groups.load();
  return () => {
    hotlists.removeEventListener("change", draw);
    groups.removeEventListener("change", draw);
  };
}

export function nameOf(list) {
  return list.kind === "cloned" ? t("hotlist.cloned") : list.name;
}

function row(list) {
  const own = list.kind === "cloned";
  const again = () => hotlists.load();
  const button = (label, act, kind = "") =>
    h("button", { type: "button", class: `small ${kind}`, "aria-label": `${label}: ${nameOf(list)}`, on: { click: act } }, label);
  const where = list.group_ids === null ? t("hotlist.everywhere") : list.group_ids.map((id) => groups.name(id)).join(", ") || t("hotlist.nowhere");
  return h("tr", { data: { id: list.id }, class: list.enabled ? "" : "off" },
    h("td", { class: "cell-name" }, h("strong", {}, nameOf(list)), h("span", { class: "muted" }, own ? t("hotlist.cloned.what") : list.reason),
      !list.enabled && h("span", { class: "mark" }, t("hotlist.off"))),
    h("td", {}, t(`hotlist.kind.${list.kind}`)), h("td", {}, number(list.priority)), h("td", {}, where),
    h("td", {}, own ? "–" : number(list.entries)),
    h("td", { class: "cell-actions" },
      !own && button(t("hotlist.open"), () => openEntries(list, again)),
      !own && may("operator") && button(t("hotlist.preview"), () => openPreview(list)),
      may("operator") && list.may_change && button(t("camera.edit"), () => openHotlist(list, again)),
      !own && may("operator") && list.may_change && button(t("camera.delete"), () => remove(list), "danger")));
}

async function remove(list) {
  if (!(await confirmed(t("camera.delete.title", { name: list.name }), t("hotlist.delete.text"), t("camera.delete")))) return;
  try {
    await ask("DELETE", `/api/hotlists/${encodeURIComponent(list.id)}`);
    toast(t("camera.deleted", { name: list.name }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
  }
  await hotlists.load();
}
