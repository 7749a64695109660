"""The log of who did what: rows that are only ever added, each chained to the one before by its hash.

hash = SHA-256 over the canonical JSON of the row's facts and the previous row's hash (`functions.shared.chain`); the
head keeps the last of them under a keyed seal. `audit_check.verify` walks it all; whatever was changed, taken out or
put between is found. The database refuses to change rows, and to delete those that no sealed checkpoint stands for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import chain, logs, lookups
from functions.shared.chain import FIRST
from functions.shared.contracts import BulkLookup, now
from functions.shared.errors import Misconfigured
from functions.shared.outbox import enqueue
from functions.shared.tables import AuditCheckpoint, AuditHead, AuditRow
from functions.shared.tokens import Principal
from functions.shared.vault import Vault

log = logs.get("audit")
PLATFORM = "gt-vision"
# What stands in the place of a seal once one did not hold: it is never made good by the rows that follow.
BROKEN = "broken"
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
    the transaction as possible: it holds the log's one head until the commit. A look-up (`lookups.ACTIONS`) of a
    person is counted; Throttled is raised where GTV_BULK_LOOKUPS_STOP refuses more of them.
    """
    head = await _head(session)
    row = _append(vault, session, head, who, act)
    if isinstance(who, Principal) and act.action in lookups.ACTIONS:
        shown = act.details.get("plates", act.details.get("found"))
        for over in await lookups.count(session, who.user_id, who.username, shown):
            _alarm(vault, session, head, over)
    await session.flush()
    return row


async def _head(session: AsyncSession) -> AuditHead:
    head = (await session.scalars(select(AuditHead).where(AuditHead.id == 1).with_for_update())).one_or_none()
    if head is None:
        raise Misconfigured("the audit log has no head", mend="run `gtvision db migrate`")
    return head


def _append(vault: Vault, session: AsyncSession, head: AuditHead, who: Principal | str, act: Act) -> AuditRow:
    sound = seal_holds(vault, head)
    actor_id, actor = (None, who) if isinstance(who, str) else (who.user_id, who.username)
    row = AuditRow(
        seq=head.seq + 1, at=now(), actor_id=actor_id, actor=_plain(actor)[:128], action=act.action,
        subject=_plain(act.subject)[:_MAX_SUBJECT], reason=_plain(act.reason)[:_MAX_REASON] if act.reason else None,
        # As the database will give it back: tuples are lists, keys are texts.
        details=json.loads(json.dumps(dict(act.details), allow_nan=False)), correlation_id=logs.correlation_id(),
        previous=head.hash, hash="",
    )  # fmt: skip
    row.hash = hash_of(row)
    session.add(row)
    head.seq, head.hash = row.seq, row.hash
    if sound:
        head.seal = vault.sign(seal_text(head.seq, head.hash))
    else:
        # Signing what stands here would make good a log that somebody has written anew.
        log.error("audit_seal_broken", seq=row.seq, mend="run `gtvision audit verify`")
        head.seal = BROKEN
    return row


def seal_holds(vault: Vault, head: AuditHead) -> bool:
    """Whether the head is what a process of ours with one of the keys wrote last; an empty log has no seal yet."""
    if head.seq == 0:
        return head.hash == FIRST and head.seal == ""
    return vault.signed(seal_text(head.seq, head.hash), head.seal)


def _alarm(vault: Vault, session: AsyncSession, head: AuditHead, over: lookups.Over) -> None:
    """Say once that somebody looks up in bulk: a row of the log, an event, a line."""
    details = {"window": over.window, "lookups": over.lookups, "limit": over.limit, "username": over.username}
    _append(vault, session, head, PLATFORM, Act(lookups.ALARM, over.user_id, details=details))
    told = BulkLookup(
        user_id=over.user_id, username=over.username, window=over.window, lookups=over.lookups, limit=over.limit
    )
    enqueue(session, told)
    log.warning("bulk_lookups", **details)


def _plain(text: str) -> str:
    """Without what a database cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def facts_of(row: Any) -> dict[str, Any]:
    """The facts of a row of the log, JSON-ready (`chain.FACTS`)."""
    return {name: chain.moment(row.at) if name == "at" else getattr(row, name) for name in chain.FACTS}


def hash_of(row: AuditRow) -> str:
    """What `row.hash` has to be, 64 hex digits."""
    return chain.digest(facts_of(row))


def seal_text(seq: int, last: str) -> str:
    return f"audit-head:{seq}:{last}"


def checkpoint_text(row: AuditCheckpoint) -> str:
    return f"audit-checkpoint:{row.seq}:{row.hash}:{row.previous_seq}:{row.archive_sha256 or ''}"
