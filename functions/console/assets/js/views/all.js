// Every view by the name in the address, and under which page of the navigation it stands.

import { alertsView } from "./alerts.js";
import { auditView } from "./audit.js";
import { camerasView } from "./cameras.js";
import { groupsView } from "./groups.js";
import { hotlistsView } from "./hotlists.js";
import { privacyView } from "./privacy.js";
import { keysView } from "./keys.js";
import { liveView } from "./live.js";
import { peopleView } from "./people.js";
import { webhooksView } from "./webhooks.js";
import { routeView } from "./route.js";
import { searchView } from "./search.js";
import { statsView } from "./stats.js";

export const VIEWS = {
  live: liveView,
  search: searchView,
  route: routeView,
  stats: statsView,
  cameras: camerasView,
  groups: groupsView,
  alerts: alertsView,
  hotlists: hotlistsView,
  webhooks: webhooksView,
  privacy: privacyView,
  audit: auditView,
  people: peopleView,
  keys: keysView,
};

/** What is a page of another one. */
export const PAGE_OF = {
  route: "search",
  groups: "cameras",
  audit: "privacy",
  keys: "people",
};
