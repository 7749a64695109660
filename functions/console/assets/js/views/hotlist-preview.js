// What a hotlist would have caught in the past days.

import { ApiError, ask, queryOf } from "../api.js";
import { openDialog } from "../dialog.js";
import { fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { dayAndTime, plural, t } from "../i18n.js";
import { plateElement } from "../plate.js";

export const DAYS = 30;

export function openPreview(list) {
  openDialog(t("hotlist.preview.of", { name: list.name }), () => {
    const found = h("div", { role: "status" }, t("loading"));
    ask("POST", `/api/hotlists/${encodeURIComponent(list.id)}/preview${queryOf({ days: DAYS, limit: 50 })}`).then(
      (answer) => fill(found, caught(answer)),
      (error) => {
        if (!(error instanceof ApiError)) throw error;
        fill(found, h("p", { class: "form-error" }, sentence(error)));
      });
    return found;
  }, { wide: true });
}

export function caught(answer) {
  return [
    h("p", {}, h("strong", {}, plural("hotlist.caught", answer.count, { days: DAYS })), !answer.complete && ` ${t("hotlist.caught.more")}`),
    h("ul", { class: "caught" }, answer.items.map((item) => h("li", {},
      plateElement(item.plate, null, { uncertain: item.uncertain, small: true }),
      h("span", {}, item.camera_name ?? item.camera_id), h("time", { class: "muted", datetime: item.seen_at }, dayAndTime(item.seen_at)),
      item.pattern && item.pattern !== item.plate && h("span", { class: "muted mono" }, item.pattern)))),
  ];
}
