"""Frames that arrive by HTTP."""
