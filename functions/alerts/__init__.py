"""Hotlists, what matches them, and what was done about it."""
