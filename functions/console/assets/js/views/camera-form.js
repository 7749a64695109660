// The form of a camera, with a look at its stream before it is kept.

import { ApiError, ask, onceKey } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, setText } from "../dom.js";
import { cameraWords, clearErrors, field, finding, showError, showErrors } from "../errors.js";
import { FORMATS, groups } from "../groups-store.js";
import { number, t } from "../i18n.js";
import { factFields, hoursEditor, tagsOf } from "./camera-facts.js";
import { ZoneEditor } from "./zones.js";

const CODECS = { h264: "H.264", hevc: "H.265", h265: "H.265", mpeg4: "MPEG-4", mjpeg: "MJPEG" };

/** "H.264 · 1920 × 1080 · 25 fps" of a probe or a status. */
export function streamWords({ codec, width, height, fps }) {
  const size = width && height ? `${width} × ${height}` : null;
  return [CODECS[codec] ?? codec?.toUpperCase(), size, fps && t("fps", { fps: number(fps, 1) })].filter(Boolean).join(" · ");
}

const NUMBERS = ["sample_fps", "motion_threshold", "min_confidence", "min_plate_height", "jpeg_quality", "max_side", "latitude", "longitude", "heading", "retention_days"];
const TEXTS = ["name", "location", "vendor", "model", "notes"];

/** Opens the form for a new camera (null) or to change one. */
export function openCameraForm(camera) {
  const title = camera ? t("camera.edit.title", { name: camera.name }) : t("camera.add");
  openDialog(title, (close) => new CameraForm(camera, close).element, { wide: camera !== null });
}

class CameraForm {
  #camera;
  #close;
  #once = onceKey();
  #fault = h("p", { class: "form-error", role: "alert", hidden: true });
  #probed = h("p", { class: "probe-result", role: "status", hidden: true });
  #zones;
  #hours;

  constructor(camera, close) {
    this.#camera = camera;
    this.#close = close;
    this.#zones = camera ? new ZoneEditor(camera) : null;
    this.#hours = hoursEditor(camera?.schedule);
    this.element = this.#form();
  }

