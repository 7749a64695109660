"""What a Triton server says when it fails, in short stable words."""

from __future__ import annotations

# What a server says that has too much to do; it lives.
_BUSY = ("exceeds maximum queue size", "request timeout expired")
_AWAY = ("failed to connect", "connection refused", "socket closed", "goaway", "broken pipe", "connection reset")
_NO_MODEL = ("unknown model", "is not found", "not ready", "has no available versions", "is unloading")


def kind_of(status: str, message: str) -> str:
    """One of: busy, dead_process, timeout, server_away, no_model, error."""
    text = message.lower()
    if any(word in text for word in _BUSY):
        return "busy"
    if "is not healthy" in text:
        return "dead_process"
    if "DEADLINE_EXCEEDED" in status:
        return "timeout"
    if "UNAVAILABLE" in status and any(word in text for word in _AWAY):
        return "server_away"
    return "no_model" if any(word in text for word in _NO_MODEL) else "error"
