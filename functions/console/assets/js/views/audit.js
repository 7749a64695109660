// The log of who did what: filters, its proof, who looks up how much.

import { ApiError, ask, queryOf } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { dayAndTime, number, t } from "../i18n.js";
import { plainTable } from "./privacy.js";

const PAGE = 50;
const ALARM = "privacy.bulk_lookups";

export function auditView(main, world, params) {
  const form = makeForm(params);
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const proof = h("p", { class: "audit-proof", role: "status" });
  const people = h("div", { class: "privacy-body" });
  const rows = h("tbody", {});
  const table = plainTable(t("nav.audit"), [t("audit.row"), t("time"), t("audit.who"), t("audit.what"), t("audit.subject"), t("privacy.reason"), t("audit.details")], []);
  table.replaceChild(rows, table.tBodies[0]);
  const more = h("button", { type: "button", hidden: true, on: { click: () => load(false) } }, t("search.more"));
  const check = h("button", { type: "button", class: "primary", on: { click: verify } }, t("audit.verify"));
  let cursor = null;
  fill(main, h("div", { class: "privacy" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.audit")),
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/privacy" }, t("nav.privacy")),
        h("a", { class: "button", href: "/api/auth/audit/export", download: "audit.jsonl" }, t("audit.export")), check)),
    h("p", { class: "muted intro" }, t("audit.intro")), proof,
    h("section", { class: "privacy-part" }, h("h2", {}, t("audit.lookups")), h("p", { class: "muted intro" }, t("audit.lookups.intro")), people),
    form.element, fault, table, more));

  async function load(first) {
    clearErrors(form.element, fault);
    if (first) cursor = null;
    more.disabled = true;
    try {
      const page = await ask("GET", "/api/auth/audit", { query: { ...form.query(), cursor, limit: PAGE } });
      if (first) fill(rows);
      rows.append(...page.items.map(line));
      if (first && page.items.length === 0) rows.append(h("tr", {}, h("td", { colspan: 7, class: "muted" }, t("audit.none"))));
      cursor = page.next_cursor;
      more.hidden = cursor === null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showErrors(form.element, error, fault);
    }
    more.disabled = false;
  }

  async function verify() {
    check.disabled = true;
    proof.className = "audit-proof";
    setText(proof, t("audit.verifying"));
    try {
      const found = await ask("POST", "/api/auth/audit/verify", { body: {} });
      proof.className = `audit-proof ${found.whole ? "good" : "bad"}`;
      fill(proof, found.whole ? t("audit.whole", { rows: number(found.rows) }) : t("audit.broken", { row: found.broken_at, reason: found.reason }),
        found.whole && [" ", h("span", { class: "muted" }, t("audit.note")), " ", h("code", {}, found.head)]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(proof, sentence(error));
    }
    check.disabled = false;
  }

  async function loadPeople() {
    try {
      const page = await ask("GET", "/api/privacy/lookups");
      if (page.items.length === 0) {
        fill(people, h("p", { class: "muted" }, t("audit.lookups.none")));
        return;
      }
      const limit = (value) => (value ? ` / ${number(value)}` : "");
      fill(people, plainTable(t("audit.lookups"), [t("audit.who"), t("audit.hour"), t("audit.day"), t("camera.actions")], page.items.map((item) =>
        h("tr", { class: item.over.length > 0 ? "over" : "" },
          h("td", { translate: "no" }, h("strong", {}, item.username)),
          h("td", {}, `${number(item.hour)}${limit(page.limit_hour)}`), h("td", {}, `${number(item.day)}${limit(page.limit_day)}`),
          h("td", { class: "cell-actions" },
            h("a", { class: "button small", href: `#/audit${queryOf({ actor: item.username })}` }, t("audit.see")),
            item.over.length > 0 && h("button", { type: "button", class: "small", on: { click: () => allow(item) } }, t("audit.allow")))))));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(people, h("p", { class: "form-error", role: "alert" }, sentence(error)));
    }
  }

  function allow(item) {
    openDialog(t("audit.allow.title", { name: item.username }), (close) => {
      const reason = h("input", { id: "allow-reason", name: "reason", required: true, minlength: 3, maxlength: 500, autocomplete: "off" });
      const wrong = h("p", { class: "form-error", role: "alert", hidden: true });
      const submit = async (event) => {
        event.preventDefault();
        const element = event.currentTarget;
        try {
          await ask("POST", `/api/privacy/lookups/${item.user_id}/allow`, { body: { reason: reason.value } });
          close();
          toast(t("audit.allowed", { name: item.username }));
          loadPeople();
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          showErrors(element, error, wrong);
        }
      };
      return h("form", { on: { submit } }, h("p", {}, t("audit.allow.text")), field(t("privacy.reason"), reason), wrong,
        h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
          h("button", { class: "primary", type: "submit" }, t("audit.allow"))));
    });
  }

  form.element.addEventListener("submit", (event) => {
    event.preventDefault();
    const next = `#/audit${queryOf(form.words())}`;
    if (location.hash === next) load(true);
    else location.hash = next;
  });
  load(true);
  loadPeople();
}

function makeForm(params) {
  const input = (name, props = {}) => h("input", { id: `a-${name}`, name, value: params.get(name) ?? "", autocomplete: "off", spellcheck: "false", ...props });
  const actor = input("actor");
  const action = input("action", { placeholder: "detections.*" });
  const subject = input("subject", { class: "mono" });
  const from = input("from", { type: "datetime-local" });
  const to = input("to", { type: "datetime-local" });
  const all = { actor, action, subject, from, to };
  const clear = h("button", { type: "button", class: "ghost", on: { click: () => { location.hash = "#/audit"; } } }, t("search.clear"));
  const alarms = h("a", { class: "button", href: `#/audit${queryOf({ action: ALARM })}` }, t("audit.alarms"));
  const element = h("form", { class: "search-form", role: "search" },
    field(t("audit.who"), actor), field(t("audit.what"), action), field(t("audit.subject"), subject),
    field(t("search.from"), from), field(t("search.to"), to),
    h("div", { class: "search-buttons" }, h("button", { class: "primary", type: "submit" }, t("audit.filter")), clear, alarms));
  return {
    element,
    words: () => Object.fromEntries(Object.entries(all).map(([name, one]) => [name, one.value.trim()]).filter(([, value]) => value)),
    query() {
      const { from: since, to: until, ...same } = this.words();
      return { ...same, from: since ? new Date(since).toISOString() : null, to: until ? new Date(until).toISOString() : null };
    },
  };
}

function line(item) {
  const details = Object.entries(item.details).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return h("tr", { class: item.action === ALARM ? "over" : "", data: { seq: item.seq } },
    h("td", { class: "muted" }, number(item.seq)), h("td", { class: "cell-moment" }, dayAndTime(item.at)), h("td", { translate: "no" }, item.actor),
    h("td", {}, h("code", {}, item.action)), h("td", { class: "mono cell-subject", translate: "no" }, item.subject),
    h("td", {}, item.reason ?? ""), h("td", { class: "muted cell-details", translate: "no" }, details.join(", ")));
}