  #input(name, props = {}) {
    const value = this.#camera?.[name] ?? props.value;
    return h("input", { ...props, id: `f-${name}`, name, value: value ?? undefined });
  }

  #form() {
    const changing = this.#camera !== null;
    const address = h("input", {
      id: "f-rtsp_url", name: "rtsp_url", required: !changing, autocomplete: "off", spellcheck: "false", autocapitalize: "none",
      inputmode: "url", placeholder: changing ? t("form.url.kept") : "rtsp://user:password@10.0.0.7:554/stream1",
    });
    const probe = h("button", { type: "button", on: { click: () => this.#probe(probe) } }, t("camera.probe"));
    const gate = h("input", { type: "checkbox", id: "f-motion_gate", name: "motion_gate", checked: this.#camera?.motion_gate ?? true });
    return h("form", { class: "camera-form", on: { submit: (event) => this.#submit(event) } },
      field(t("form.name"), this.#input("name", { required: true, maxlength: 120, autocomplete: "off" })),
      h("div", { class: "field" },
        h("label", { for: address.id }, t("form.url")),
        h("div", { class: "joined" }, address, probe),
        h("p", { class: "help" }, t(changing ? "form.url.help.kept" : "form.url.help"))),
      this.#probed,
      field(t("form.location"), this.#input("location", { maxlength: 200 })),
      h("div", { class: "two" },
        field(t("form.fps"), this.#input("sample_fps", { type: "number", min: 0.1, max: 60, step: "any", value: 1, required: true }), t("form.fps.help")),
        h("div", { class: "field check" }, h("label", { for: gate.id }, gate, t("form.gate")), h("p", { class: "help" }, t("form.gate.help")))),
      this.#reading(),
      h("details", { class: "more facts-part" }, h("summary", {}, t("form.facts")), factFields(this.#camera, (name, props) => this.#input(name, props))),
      this.#more(changing), this.#fault,
      h("div", { class: "actions" },
        h("button", { type: "button", on: { click: this.#close } }, t("cancel")),
        h("button", { class: "primary", type: "submit" }, t("save"))));
  }

  /** What shall be read: which formats, how high, and where. */
  #reading() {
    const height = this.#input("min_plate_height", { type: "number", min: 8, max: 200 });
    const sample = () => this.#zones?.sample(height.validity.valid && height.value !== "" ? height.valueAsNumber : null);
    height.addEventListener("input", sample);
    sample();
    return [
      h("div", { class: "two" }, this.#group(), field(t("form.height"), height, t(this.#zones ? "form.height.help.shown" : "form.height.help"))),
      this.#zones === null ? h("p", { class: "help" }, t("zones.later"))
        : h("details", { class: "more areas", open: true }, h("summary", {}, t("zones")), this.#zones.element),
    ];
  }

  #group() {
    const select = h("select", { id: "f-group_id", name: "group_id" });
    const help = h("p", { class: "help" });
    const words = () => setText(help, (groups.get(select.value)?.plate_formats ?? (select.value ? [] : FORMATS.slice(0, 2)))
      .map((format) => t(`format.${format}`)).join(" · "));
    const offer = () => {
      const chosen = select.options.length > 0 ? select.value : this.#camera?.group_id ?? "";
      const known = groups.list.map(({ id, name }) => [id, name]);
      // The camera's own group is offered even while the list is not there.
      if (chosen && !groups.get(chosen)) known.push([chosen, chosen]);
      fill(select, [["", t("form.group.none")], ...known].map(([value, name]) => h("option", { value, selected: value === chosen }, name)));
      words();
    };
    select.addEventListener("change", words);
    offer();
    groups.load().then(offer);
    return h("div", { class: "field" }, h("label", { for: select.id }, t("form.group")), select, help);
  }

  #more(changing) {
    const notes = h("textarea", { id: "f-notes", name: "notes", rows: 2, maxlength: 4000 }, this.#camera?.notes ?? "");
    const any = { type: "number", step: "any" };
    return h("details", { class: "more" }, h("summary", {}, t("form.more")),
      !changing && field(t("form.id"), this.#input("id", { pattern: "[a-z0-9][a-z0-9_\\-]{0,62}", autocomplete: "off", autocapitalize: "none" }), t("form.id.help")),
      h("div", { class: "two" },
        field(t("form.threshold"), this.#input("motion_threshold", { ...any, min: 0, max: 1, value: 0.0015, required: true }), t("form.threshold.help")),
        field(t("form.confidence"), this.#input("min_confidence", { ...any, min: 0, max: 1 }), t("form.confidence.help")),
        field(t("form.quality"), this.#input("jpeg_quality", { type: "number", min: 40, max: 100 }), t("form.default")),
        field(t("form.side"), this.#input("max_side", { type: "number", min: 320, max: 7680 }), t("form.default")),
        field(t("form.retention"), this.#input("retention_days", { type: "number", min: 1, max: 3650 }), t("form.retention.help"))),
      this.#hours.element, field(t("form.notes"), notes));
  }

  /** The inputs as the API takes them: what is empty is null, and an address that is not given stays as it is. */
  #body() {
    const input = (name) => this.element.elements.namedItem(name);
    const body = { motion_gate: input("motion_gate").checked, group_id: input("group_id").value || null };
    for (const name of TEXTS) body[name] = input(name).value.trim() || null;
    for (const name of NUMBERS) body[name] = input(name).value === "" ? null : Number(input(name).value);
    body.tags = tagsOf(input("tags"));
    body.schedule = this.#hours.value();
    if (input("rtsp_url").value.trim()) body.rtsp_url = input("rtsp_url").value.trim();
    if (this.#camera === null && input("id").value.trim()) body.id = input("id").value.trim();
    return body;
  }

  async #probe(button) {
    const address = this.element.elements.namedItem("rtsp_url");
    clearErrors(this.element, this.#fault);
    this.#probed.hidden = true;
    if (!address.value.trim() && this.#camera === null) {
      showError(address, t("form.url.missing"));
      address.focus();
      return;
    }
    button.disabled = true;
    button.textContent = t("camera.probing");
    try {
      const found = address.value.trim()
        ? await ask("POST", "/api/cameras/probe", { body: { rtsp_url: address.value.trim() } })
        : await ask("POST", `/api/cameras/${encodeURIComponent(this.#camera.id)}/probe`);
      this.#say("good", [t("probe.good"), h("strong", {}, streamWords(found)), ...(found.warnings ?? [])]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.fields.length) showErrors(this.element, error, this.#fault);
      else {
        const [what, ...mend] = cameraWords(error);
        this.#say("bad", [h("strong", {}, what), ...mend]);
      }
    } finally {
      button.disabled = false;
      button.textContent = t("camera.probe");
    }
  }

  #say(kind, words) {
    this.#probed.className = `probe-result ${kind}`;
    fill(this.#probed, words.filter(Boolean).map((word, place) => [place > 0 && " · ", word]));
    this.#probed.hidden = false;
  }

  async #submit(event) {
    event.preventDefault();
    clearErrors(this.element, this.#fault);
    const areas = this.#zones ? this.#zones.finish() : {};
    if (areas === null) {
      this.#open(".areas");
      return;
    }
    const button = event.submitter;
    if (button) button.disabled = true;
    try {
      const body = { ...this.#body(), ...areas };
      const saved = this.#camera
        ? await ask("PATCH", `/api/cameras/${encodeURIComponent(this.#camera.id)}`, { body, match: this.#camera.revision })
        : await ask("POST", "/api/cameras", { body, once: this.#once });
      this.#close();
      toast(t(this.#camera ? "camera.saved" : "camera.added", { name: saved.name }));
      await cameras.load();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A key stands for one body: what is sent after a correction is another request.
      this.#once = onceKey();
      this.#show(error);
    } finally {
      if (button) button.disabled = false;
    }
  }

  /** A wrong input must be seen, also where its part of the form is folded away. */
  #show(error) {
    for (const part of this.element.querySelectorAll("details")) {
      if (error.fields.some(({ field: name }) => part.querySelector(`[name="${CSS.escape(name)}"]`))) part.open = true;
    }
    const hours = error.fields.find(({ field: name }) => name.startsWith("schedule"));
    if (hours) {
      this.#hours.element.closest("details").open = true;
      this.#hours.complain(finding(hours.reason));
      return;
    }
    const area = error.fields.find(({ field: name }) => /^(regions|ignore_zones)\b/.test(name));
    if (area && this.#zones) {
      const [kind, place] = area.field.split(".");
      this.#open(".areas");
      this.#zones.complain(kind, Number(place ?? Infinity), finding(area.reason));
    } else showErrors(this.element, error, this.#fault);
  }

  #open(part) {
    const details = this.element.querySelector(part);
    details.open = true;
    details.scrollIntoView({ block: "nearest" });
  }
}
