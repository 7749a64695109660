// Cameras from a CSV file: what would happen, what happened, and what is wrong line by line.

import { ApiError, ask, onceKey, queryOf } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog } from "../dialog.js";
import { fill, h } from "../dom.js";
import { field, finding, sentence } from "../errors.js";
import { number, plural, t } from "../i18n.js";

const EXAMPLE = "name,rtsp_url,location,tags,schedule\n"
  + 'Praça Central 1,rtsp://user:password@10.0.0.7:554/stream1,Praça Central,centro|norte,"mon-fri 06:00-22:00; sat 08:00-12:00"\n';

export function openImport() {
  openDialog(t("camera.import"), (close) => {
    const file = h("input", { id: "csv-file", name: "file", type: "file", accept: ".csv,text/csv", required: true });
    const mode = h("select", { id: "csv-mode", name: "mode" }, ["all", "valid"].map((kind) => h("option", { value: kind }, t(`import.mode.${kind}`))));
    const made = h("input", { id: "csv-groups", type: "checkbox" });
    const upsert = h("input", { id: "csv-upsert", type: "checkbox" });
    const dry = h("input", { id: "csv-dry", type: "checkbox", checked: true });
    const report = h("div", { class: "report", role: "status" });
    const button = h("button", { class: "primary", type: "submit" });
    const label = () => { button.textContent = t(dry.checked ? "import.try" : "import.button"); };
    dry.addEventListener("change", label);
    label();
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      fill(report, h("p", { class: "muted" }, t("loading")));
      fill(report, await send(file.files[0], { mode: mode.value, dry_run: dry.checked, create_groups: made.checked, upsert: upsert.checked }));
      button.disabled = false;
      if (!dry.checked) await cameras.load();
    };
    return h("form", { class: "import-form", on: { submit } },
      h("p", {}, t("import.intro")), h("pre", { class: "example", translate: "no" }, EXAMPLE),
      field(t("import.file"), file), field(t("import.mode"), mode),
      h("div", { class: "field check" }, h("label", { for: made.id }, made, t("import.groups.create"))),
      h("div", { class: "field check" }, h("label", { for: upsert.id }, upsert, t("import.upsert")), h("p", { class: "help" }, t("import.upsert.help"))),
      h("div", { class: "field check" }, h("label", { for: dry.id }, dry, t("import.dry"))),
      report,
      h("div", { class: "actions" }, h("button", { type: "button", on: { click: close } }, t("close")), button));
  }, { wide: true });
}

async function send(file, how) {
  const form = new FormData();
  form.append("file", file);
  try {
    const path = `/api/cameras/import${queryOf(how)}`;
    return reportOf(await ask("POST", path, { form, once: how.dry_run ? undefined : onceKey() }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A file that was refused for its lines brings the report with the refusal.
    if (Array.isArray(error.details.errors)) return reportOf(error.details);
    return h("p", { class: "form-error", role: "alert" }, error.code === "invalid_input" ? error.message : sentence(error));
  }
}

function reportOf(report) {
  const count = (action) => report.cameras.filter((line) => line.action === action).length;
  const words = t(report.dry_run ? "import.would" : "import.did", {
    kept: number(count("create")), changed: number(count("update")), lines: number(report.lines),
    wrong: number(new Set(report.errors.map(({ line }) => line)).size),
  });
  return [
    h("p", { class: report.errors.length ? "fair-text" : "good-text" }, h("strong", {}, words)),
    report.groups.length > 0 && h("p", {}, t(report.dry_run ? "import.groups.would" : "import.groups.did", { names: report.groups.join(", ") })),
    report.errors.length > 0 && h("table", { class: "plain" },
      h("caption", {}, plural("import.faults", report.errors.length)),
      head(t("import.line"), t("import.column"), t("import.reason")),
      h("tbody", {}, report.errors.map(({ line, field: column, reason }) =>
        h("tr", {}, h("td", {}, number(line)), h("td", { class: "mono" }, column), h("td", {}, finding(reason)))))),
    report.cameras.length > 0 && h("details", { open: report.dry_run }, h("summary", {}, plural("import.cameras", report.cameras.length)),
      h("table", { class: "plain" }, head(t("import.line"), t("camera"), t("import.what")),
        h("tbody", {}, report.cameras.map((line) => h("tr", { data: { line: line.line } },
          h("td", {}, number(line.line)), h("td", {}, `${line.name} `, h("code", {}, line.id)),
          h("td", {}, t(`import.action.${line.action}`), line.fields.length > 0 && ` ${line.fields.join(", ")}`)))))),
  ];
}

function head(...names) {
  return h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));
}
