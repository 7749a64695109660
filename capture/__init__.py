"""Cameras to frames: the only long-running room."""
