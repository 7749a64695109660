"""Stored pictures through another reader."""
