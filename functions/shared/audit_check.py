"""Proves the log of who did what, begins it later when retention cuts its oldest rows off, and seals it anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import audit
from functions.shared.chain import Fault, Link, Walk
from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.errors import Conflict, Misconfigured
from functions.shared.tables import AuditCheckpoint, AuditHead, AuditRow
from functions.shared.vault import Vault

BATCH = 2000
_TABLE = AuditRow.__table__


@dataclass(frozen=True)
class Verdict:
    """What a walk over the log found. `broken_at` is the first row that does not hold, `reason` why.

    `start` is where the log begins, `head` where it ends: noted elsewhere, it proves later that nothing was put back.
    """

    rows: int
    start: Link
    head: Link
    first_at: str | None
    last_at: str | None
    broken_at: int | None = None
    reason: str = ""

    @property
    def whole(self) -> bool:
        return not self.reason


async def verify(db: Database, vault: Vault, noted: Sequence[Link] = ()) -> Verdict:
    """Walk over the whole log, in batches. What is written meanwhile is not looked at.

    `noted`: ends of the log as somebody wrote them down earlier.
    """
    async with db.read() as session:
        if db.dialect == "postgresql":
            # All batches see the log as it was at the first.
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        head, start, fault = await _ends(session, vault)
        walk = Walk(start, noted)
        fault = fault or await _walk(session, walk)
        fault = fault or walk.end(Link(head.seq, head.hash)) or _sealed(vault, head)
        for each in noted if fault is None else ():
            fault = fault or await _noted_before(session, each, start)
    return Verdict(
        walk.rows, start, Link(head.seq, head.hash), walk.first_at, walk.last_at,
        fault.seq if fault else None, fault.reason if fault else "",
    )  # fmt: skip


async def _ends(session: AsyncSession, vault: Vault) -> tuple[AuditHead, Link, Fault | None]:
    head = await session.get(AuditHead, 1)
    if head is None:
        raise Misconfigured("the audit log has no head", mend="run `gtvision db migrate`")
    start, fault = Link(), None
    for row in await session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.seq)):
        if row.previous_seq != start.seq:
            fault = fault or Fault(row.seq, f"a checkpoint between rows {start.seq} and {row.seq} is missing")
        if not vault.signed(audit.checkpoint_text(row), row.seal):
            fault = fault or Fault(row.seq, f"the seal of the checkpoint at row {row.seq} does not hold")
        start = Link(row.seq, row.hash)
    return head, start, fault


async def _walk(session: AsyncSession, walk: Walk) -> Fault | None:
    behind = await session.scalar(select(func.min(AuditRow.seq)))
    if behind is not None and behind <= walk.start.seq:
        return Fault(
            behind, f"row {behind} lies before the checkpoint at row {walk.start.seq}: it was put in, or not cut"
        )
    async for row in rows(session, walk.start.seq):
        fault = walk.step(audit.facts_of(row), row.hash)
        if fault is not None:
            return fault
    return None


def _sealed(vault: Vault, head: AuditHead) -> Fault | None:
    if audit.seal_holds(vault, head):
        return None
    if head.seal == audit.BROKEN:
        return Fault(head.seq, "the log's seal did not hold when a row was added: it was written anew before that")
    return Fault(head.seq, "the log's seal does not hold: its end was written by somebody else, or a key is missing")


async def _noted_before(session: AsyncSession, noted: Link, start: Link) -> Fault | None:
    """A link that was noted and has been cut off since: only a checkpoint at that very row can still tell of it."""
    if noted.seq > start.seq:
        return None
    row = await session.get(AuditCheckpoint, noted.seq)
    if row is not None and row.hash != noted.hash:
        return Fault(noted.seq, f"row {noted.seq} is not the one that was noted: the log was written anew")
    return None


async def rows(session: AsyncSession, after: int, until: int | None = None) -> AsyncIterator[Any]:
    """Rows behind `after` (up to `until`) in order, a batch in memory at a time; they have the table's columns."""
    while True:
        asked = select(_TABLE).where(_TABLE.c.seq > after).order_by(_TABLE.c.seq).limit(BATCH)
        if until is not None:
            asked = asked.where(_TABLE.c.seq <= until)
        found = (await session.execute(asked)).all()
        for row in found:
            yield row
        if len(found) < BATCH:
            return
        after = found[-1].seq


async def last_before(session: AsyncSession, cutoff: datetime, most: int, kept: int | None = None) -> Any:
    """The last of the rows that are all older than a time, at the most `most` of them; None when the oldest is not.
    Times rise with the rows but for the clocks of several machines: a row is cut only with every one before it.
    `kept`: the number of a row that stays, and with it all behind."""
    first = await session.scalar(select(func.min(AuditRow.seq)))
    if first is None:
        return None
    first_kept = await session.scalar(select(func.min(AuditRow.seq)).where(AuditRow.at >= cutoff))
    asked = select(_TABLE).where(_TABLE.c.seq < first + most).order_by(_TABLE.c.seq.desc()).limit(1)
    for seq in (first_kept, kept):
        if seq is not None:
            asked = asked.where(_TABLE.c.seq < seq)
    return (await session.execute(asked)).one_or_none()


@dataclass(frozen=True)
class Archive:
    """The file of the store that holds rows that are cut off."""

    key: str
    sha256: str


async def cut(vault: Vault, session: AsyncSession, last: Any, archive: Archive | None) -> AuditCheckpoint:
    """Delete the rows up to `last` (as `last_before` found it); a sealed checkpoint stands for them from then on."""
    previous = await session.scalar(select(func.max(AuditCheckpoint.seq))) or 0
    counted = await session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.seq <= last.seq))
    row = AuditCheckpoint(
        seq=last.seq, hash=last.hash, at=last.at, rows=counted or 0, made_at=now(), previous_seq=previous,
        archive_key=archive.key if archive else None, archive_sha256=archive.sha256 if archive else None, seal="",
    )  # fmt: skip
    row.seal = vault.sign(audit.checkpoint_text(row))
    session.add(row)
    await session.flush()
    await session.execute(delete(AuditRow).where(AuditRow.seq <= last.seq))
    return row


async def reseal(vault: Vault, session: AsyncSession) -> int:
    """Seal head and checkpoints under the first key; how many seals. Raises Conflict when one does not hold now:
    a seal must not make good what somebody else wrote."""
    head = (await session.scalars(select(AuditHead).where(AuditHead.id == 1).with_for_update())).one()
    if not audit.seal_holds(vault, head):
        raise Conflict("the audit log's seal does not hold; look into that first", mend="run `gtvision audit verify`")
    checkpoints = list(await session.scalars(select(AuditCheckpoint)))
    for row in checkpoints:
        if not vault.signed(audit.checkpoint_text(row), row.seal):
            raise Conflict(
                f"the seal of the checkpoint at row {row.seq} does not hold", mend="run `gtvision audit verify`"
            )
    for row in checkpoints:
        row.seal = vault.sign(audit.checkpoint_text(row))
    if head.seq:
        head.seal = vault.sign(audit.seal_text(head.seq, head.hash))
    await session.flush()
    return len(checkpoints) + bool(head.seq)


async def count_before(session: AsyncSession, cutoff: datetime) -> int:
    return int(await session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.at < cutoff)) or 0)


async def count_kept(session: AsyncSession, cutoff: datetime, kept: int | None) -> int:
    """Rows older than a time that stay since row `kept` does."""
    if kept is None:
        return 0
    asked = select(func.count()).select_from(AuditRow).where(AuditRow.at < cutoff, AuditRow.seq >= kept)
    return int(await session.scalar(asked) or 0)
