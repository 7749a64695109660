// Privacy: for how long things are kept, legal holds, what runs deleted, and one person's data by plate.

import { ApiError, ask, onceKey } from "../api.js";
import { confirmed, openDialog, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { groups } from "../groups-store.js";
import { dayAndTime, maybe, number, percent, plural, t } from "../i18n.js";
import { openDetection } from "./detail.js";

const RUNS = 10;
const MOST_POSSIBLE = 50;

export function privacyView(main, world) {
  const policy = part(t("privacy.policy"), t("privacy.policy.intro"));
  const holds = part(t("privacy.holds"), t("privacy.holds.intro"),
    h("button", { type: "button", on: { click: () => holdDialog(() => load(holds, drawHolds)) } }, t("privacy.holds.add")));
  const runs = part(t("privacy.runs"), t("privacy.runs.intro"),
    h("button", { type: "button", on: { click: () => start(true) } }, t("privacy.run.dry")),
    h("button", { type: "button", class: "danger", on: { click: () => start(false) } }, t("privacy.run.now")));
  fill(main, h("div", { class: "privacy" },
    h("div", { class: "toolbar" }, h("h1", {}, t("nav.privacy")),
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/audit" }, t("nav.audit")))),
    subjectPart(world), holds.element, policy.element, runs.element));

  async function start(dry) {
    if (!dry && !(await confirmed(t("privacy.run.now"), t("privacy.run.text"), t("privacy.run.now")))) return;
    try {
      const run = await ask("POST", "/api/retention/runs", { body: { dry_run: dry } });
      showRun(run);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(sentence(error), "bad");
    }
    load(runs, drawRuns);
  }

  const again = () => load(policy, (body) => drawPolicy(body, again));
  again();
  load(holds, drawHolds);
  load(runs, drawRuns);
  groups.load();
}

/** A section with a place for what is asked for. */
function part(title, intro, ...buttons) {
  const body = h("div", { class: "privacy-body" }, h("p", { class: "muted" }, t("loading")));
  const element = h("section", { class: "privacy-part" },
    h("div", { class: "toolbar" }, h("h2", {}, title), buttons.length > 0 && h("div", { class: "actions" }, buttons)),
    h("p", { class: "muted intro" }, intro), body);
  return { element, body };
}

async function load(section, draw) {
  try {
    await draw(section.body);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fill(section.body, h("p", { class: "form-error", role: "alert" }, sentence(error)),
      h("button", { type: "button", on: { click: () => load(section, draw) } }, t("retry")));
  }
}

export function plainTable(caption, names, rows) {
  return h("table", { class: "group-table" }, h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}

function days(value) {
  return value === 0 ? t("privacy.forever") : plural("privacy.days", value);
}

function until(item) {
  if (item.kept) return maybe(`kept.${item.name}`, item.kept);
  return item.days === 0 && !item.setting ? t("privacy.until.removed") : days(item.days);
}

async function drawPolicy(body, again) {
  const page = await ask("GET", "/api/retention/policy");
  fill(body, plainTable(t("privacy.policy"), [t("privacy.class"), t("privacy.kept"), t("privacy.by.group"), t("privacy.basis"), t("camera.actions")],
    page.items.map((item) => h("tr", { data: { name: item.name } },
      h("td", { class: "cell-name" }, h("strong", {}, maybe(`class.${item.name}`, item.name)), h("code", {}, item.where.replaceAll("`", ""))),
      h("td", {}, until(item)),
      h("td", {}, item.groups.map((one) => h("div", {}, `${groups.name(one.group_id)}: ${days(one.days)}`))),
      h("td", { class: "muted" }, item.basis.split(":")[0]),
      h("td", { class: "cell-actions" }, item.setting && h("button", {
        type: "button", class: "small", "aria-label": `${t("camera.edit")}: ${maybe(`class.${item.name}`, item.name)}`, on: { click: () => policyDialog(item, again) },
      }, t("camera.edit")))))));
}

const BY_CAMERA = ["detections", "images", "corrections"];

function policyDialog(item, done) {
  openDialog(maybe(`class.${item.name}`, item.name), (close) => {
    const kept = h("input", { id: "p-days", name: "days", type: "number", min: 0, max: 36500, required: true, value: item.days });
    const group = h("select", { id: "p-group", name: "group_id" }, h("option", { value: "" }, t("privacy.everywhere")),
      groups.list.map((one) => h("option", { value: one.id }, one.name)));
    const reason = reasonInput();
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      try {
        const body = { days: Number(kept.value), group_id: group.value || null, reason: reason.value };
        await ask("PUT", `/api/retention/policy/${item.name}`, { body });
        close();
        toast(t("privacy.policy.saved"));
        done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, field(t("privacy.days.label"), kept, t("privacy.days.help", { count: item.default_days })),
      BY_CAMERA.includes(item.name) && field(t("group"), group), field(t("privacy.reason"), reason, t("privacy.reason.help")), fault, buttons(close, t("save")));
  });
}

function reasonInput() {
  return h("input", { id: "p-reason", name: "reason", required: true, minlength: 3, maxlength: 500, autocomplete: "off" });
}

function buttons(close, label, kind = "primary") {
  return h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("cancel")),
    h("button", { class: kind, type: "submit" }, label));
}

async function drawHolds(body) {
  const page = await ask("GET", "/api/retention/holds", { query: { limit: 200 } });
  if (page.items.length === 0) {
    fill(body, h("p", { class: "muted" }, t("privacy.holds.none")));
    return;
  }
  fill(body, plainTable(t("privacy.holds"), [t("privacy.case"), t("privacy.held"), t("privacy.since"), t("privacy.until"), t("camera.actions")],
    page.items.map((item) => h("tr", { data: { id: item.id } },
      h("td", { class: "cell-name" }, h("strong", {}, item.case_number), h("span", { class: "muted" }, item.reason)),
      h("td", { translate: "no" }, held(item).map((line) => h("div", {}, line))),
      h("td", {}, dayAndTime(item.created_at), h("div", { class: "muted", translate: "no" }, item.created_by)),
      h("td", {}, item.until ? dayAndTime(item.until) : t("privacy.released.only")),
      h("td", { class: "cell-actions" }, h("button", {
        type: "button", class: "small danger", "aria-label": `${t("privacy.release")}: ${item.case_number}`,
        on: { click: () => releaseDialog(item, () => drawHolds(body)) },
      }, t("privacy.release")))))));
}

function held(item) {
  const plates = [item.plate, item.twin].filter(Boolean).join(" / ");
  const span = [item.seen_from && `≥ ${dayAndTime(item.seen_from)}`, item.seen_to && `< ${dayAndTime(item.seen_to)}`].filter(Boolean).join(" ");
  return [plates, item.camera_id, item.detection_id, span].filter(Boolean);
}

function holdDialog(done) {
  openDialog(t("privacy.holds.add"), (close) => {
    const input = (name, props = {}) => h("input", { id: `h-${name}`, name, autocomplete: "off", ...props });
    const number = input("case_number", { required: true, maxlength: 120 });
    const reason = input("reason", { required: true, minlength: 3, maxlength: 500 });
    const plate = input("plate", { maxlength: 16, class: "mono", spellcheck: "false", autocapitalize: "characters" });
    const camera = input("camera_id", { maxlength: 63, spellcheck: "false" });
    const from = input("seen_from", { type: "datetime-local" });
    const to = input("seen_to", { type: "datetime-local" });
    const until = input("until", { type: "datetime-local" });
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    let once = onceKey();
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      const utc = (element) => (element.value ? new Date(element.value).toISOString() : undefined);
      const body = {
        case_number: number.value, reason: reason.value, plate: plate.value || undefined, camera_id: camera.value || undefined,
        seen_from: utc(from), seen_to: utc(to), until: utc(until),
      };
      try {
        await ask("POST", "/api/retention/holds", { body, once });
        close();
        toast(t("privacy.holds.added"));
        done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        once = onceKey();
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, field(t("privacy.case"), number), field(t("privacy.reason"), reason),
      field(t("plate"), plate, t("privacy.twin.help")), field(t("privacy.camera"), camera),
      h("div", { class: "two" }, field(t("search.from"), from), field(t("search.to"), to)),
      field(t("privacy.until"), until, t("privacy.until.help")), fault, buttons(close, t("save")));
  });
}

function releaseDialog(item, done) {
  openDialog(t("privacy.release.title", { number: item.case_number }), (close) => {
    const reason = reasonInput();
    const fault = h("p", { class: "form-error", role: "alert", hidden: true });
    const submit = async (event) => {
      event.preventDefault();
      const form = event.currentTarget;
      clearErrors(form, fault);
      try {
        await ask("POST", `/api/retention/holds/${item.id}/release`, { body: { reason: reason.value } });
        close();
        done();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showErrors(form, error, fault);
      }
    };
    return h("form", { on: { submit } }, h("p", {}, t("privacy.release.text")), field(t("privacy.reason"), reason), fault,
      buttons(close, t("privacy.release"), "danger"));
  });
}

async function drawRuns(body) {
  const page = await ask("GET", "/api/retention/runs", { query: { limit: RUNS } });
  if (page.items.length === 0) {
    fill(body, h("p", { class: "muted" }, t("privacy.runs.none")));
    return;
  }
  fill(body, plainTable(t("privacy.runs"), [t("time"), t("privacy.run.kind"), t("privacy.run.state"), t("privacy.rows"), t("privacy.pictures"), t("privacy.kept.back"), t("camera.actions")],
    page.items.map((item) => h("tr", {},
      h("td", {}, dayAndTime(item.started_at), h("div", { class: "muted", translate: "no" }, item.started_by)),
      h("td", {}, t(`run.${item.kind}`), item.dry_run && h("div", { class: "muted" }, t("privacy.dry"))),
      h("td", {}, t(`run.state.${item.state}`), item.message && h("div", { class: "why" }, item.message)),
      ...["rows", "images", "held"].map((name) => h("td", {}, number(sum(item.report, name)))),
      h("td", { class: "cell-actions" }, h("button", { type: "button", class: "small", "aria-label": `${t("privacy.open")}: ${dayAndTime(item.started_at)}`, on: { click: () => showRun(item) } }, t("privacy.open")))))));
}

function sum(report, name) {
  if (name === "rows" && report.counts) return report.counts.detections + report.counts.corrections;
  return Object.values(report.classes ?? {}).reduce((total, one) => total + (one[name] ?? 0), 0);
}

function showRun(run) {
  openDialog(t(run.dry_run ? "privacy.run.dry.title" : "privacy.run.title"), () => {
    const classes = Object.entries(run.report.classes ?? {}).filter(([, one]) => one.rows || one.images || one.held);
    const { orphans, missing, errors } = run.report;
    return [
      run.message && h("p", { class: "form-error" }, run.message),
      run.state === "running" && h("p", {}, t("privacy.run.goes.on")),
      classes.length > 0
        ? plainTable(t("privacy.run.title"), [t("privacy.class"), t("privacy.rows"), t("privacy.pictures"), t("privacy.megabytes"), t("privacy.kept.back")],
          classes.map(([name, one]) => h("tr", {}, h("td", {}, maybe(`class.${name}`, name)),
            h("td", {}, number(one.rows ?? 0)), h("td", {}, number(one.images ?? 0)), h("td", {}, number((one.bytes ?? 0) / 1e6, 1)), h("td", {}, number(one.held ?? 0)))))
        : h("p", {}, t("privacy.run.nothing")),
      orphans > 0 && h("p", {}, plural("privacy.orphans", orphans)),
      missing > 0 && h("p", {}, plural("privacy.missing", missing)),
      errors && h("p", { class: "form-error" }, plural("privacy.errors", errors.count)),
    ];
  }, { wide: true });
}

/** One person's data: what is stored on a plate, as a file; and its erasure. */
function subjectPart(world) {
  const plate = h("input", { id: "subject-plate", name: "plate", required: true, maxlength: 16, class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "characters" });
  const reason = h("input", { id: "subject-reason", name: "reason", required: true, minlength: 3, maxlength: 500, autocomplete: "off" });
  const fault = h("p", { class: "form-error", role: "alert", hidden: true });
  const result = h("div", { class: "privacy-result", role: "status" });
  const possible = h("input", { id: "subject-possible", type: "checkbox" });
  const form = h("form", { class: "search-form subject-form" }, field(t("plate"), plate), field(t("privacy.reason"), reason, null, "wide"),
    h("label", { class: "check-inline", for: possible.id }, possible, t("privacy.possible")),
    h("div", { class: "search-buttons" }, h("button", { type: "submit", class: "primary" }, t("privacy.report")),
      h("button", { type: "button", class: "danger", on: { click: () => act(erase) } }, t("privacy.erase"))));

  async function act(work) {
    if (!form.reportValidity()) return;
    clearErrors(form, fault);
    fill(result);
    try {
      await work({ plate: plate.value, reason: reason.value });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The case that holds it is in the answer's own words.
      if (error.code === "conflict") showErrors(form, new ApiError(error.status, "", error.message), fault);
      else showErrors(form, error, fault);
    }
  }

  async function report(body) {
    const found = await ask("POST", "/api/privacy/report", { body });
    const link = h("a", { class: "button", download: `${found.plates[0]}.json`, href: URL.createObjectURL(new Blob([JSON.stringify(found, null, 2)], { type: "application/json" })) }, t("privacy.report.save"));
    fill(result, h("p", {}, h("strong", { translate: "no" }, found.plates.join(" / "))), counts({
      detections: found.detections.length, pictures: found.pictures.length, corrections: found.corrections.length,
      lookups: found.lookups.length, holds: found.holds.length, possible: found.possible.length,
    }), found.possible.length > 0 && h("div", {}, h("p", { class: "help" }, t("privacy.possible.help")), possibleList(found.possible, world)),
    h("p", {}, link), h("p", { class: "help" }, t("privacy.report.zip")));
  }

  async function erase(asked) {
    const body = { ...asked, possible: possible.checked };
    const seen = await ask("POST", "/api/privacy/erase", { body: { ...body, dry_run: true } });
    const text = t("privacy.erase.text", { plates: seen.plates.join(" / "), passages: number(seen.counts.detections), pictures: number(seen.counts.pictures) });
    if (!(await confirmed(t("privacy.erase"), text, t("privacy.erase")))) return;
    const done = await ask("POST", "/api/privacy/erase", { body });
    const left = Object.values(done.remaining).reduce((total, one) => total + one, 0);
    fill(result, h("p", {}, t("privacy.erased", { plates: done.plates.join(" / ") })), counts({
      detections: done.counts.detections, pictures: done.counts.pictures, corrections: done.counts.corrections,
      possible: done.counts.possible ?? 0,
    }), done.possible > 0 && h("p", { class: "help" }, plural("privacy.possible.left", done.possible)), left > 0 && h("p", { class: "form-error" }, plural("privacy.left", left)),
      h("p", {}, t("privacy.proof"), " ", h("code", {}, done.proof_sha256)));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(report);
  });
  const element = h("section", { class: "privacy-part" }, h("h2", {}, t("privacy.subject")), h("p", { class: "muted intro" }, t("privacy.subject.intro")), form, fault, result);
  setText(fault, "");
  return element;
}

/** Passages that may be of the plate: when, how likely, each to be opened and looked at. */
function possibleList(items, world) {
  return h("ul", {}, items.slice(0, MOST_POSSIBLE).map((item) => h("li", {}, dayAndTime(item.started_at), " ",
    h("span", { class: "muted" }, t("privacy.possible.facts", { percent: percent(item.probability), read: item.read ?? "-" })), " ",
    h("button", { type: "button", class: "small", on: { click: () => openDetection(item.id, world) } }, t("privacy.open")))));
}

function counts(values) {
  return h("dl", { class: "facts" }, Object.entries(values).map(([name, value]) => [h("dt", {}, t(`subject.${name}`)), h("dd", {}, number(value))]));
}
