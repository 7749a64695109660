// What stands around every page: navigation, whether it is live, which cameras are down, and the account.

import { ApiError, ask } from "./api.js";
import { accountMenu } from "./views/account.js";
import { h, icon, fill, setText } from "./dom.js";
import { ago, clockTime, plural, t } from "./i18n.js";
import { me } from "./session.js";

const PARTS = ["bus", "database", "capture", "inference", "disk"];
// name, icon, the roles that see it (none given: all)
const PAGES = [
  ["live", "live"],
  ["search", "search"],
  ["stats", "stats"],
  ["cameras", "camera"],
  ["alerts", "bell"],
  ["hotlists", "list"],
  ["webhooks", "send", ["operator", "admin", "integrator"]],
  ["privacy", "shield", ["admin"]],
  ["people", "user", ["admin"]],
];

/** The frame: `element`, `main` for the view, `mark(name)` for the current page, `close()`. */
export function frame(world, { signOut }) {
  const pages = PAGES.filter(([, , roles]) => !roles || roles.includes(me().role));
  const links = new Map(pages.map(([name, picture]) => [
    name, h("a", { href: `#/${name}`, class: "nav-link" }, icon(picture), h("span", {}, t(`nav.${name}`))),
  ]));
  const signal = h("span", { class: "signal connecting", role: "status" });
  const counts = h("a", { class: "counts", href: "#/cameras" });
  const last = h("span", { class: "last-seen" });
  const banner = h("div", { class: "banner", role: "alert", hidden: true });
  const main = h("main", { id: "main", tabindex: "-1" });
  const element = h("div", { class: "frame" },
    h("a", { class: "skip", href: "#main", on: { click: (event) => { event.preventDefault(); main.focus(); } } }, t("skip")),
    h("header", { class: "top" },
      h("span", { class: "brand", translate: "no" }, h("img", { src: "/assets/icon.svg", alt: "", width: 26, height: 26 }), "GT-Vision"),
      h("nav", { "aria-label": t("nav.label") }, [...links.values()]),
      h("div", { class: "vitals" }, signal, counts, last),
      accountMenu(world, signOut)),
    banner, main);
  const closers = [showSignal(world.feed, signal), showCounts(world.cameras, counts), showBadge(world.alerts, links.get("alerts")), showStatus(world, last, banner)];
  return {
    element, main,
    mark(name) {
      for (const [key, link] of links) {
        if (key === name) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
    close: () => closers.forEach((close) => close()),
  };
}

function showSignal(feed, signal) {
  const draw = () => {
    signal.className = `signal ${feed.state}`;
    fill(signal, h("span", { class: "lamp", "aria-hidden": "true" }), t(`feed.${feed.state}`));
    const since = feed.state === "lost" && feed.aliveAt ? t("feed.since", { time: clockTime(feed.aliveAt) }) : "";
    signal.title = since;
  };
  feed.addEventListener("state", draw);
  draw();
  return () => feed.removeEventListener("state", draw);
}

function showCounts(cameras, element) {
  const draw = () => {
    if (!cameras.loaded) {
      fill(element, t("cameras.counting"));
      return;
    }
    const { total, online, offline, degraded, unknown } = cameras.counts;
    if (total === 0) {
      fill(element, t("cameras.none.short"));
      return;
    }
    fill(element,
      h("span", { class: `count ${online > 0 ? "online" : "none"}` }, h("span", { class: "state-mark", "aria-hidden": "true" }), t("counts.online", { online, total })),
      offline > 0 && count("offline", offline), degraded > 0 && count("degraded", degraded),
      unknown > 0 && count("unknown", unknown));
  };
  cameras.addEventListener("change", draw);
  draw();
  return () => cameras.removeEventListener("change", draw);
}

/** How many alerts are open, beside the name of their page. */
function showBadge(alerts, link) {
  const badge = h("span", { class: "badge", hidden: true });
  link.append(badge);
  const draw = () => {
    badge.hidden = alerts.open === 0;
    setText(badge, alerts.open >= 1000 ? "999+" : String(alerts.open));
    badge.setAttribute("aria-label", plural("alert.badge", alerts.open));
  };
  alerts.addEventListener("change", draw);
  draw();
  return () => alerts.removeEventListener("change", draw);
}

function count(state, number) {
  return h("span", { class: `count ${state}` }, h("span", { class: "state-mark", "aria-hidden": "true" }), plural(`counts.${state}`, number));
}

/** Asks for the platform's state now and then, and writes the age of the last detection each second. */
function showStatus({ feed, detections }, last, banner) {
  let closed = false;
  let newest = null;
  let timer = 0;
  const note = (time) => {
    if (time && (newest === null || Date.parse(time) > newest)) newest = Date.parse(time);
  };
  const draw = () => {
    for (const item of detections.list.slice(0, 1)) note(item.ended_at);
    const age = newest === null ? null : (Date.now() + feed.skew - newest) / 1000;
    setText(last, age === null ? t("last.none") : t("last", { ago: ago(age) }));
  };
  const look = async () => {
    clearTimeout(timer);
    try {
      const status = await ask("GET", "/api/status");
      note(status.last_detection_at);
      showParts(banner, status);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 401) showBanner(banner, [t("error.network")]);
    }
    clearTimeout(timer);
    if (!closed) timer = setTimeout(look, 10_000);
  };
  const ticking = setInterval(draw, 1000);
  // A feed that is lost is a reason to look at once what else is.
  feed.addEventListener("state", look);
  look();
  draw();
  return () => {
    closed = true;
    feed.removeEventListener("state", look);
    clearInterval(ticking);
    clearTimeout(timer);
  };
}

function showParts(banner, status) {
  const troubled = PARTS.filter((part) => ["down", "failing"].includes(status[part]?.state));
  showBanner(banner, troubled.map((part) => t(`part.${part}.${status[part].state}`)));
}

function showBanner(banner, lines) {
  const text = lines.join(" ");
  // An alert is read aloud when it changes; the same again would only disturb.
  if (banner.textContent !== text) setText(banner, text);
  banner.hidden = lines.length === 0;
}
