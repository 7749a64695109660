// The groups of cameras as the register tells them; asked for where they are shown.

import { Register } from "./register.js";

/** The formats that a plate may have, in the order of the API; a camera without a group has the first two. */
export const FORMATS = [
  "br_old", "br_mercosul", "ar_old", "ar_mercosul", "ar_moto_mercosul", "uy_mercosul", "py_old", "py_mercosul", "py_moto_mercosul", "any",
];

export const groups = new Register("/api/groups");
