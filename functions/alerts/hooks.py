"""The hook of a list: an address that is sent JSON of the list's own making. Pure.

Address and body are kept encrypted together: pagers take their key in either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from functions.shared.errors import InvalidInput
from functions.shared.vault import Vault

# What a body may name, as {plate}.
FIELDS = (
    "event", "alert_id", "kind", "list", "reason", "priority", "severity", "plate", "camera_id", "camera", "seen_at",
    "raised_at", "url", "snapshot_url", "detail",
)  # fmt: skip
_FIELD = re.compile(r"\{([a-z_]+)\}")
_DEPTH = 8


class Hook(NamedTuple):
    """`body` None: an object of all fields."""

    url: str
    body: dict[str, Any] | None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def sealed(self, vault: Vault) -> str:
        return vault.encrypt(json.dumps({"url": self.url, "body": self.body}))

    @classmethod
    def opened(cls, vault: Vault, sealed: str) -> Hook:
        """Raises Misconfigured when no key fits."""
        stored = json.loads(vault.decrypt(sealed))
        return cls(stored["url"], stored["body"])

    def payload(self, facts: Mapping[str, Any]) -> bytes:
        """The body with the alert's facts in it. A text that is one field alone becomes the field's own value."""
        filled = dict(facts) if self.body is None else _filled(self.body, facts)
        return json.dumps(filled, ensure_ascii=False).encode()


def require_known(body: Mapping[str, Any] | None) -> None:
    """Raises InvalidInput for a body that names what no alert has, is nested too deep, or could not be sent as JSON."""
    _require_known(body, 0)
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise InvalidInput("hook.body: holds a number or character that JSON cannot", field="hook.body") from None


def _require_known(body: Any, depth: int) -> None:
    if depth > _DEPTH:
        raise InvalidInput(f"hook.body: nested deeper than {_DEPTH}", field="hook.body")
    if isinstance(body, str):
        unknown = sorted(set(_FIELD.findall(body)) - set(FIELDS))
        if unknown:
            raise InvalidInput(f"hook.body: knows no {{{unknown[0]}}}, but {', '.join(FIELDS)}", field="hook.body")
    elif isinstance(body, dict):
        for value in body.values():
            _require_known(value, depth + 1)
    elif isinstance(body, list):
        for value in body:
            _require_known(value, depth + 1)


def _filled(part: Any, facts: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, facts) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, facts) for value in part]
    if not isinstance(part, str):
        return part
    whole = _FIELD.fullmatch(part)
    if whole and whole[1] in facts:
        return facts[whole[1]]
    return _FIELD.sub(lambda found: _text(facts.get(found[1], found[0])), part)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
