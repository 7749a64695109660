"""Optimistic locking: what is changed carries a revision as its ETag, and `If-Match` names the one that was seen."""

from __future__ import annotations

import re
from typing import Annotated, Protocol

from fastapi import Header

from functions.shared.errors import Conflict, InvalidInput

IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=32, description="only this revision, by its ETag; * is any")
]
# Proxies that compress an answer make its ETag a weak one.
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


class Revised(Protocol):
    revision: int


def etag(revision: int) -> str:
    """The ETag of a revision: `"3"`, with its quotes."""
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int | None:
    """The revision that `If-Match` names; None for none and for `*`. Raises InvalidInput."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise InvalidInput('If-Match takes the ETag of what is changed, e.g. "3"', field="If-Match")
    return int(found[1])


def require_revision(row: Revised, seen: int | None, what: str) -> None:
    """Raises Conflict where a row is no longer as the caller has seen it; None: whatever it is."""
    if seen is not None and seen != row.revision:
        raise Conflict(f"the {what} was changed meanwhile; read it again", field="If-Match", revision=row.revision)
