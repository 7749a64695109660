// Every view by the name in the address, and under which page of the navigation it stands.

import { camerasView } from "./cameras.js";
import { groupsView } from "./groups.js";
import { keysView } from "./keys.js";
import { liveView } from "./live.js";
import { peopleView } from "./people.js";
import { searchView } from "./search.js";

export const VIEWS = {
  live: liveView,
  search: searchView,
  cameras: camerasView,
  groups: groupsView,
  people: peopleView,
  keys: keysView,
};

/** What is a page of another one. */
export const PAGE_OF = {
  groups: "cameras",
  keys: "people",
};
