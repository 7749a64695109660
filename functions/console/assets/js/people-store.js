// The users as the server tells them; asked for where they are shown.

import { Register } from "./register.js";

export const users = new Register("/api/auth/users");
