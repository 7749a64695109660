// Every view by the name in the address, and under which page of the navigation it stands.

import { camerasView } from "./cameras.js";
import { groupsView } from "./groups.js";
import { liveView } from "./live.js";
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
};

/** What is a page of another one. */
export const PAGE_OF = {
  route: "search",
  groups: "cameras",
};
