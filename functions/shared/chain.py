"""How rows of the audit log hang together, checked without a database: on the server and over an exported file.

hash = SHA-256 over the canonical JSON of a row's facts, the last of which is the hash of the row before. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FIRST = "0" * 64
# In the order in which they are hashed.
FACTS = (
    "seq", "at", "actor_id", "actor", "action", "subject", "reason", "details", "correlation_id", "previous",
)  # fmt: skip
HEX = re.compile(r"[0-9a-f]{64}")


def moment(at: datetime) -> str:
    """The one spelling of a time that is hashed: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def digest(facts: Mapping[str, Any]) -> str:
    """What the hash of a row of these facts (FACTS, `at` as `moment` spells it) has to be, 64 hex digits."""
    ordered = [facts[name] for name in FACTS]
    text = json.dumps(ordered, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Link:
    """A place in the log: the row `seq` whose hash is `hash`; seq 0 is before the first."""

    seq: int = 0
    hash: str = FIRST

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def link(text: str) -> Link:
    """`SEQ:HASH`, as `str` of a link spells it. Raises ValueError."""
    seq, _, value = text.strip().partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19 and HEX.fullmatch(value)):
        raise ValueError("must read SEQ:HASH, as `gtvision audit verify` prints it")
    return Link(int(seq), value)


@dataclass(frozen=True)
class Fault:
    """The first row that does not hold, and why."""

    seq: int
    reason: str


class Walk:
    """Goes over rows in their order from a link on, and stops at the first fault."""

    def __init__(self, start: Link, noted: Iterable[Link] = ()) -> None:
        """`noted` are links that somebody wrote down earlier: the log must still pass through them."""
        self.start = self.last = start
        self.rows = 0
        self.first_at: str | None = None
        self.last_at: str | None = None
        self._noted = {item.seq: item.hash for item in noted}

    def step(self, facts: Mapping[str, Any], given: str) -> Fault | None:
        """Take the next row: its facts and the hash that it has."""
        seq, wanted = facts["seq"], self.last.seq + 1
        if type(seq) is not int:
            return Fault(wanted, f"what stands where row {wanted} should is no row")
        if seq != wanted:
            return Fault(wanted, _gap(seq, wanted))
        if digest(facts) != given:
            return Fault(seq, f"row {seq} was changed: it is not what its hash says")
        if facts["previous"] != self.last.hash:
            before = f"row {self.last.seq}" if self.last.seq else "the beginning"
            return Fault(seq, f"row {seq} does not continue {before}: one of them was changed together with its hash")
        self.last = Link(seq, given)
        self.rows += 1
        self.first_at, self.last_at = self.first_at or facts["at"], facts["at"]
        if self._noted.get(seq, given) != given:
            return Fault(seq, f"row {seq} is not the one that was noted: the log was written anew")
        return None

    def end(self, head: Link) -> Fault | None:
        """After the last row: whether the log ends where its head says."""
        if self.last.seq < head.seq:
            return Fault(self.last.seq + 1, f"rows {self.last.seq + 1} to {head.seq} are missing: the end was cut off")
        if self.last != head:
            return Fault(self.last.seq, f"row {self.last.seq} is not the log's last, which is {head.seq}")
        later = max(self._noted, default=0)
        if later > head.seq:
            return Fault(head.seq + 1, f"row {later} was noted earlier: the log was put back to row {head.seq}")
        return None


def _gap(seq: int, wanted: int) -> str:
    if seq < wanted:
        return f"row {seq} stands where row {wanted} should: it is there twice, or out of order"
    return f"row {wanted} is missing" if seq == wanted + 1 else f"rows {wanted} to {seq - 1} are missing"
