"""Who is asking: users, roles, passwords, tokens and the public keys that verify them."""
