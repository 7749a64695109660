// A camera's state in colour, shape and words.

import { h } from "../dom.js";
import { maybe, t } from "../i18n.js";

export function stateBadge(state) {
  return h("span", { class: `state ${state}` }, h("span", { class: `state-mark ${state}`, "aria-hidden": "true" }), t(`state.${state}`));
}

/** Why a camera is in its state, in the reader's words where the dictionary has the reason's code. */
export function reasonOf(camera) {
  const { reason, reason_code: code } = camera.status ?? {};
  return code ? maybe(`reason.${code}`, reason) : reason ?? "";
}

/** What to do about it; empty where nothing is to be done. */
export function mendOf(camera) {
  const { mend, reason_code: code } = camera.status ?? {};
  return code ? maybe(`mend.${code}`, mend) : "";
}

/** What is wrong with what is read of it, and what to do: beside its state, since it may be online all the same. */
export function readingFaults(camera) {
  return (camera.reading ?? []).flatMap(({ code, mend }) => [
    h("span", { class: "why" }, maybe(`fault.${code}`, code)), h("span", { class: "mend muted" }, maybe(`remedy.${code}`, mend)),
  ]);
}
