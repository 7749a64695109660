"""What an API key needs to be told of an event by a webhook or the live feed: the permission by which it might read
the same by itself. Pure."""

from __future__ import annotations

from collections.abc import Set

# By the beginning of a type. What is not here (a webhook's own end, a test) is told to whoever may keep webhooks.
NEEDS = {
    "gtv.detection.": "detections:read",
    "gtv.alert.": "alerts:read",
    "gtv.camera.": "cameras:read",
    "gtv.storage.": "status:read",
}
# Told to admins, who watch people by it: that is for no key, whatever its permissions.
FOR_PEOPLE = "gtv.privacy."


def needed(event_type: str) -> str | None:
    """The permission that a key needs for events of a type; None: none."""
    return next((permission for begin, permission in NEEDS.items() if event_type.startswith(begin)), None)


def may_read(permissions: Set[str] | None, event_type: str) -> bool:
    """Whether a key with these permissions may have events of a type (None: a person, whose role decides)."""
    return permissions is None or not event_type.startswith(hidden(permissions))


def hidden(permissions: Set[str] | None) -> tuple[str, ...]:
    """The beginnings of the types that a key with these permissions may not have; none for a person."""
    if permissions is None:
        return ()
    return (FOR_PEOPLE, *(begin for begin, permission in NEEDS.items() if permission not in permissions))
