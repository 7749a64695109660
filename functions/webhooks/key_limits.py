"""What an API key made is sent what that key may read now, and ends when the key does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from functions.shared.event_permissions import may_read, needed
from functions.shared.tables import Webhook
from functions.webhooks.payload import event_types
from functions.webhooks.repository import KeyNow

# Why an endpoint is disabled: its key was revoked, has expired or is gone; or lost a permission or a group.
End = Literal["key_over", "key_narrowed"]


def end_of(hook: Webhook, keys: Mapping[str, KeyNow]) -> End | None:
    """Why an endpoint must be disabled, or None. `keys`: the keys that hold, by id; one that is not there is over."""
    if hook.key_id is None:
        return None
    key = keys.get(hook.key_id)
    if key is None:
        return "key_over"
    if key.groups is not None and (hook.bound_to is None or not key.groups.issuperset(hook.bound_to)):
        return "key_narrowed"
    permissions = {needed(name) for name in hook.event_types or event_types()} - {None}
    return None if permissions <= key.permissions else "key_narrowed"


def may_send(hook: Webhook, keys: Mapping[str, KeyNow], event_type: str) -> bool:
    """Whether the key that an endpoint answers to, if any, may read events of a type now."""
    if hook.key_id is None:
        return True
    return end_of(hook, keys) is None and may_read(keys[hook.key_id].permissions, event_type)
