"""Tests that drive the whole stack or a browser."""
