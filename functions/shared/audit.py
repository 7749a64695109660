"""The log of who did what: rows that are only ever added, each chained to the one before by its hash.

hash = SHA-256 over the canonical JSON of the row's facts and the previous row's hash; the head keeps the last of them
under a keyed seal. `verify` walks it all; whatever was changed, taken out or put between is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import logs
from functions.shared.contracts import now
from functions.shared.errors import Misconfigured
from functions.shared.tables import AuditHead, AuditRow
from functions.shared.tokens import Principal
from functions.shared.vault import Vault

FIRST = "0" * 64
_MAX_REASON, _MAX_SUBJECT = 500, 128


@dataclass(frozen=True)
class Act:
    """What was done: `action` as `noun.verb` (`detections.search`), `subject` what it was done to (an id, a plate),
    `reason` as the person gave it, `details` JSON-ready facts without a secret."""

    action: str
    subject: str = ""
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


async def record(vault: Vault, session: AsyncSession, who: Principal | str, act: Act) -> AuditRow:
    """Add a row in the transaction of `session`: the act and its row are there together or not at all.

    `who` is a principal, or the name of a part of the platform that acts by itself (`retention`). Call it as late in
    the transaction as possible: it holds the log's one head until the commit.
    """
    head = (await session.scalars(select(AuditHead).where(AuditHead.id == 1).with_for_update())).one_or_none()
    if head is None:
        raise Misconfigured("the audit log has no head", mend="run `gtvision db migrate`")
    actor_id, actor = (None, who) if isinstance(who, str) else (who.user_id, who.username)
    row = AuditRow(
        seq=head.seq + 1, at=now(), actor_id=actor_id, actor=actor[:128], action=act.action,
        subject=act.subject[:_MAX_SUBJECT], reason=act.reason[:_MAX_REASON] if act.reason else None,
        details=dict(act.details), correlation_id=logs.correlation_id(), previous=head.hash, hash="",
    )  # fmt: skip
    row.hash = hash_of(row)
    session.add(row)
    head.seq, head.hash = row.seq, row.hash
    head.seal = vault.sign(seal_text(head.seq, head.hash))
    await session.flush()
    return row


def hash_of(row: AuditRow) -> str:
    """What `row.hash` has to be, 64 hex digits."""
    facts = [
        row.seq, row.at.astimezone(UTC).isoformat(timespec="microseconds"), row.actor_id, row.actor, row.action,
        row.subject, row.reason, row.details, row.correlation_id, row.previous,
    ]  # fmt: skip
    text = json.dumps(facts, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def seal_text(seq: int, last: str) -> str:
    return f"audit-head:{seq}:{last}"


@dataclass(frozen=True)
class Verdict:
    """What a walk over the log found. `broken_at` is the first row that does not hold, `reason` why."""

    rows: int
    first_at: datetime | None
    last_at: datetime | None
    broken_at: int | None = None
    reason: str = ""

    @property
    def whole(self) -> bool:
        return not self.reason
