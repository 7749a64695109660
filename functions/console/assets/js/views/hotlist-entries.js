// The plates of a hotlist: one added by hand, a file of thousands, a file out.

import { ApiError, ask, onceKey, queryOf } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { clearErrors, field, finding, sentence, showErrors } from "../errors.js";
import { number, plural, t } from "../i18n.js";
import { may } from "../session.js";

const EXAMPLE = "plate,match,tolerance,note,valid_until\nABC1D23,,,BO 123/2026,\nABC1*,wildcard,,,\nQQQ1A11,fuzzy,0.6,,\n";
const PAGE = 100;
// Each look into a list is in the audit log: a text is asked for when it is typed, not each of its letters.
const TYPED_MS = 400;

export function openEntries(list, done) {
  const path = `/api/hotlists/${encodeURIComponent(list.id)}/entries`;
  const changes = may("operator") && list.may_change;
  openDialog(t("hotlist.entries.of", { name: list.name }), () => {
    const rows = h("tbody", {});
    const told = h("p", { class: "muted", role: "status" });
    const more = h("button", { type: "button", hidden: true, on: { click: () => load(false) } }, t("search.more"));
    const part = h("input", { id: "he-q", type: "search", class: "mono", maxlength: 20, placeholder: t("hotlist.find"), "aria-label": t("hotlist.find"), on: { input: typed } });
    let cursor = null;
    let turn = 0;
    let typing = 0;
    function typed() {
      clearTimeout(typing);
      typing = setTimeout(() => load(true), TYPED_MS);
    }
    async function load(first) {
      const mine = ++turn;
      let page;
      try {
        page = await ask("GET", path, { query: { q: part.value.trim(), cursor: first ? null : cursor, limit: PAGE } });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        // Whose role sees plates masked finds none by a part.
        setText(told, finding(error.message));
        return;
      }
      if (mine !== turn) return;
      if (first) fill(rows);
      cursor = page.next_cursor;
      rows.append(...page.items.map((item) => entryRow(item, path, changes, () => load(true))));
      more.hidden = cursor === null;
      setText(told, rows.children.length === 0 ? t("hotlist.empty") : "");
    }
    load(true);
    return [
      changes && addForm(path, () => load(true)), h("div", { class: "toolbar" }, part,
        may("operator") && h("a", { class: "button", href: `${path}/export.csv`, download: "" }, t("hotlist.export"))),
      h("table", { class: "entry-table" }, h("thead", {}, h("tr", {}, ["plate", "match", "alert.note"].map((name) => h("th", { scope: "col" }, t(name))), h("th", {}))), rows),
      told, more, changes && importForm(list, () => load(true)),
    ];
  }, { wide: true, onClose: done });
}

function entryRow(item, path, changes, again) {
  const remove = async () => {
    try {
      await ask("DELETE", `${path}/${item.id}`);
      again();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(sentence(error), "bad");
    }
  };
  const match = item.tolerance === null ? t(`hotlist.match.${item.match}`) : `${t(`hotlist.match.${item.match}`)} ${number(item.tolerance, 1)}`;
  return h("tr", {}, h("td", { class: "mono", translate: "no" }, item.pattern), h("td", {}, match), h("td", {}, item.note ?? ""),
    h("td", { class: "cell-actions" }, changes && h("button", { type: "button", class: "small danger", "aria-label": `${t("hotlist.take")}: ${item.pattern}`, on: { click: remove } }, t("hotlist.take"))));
}

function addForm(path, again) {
  const pattern = h("input", { id: "he-pattern", name: "pattern", class: "mono", required: true, maxlength: 40, autocomplete: "off", placeholder: "ABC1D23" });
  const match = h("select", { id: "he-match", name: "match" },
    [["", t("hotlist.match.auto")], ...["exact", "wildcard", "fuzzy"].map((one) => [one, t(`hotlist.match.${one}`)])].map(([value, label]) => h("option", { value }, label)));
  const note = h("input", { id: "he-note", name: "note", maxlength: 500, autocomplete: "off" });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    clearErrors(form, fault);
    try {
      await ask("POST", path, { body: { pattern: pattern.value, match: match.value || null, note: note.value.trim() || null }, once: onceKey() });
      form.reset();
      pattern.focus();
      again();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showErrors(form, error, fault);
    }
  };
  return h("form", { class: "entry-form", on: { submit } }, field(t("plate"), pattern), field(t("match"), match), field(t("alert.note"), note),
    h("button", { class: "primary", type: "submit" }, t("hotlist.put")), fault);
}

function importForm(list, again) {
  const file = h("input", { id: "he-file", name: "file", type: "file", accept: ".csv,text/csv", required: true });
  const dry = h("input", { id: "he-dry", type: "checkbox", checked: true });
  const good = h("input", { id: "he-good", type: "checkbox" });
  const replace = h("input", { id: "he-replace", type: "checkbox" });
  const report = h("div", { class: "report", role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const how = { hotlist_id: list.id, dry_run: dry.checked, mode: good.checked ? "valid" : "all", replace: replace.checked };
    fill(report, h("p", { class: "muted" }, t("loading")));
    fill(report, await send(file.files[0], how));
    again();
  };
  const check = (input, label) => h("label", { class: "check-inline", for: input.id }, input, label);
  return h("details", { class: "entry-import" }, h("summary", {}, t("hotlist.import")),
    h("form", { class: "import-form", on: { submit } }, h("pre", { class: "example", translate: "no" }, EXAMPLE), field(t("import.file"), file),
      h("div", { class: "box-row" }, check(dry, t("import.dry")), check(good, t("import.mode.valid")), check(replace, t("hotlist.replace"))), report,
      h("div", { class: "actions" }, h("button", { class: "primary", type: "submit" }, t("hotlist.import.button")))));
}

async function send(file, how) {
  const form = new FormData();
  form.append("file", file);
  try {
    return reportOf(await ask("POST", `/api/hotlists/import${queryOf(how)}`, { form, once: how.dry_run ? undefined : onceKey() }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (Array.isArray(error.details.errors)) return reportOf(error.details);
    return h("p", { class: "form-error", role: "alert" }, error.code === "invalid_input" ? error.message : sentence(error));
  }
}

function reportOf(report) {
  const counts = { added: number(report.added), updated: number(report.updated), removed: number(report.removed) };
  return [h("p", {}, t(report.dry_run ? "hotlist.would" : "hotlist.did", counts)),
    report.errors.length > 0 && h("p", {}, plural("hotlist.wrong", report.errors.length + report.more_errors)),
    report.errors.length > 0 && h("ul", {}, report.errors.slice(0, 20).map((one) => h("li", {}, t("hotlist.line", { line: one.line, field: one.field, reason: finding(one.reason) }))))];
}
