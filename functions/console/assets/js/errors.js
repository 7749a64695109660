// What the API answered, in the reader's words.

import { h } from "./dom.js";
import { maybe, t } from "./i18n.js";

/** One sentence for an ApiError. */
export function sentence(error) {
  if (error.code === "throttled" && error.details.retry_after) {
    return t("error.throttled.for", { seconds: Math.ceil(error.details.retry_after) });
  }
  return maybe(`error.${error.code}`, error.message);
}

/** What a camera's stream refused, by its short word where the dictionary has it, and what to do about it. */
export function cameraWords(error) {
  const { mend, reason } = error.details;
  if (!reason) return [sentence(error)];
  return [maybe(`reason.${reason}`, error.message), maybe(`mend.${reason}`, mend)].filter(Boolean);
}

// What the functions say of inputs, in their own English, and the key of the reader's words for it.
const FINDINGS = [
  [/^Field required$|must not be empty|is empty$/, "finding.required"],
  [/must begin with rtsp/, "finding.scheme"],
  [/has no host|host that has no address|host or port that cannot be read/, "finding.host"],
  [/networks in which cameras may be|no camera may be/, "finding.network"],
  [/holds a space or a character/, "finding.characters"],
  [/must be https:/, "finding.hook.https"],
  [/GTV_WEBHOOK_ALLOWED_NETWORKS/, "finding.hook.network"],
  [/url: (is no address|must begin with https|must not hold|ports run|at the most)/, "finding.hook.url"],
  [/lies after to/, "finding.order"],
  [/search by plate needs one/, "finding.reason"],
  [/more than \d+ days before to/, "finding.span"],
  [/need match=wildcard/, "finding.wildcard"],
  [/holds only letters A-Z|is over \d+ characters/, "finding.plate"],
  [/there is no group/, "finding.group"],
  [/for some groups only/, "finding.owngroup"],
  [/this machine itself/, "finding.loopback"],
  [/is no network, range or address/, "finding.range"],
  [/more than \d+ addresses/, "finding.manyaddresses"],
  [/is on the internet/, "finding.internet"],
  [/start and end are the same/, "hours.same"],
  [/should have at least 1 item/, "hours.noday"],
  [/should match pattern '\^\[a-z0-9\]\[a-z0-9\._-\]/, "finding.username"],
  [/there is a user .* already/, "finding.username.taken"],
  [/last active admin/, "finding.lastadmin"],
  [/crosses itself/, "zones.crosses"],
  [/same corner twice/, "zones.twice"],
  [/has no area/, "zones.area"],
  [/it takes \d+ to \d+/, "finding.password.length"],
  [/has only digits|is a common one|repeats the same|contains the user name|is easy to guess/, "finding.password.weak"],
  [/current password is wrong/, "finding.password.wrong"],
  [/new password is the old one/, "finding.password.same"],
];

/** A finding in the reader's words where they are known, else as the API said it. */
export function finding(reason) {
  const known = FINDINGS.find(([pattern]) => pattern.test(reason));
  return known ? t(known[1]) : reason;
}

/** Show each finding beside its input, the rest in `summary`; the first wrong input gets the focus. */
export function showErrors(form, error, summary) {
  clearErrors(form, summary);
  const loose = [];
  let first = null;
  for (const { field, reason } of error.fields) {
    if (field === "If-Match") {
      loose.push(sentence(error));
      continue;
    }
    const input = form.elements.namedItem(field.split(".").at(-1));
    if (!(input instanceof HTMLElement)) {
      // What was changed meanwhile is no input of the form.
      loose.push(field === "If-Match" ? sentence(error) : `${field}: ${finding(reason)}`);
      continue;
    }
    first ??= input;
    showError(input, finding(reason));
  }
  if (first) first.focus();
  const rest = error.fields.length === 0 ? [sentence(error)] : loose;
  summary.textContent = rest.join(" · ");
  summary.hidden = rest.length === 0;
}

export function showError(input, text) {
  input.setAttribute("aria-invalid", "true");
  const note = h("p", { class: "field-error", id: `${input.id}-error` }, text);
  input.setAttribute("aria-describedby", note.id);
  input.closest(".field")?.append(note);
}

export function clearErrors(form, summary) {
  for (const note of form.querySelectorAll(".field-error")) note.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  summary.textContent = "";
  summary.hidden = true;
}

/** A labelled input; `help` explains it below. */
export function field(label, input, help, kind = "") {
  return h("div", { class: `field ${kind}` }, h("label", { for: input.id }, label), input, help && h("p", { class: "help" }, help));
}
