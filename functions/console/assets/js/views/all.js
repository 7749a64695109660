// Every view by the name in the address, and under which page of the navigation it stands.

import { auditView } from "./audit.js";
import { camerasView } from "./cameras.js";
import { groupsView } from "./groups.js";
import { keysView } from "./keys.js";
import { liveView } from "./live.js";
import { privacyView } from "./privacy.js";
import { peopleView } from "./people.js";
import { searchView } from "./search.js";

export const VIEWS = {
  live: liveView,
  search: searchView,
  cameras: camerasView,
  groups: groupsView,
  privacy: privacyView,
  audit: auditView,
  people: peopleView,
  keys: keysView,
};

/** What is a page of another one. */
export const PAGE_OF = {
  groups: "cameras",
  audit: "privacy",
  keys: "people",
};
