// Looking for cameras in the network: who answers, which streams they have, and adding one by one click.

import { ApiError, ask, onceKey } from "../api.js";
import { cameras } from "../cameras-store.js";
import { openDialog, toast } from "../dialog.js";
import { fill, h, uid } from "../dom.js";
import { clearErrors, field, sentence, showErrors } from "../errors.js";
import { maybe, number, plural, t } from "../i18n.js";
import { streamWords } from "./camera-form.js";

export function openFind() {
  openDialog(t("find"), () => new Find().element, { wide: true });
}

class Find {
  #fault = h("p", { class: "form-error", role: "alert", hidden: true });
  #found = h("div", { class: "found", role: "status" });
  #multicast = h("input", { type: "checkbox", id: "find-multicast", checked: true });
  #ranges = h("textarea", { id: "find-ranges", name: "ranges", rows: 2, spellcheck: "false", placeholder: "10.20.0.0/24\n10.20.1.10-10.20.1.60" });
  #user = h("input", { id: "find-user", name: "user", autocomplete: "off", maxlength: 128 });
  #password = h("input", { id: "find-password", name: "password", type: "password", autocomplete: "new-password", maxlength: 256 });

  constructor() {
    this.element = h("form", { class: "find-form", on: { submit: (event) => this.#search(event) } },
      h("p", {}, t("find.intro")),
      h("div", { class: "two" },
        h("div", { class: "field" }, h("label", { for: this.#ranges.id }, t("find.ranges")), this.#ranges, h("p", { class: "help" }, t("find.ranges.help"))),
        h("div", { class: "field" },
          field(t("find.user"), this.#user), field(t("find.password"), this.#password, t("find.login.help")))),
      h("div", { class: "field check" }, h("label", { for: this.#multicast.id }, this.#multicast, t("find.multicast"))),
      this.#fault,
      h("div", { class: "actions" }, this.#byAddress(), h("button", { class: "primary", type: "submit" }, t("find.search"))),
      this.#found);
  }

  /** A device whose address is known needs no search. */
  #byAddress() {
    const host = h("input", { id: "find-host", "aria-label": t("find.host"), placeholder: "10.20.0.7:80", autocomplete: "off" });
    const go = () => {
      const [, name, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(host.value.trim());
      if (name) fill(this.#found, this.#device({ host: name, onvif_port: Number(port ?? 80), rtsp_port: null, name: "", hardware: "", camera_ids: [] }, true));
    };
    host.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      go();
    });
    return h("div", { class: "joined find-host" }, host, h("button", { type: "button", on: { click: go } }, t("find.ask")));
  }

  async #search(event) {
    event.preventDefault();
    clearErrors(this.element, this.#fault);
    const button = event.submitter;
    if (button) button.disabled = true;
    fill(this.#found, h("p", { class: "muted" }, t("find.searching")));
    const ranges = this.#ranges.value.split(/[\s,;]+/).filter(Boolean);
    try {
      const found = await ask("POST", "/api/cameras/discover", { body: { multicast: this.#multicast.checked, ranges } });
      this.#show(found);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(this.#found);
      showErrors(this.element, error, this.#fault);
    } finally {
      if (button) button.disabled = false;
    }
  }

  #show({ items, seconds }) {
    if (items.length === 0) {
      fill(this.#found, h("p", { class: "fair-text" }, h("strong", {}, t("find.nothing"))), h("p", { class: "help" }, t("find.nothing.how")));
      return;
    }
    fill(this.#found, h("p", {}, h("strong", {}, plural("find.count", items.length)), " ", h("span", { class: "muted" }, t("find.took", { seconds: number(seconds) }))),
      items.map((item) => this.#device(item, false)));
  }

  /** One device: what it says of itself, and once it was asked its streams. */
  #device(item, asked) {
    const streams = h("div", { class: "streams" });
    const button = h("button", { type: "button", class: "small", "aria-label": `${t("find.ask")}: ${item.host}` }, t("find.ask"));
    const look = () => this.#ask(item, button, streams);
    button.addEventListener("click", look);
    const known = item.camera_ids.map((id) => cameras.name(id)).join(", ");
    const ports = [item.onvif_port && `ONVIF ${item.onvif_port}`, item.rtsp_port && `RTSP ${item.rtsp_port}`].filter(Boolean).join(" · ");
    const element = h("section", { class: "device", data: { host: item.host } },
      h("div", { class: "device-head" },
        h("div", {}, h("strong", {}, item.name || item.hardware || item.host), (item.name || item.hardware) && h("code", {}, item.host), h("span", { class: "muted" }, ports),
          item.hardware && item.name && h("span", { class: "muted" }, item.hardware), known && h("span", { class: "good-text" }, t("find.known", { names: known }))),
        item.onvif_port && button),
      !item.onvif_port && h("p", { class: "help" }, t("find.noonvif")),
      streams);
    if (asked) look();
    return element;
  }

  async #ask(item, button, streams) {
    button.disabled = true;
    fill(streams, h("p", { class: "muted" }, t("find.asking")));
    try {
      const body = { host: item.host, port: item.onvif_port, user: this.#user.value.trim(), password: this.#password.value };
      const device = await ask("POST", "/api/cameras/onvif/probe", { body });
      fill(streams, this.#facts(device), device.profiles.map((profile) => this.#profile(item, device, profile)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { reason } = error.details;
      const words = reason ? [maybe(`onvif.${reason}`, error.message)] : error.fields.length ? [error.fields[0].reason] : [sentence(error)];
      fill(streams, h("p", { class: "probe-result bad" }, words));
    } finally {
      button.disabled = false;
    }
  }

  #facts({ manufacturer, model, firmware, clock_offset_s: offset }) {
    const off = offset !== null && Math.abs(offset) > 5;
    return [
      h("p", { class: "muted" }, [manufacturer, model, firmware].filter(Boolean).join(" · ")),
      off && h("p", { class: "fair-text" }, t("find.clock", { seconds: number(Math.round(offset)) })),
    ];
  }

  #profile(item, device, profile) {
    const words = h("span", {}, h("strong", {}, profile.name || profile.token), " ", streamWords(profile));
    if (!profile.stream_url) return h("div", { class: "stream" }, words, h("span", { class: "muted" }, t("find.nostream")));
    const once = onceKey();
    const add = h("button", { type: "button", class: "small primary", "aria-label": `${t("find.add")}: ${profile.name || profile.token}` }, t("find.add"));
    const note = h("p", { class: "field-error", role: "alert", hidden: true });
    add.addEventListener("click", async () => {
      add.disabled = true;
      note.hidden = true;
      const name = item.name || `${device.model || device.manufacturer || t("camera")} ${item.host}`;
      const body = {
        name: name.slice(0, 120), rtsp_url: this.#address(profile.stream_url), vendor: device.manufacturer.slice(0, 80) || null, model: device.model.slice(0, 80) || null,
      };
      try {
        const made = await ask("POST", "/api/cameras", { body, once });
        fill(add, t("find.added"));
        toast(t("camera.added", { name: made.name }));
        await cameras.load();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        add.disabled = false;
        note.textContent = error.fields[0]?.reason ?? sentence(error);
        note.hidden = false;
      }
    });
    return h("div", { class: "stream field" }, words, h("code", {}, profile.stream_url), add, note);
  }

  /** The stream's address with the login that was typed in: what the server gave holds none. */
  #address(url) {
    const [user, password] = [this.#user.value.trim(), this.#password.value].map(encodeURIComponent);
    const whole = url.replaceAll("{password}", password);
    return user ? whole.replace("://", `://${user}${password ? `:${password}` : ""}@`) : whole;
  }
}

/** Every camera as a file: the session is renewed before, since a link cannot do that by itself. */
export async function exportCameras() {
  try {
    await ask("GET", "/api/auth/me");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(sentence(error), "bad");
    return;
  }
  const separator = document.documentElement.lang === "pt-BR" ? "semicolon" : "comma";
  const link = h("a", { href: `/api/cameras/export.csv?separator=${separator}`, download: "cameras.csv", id: uid("export"), hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}
