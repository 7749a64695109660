"""Reading the log of who did what, proving it, handing it out, sealing it anew. Each of these is itself in the log."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client import Gauge
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.schemas import AuditPage, AuditQuery, AuditView, Resealed, VerdictView
from functions.shared import audit, audit_check, chain, logs
from functions.shared.audit import Act
from functions.shared.audit_check import Verdict
from functions.shared.chain import Link
from functions.shared.context import Context
from functions.shared.errors import GTVisionError, InvalidInput, NotFound
from functions.shared.tables import AuditHead, AuditRow
from functions.shared.tokens import Principal

log = logs.get("audit")
WHOLE = Gauge("gtv_audit_whole", "1 while the last check found the audit log whole, 0 when it did not")
# Where the end that the last whole check saw is kept: in the store, which is not the database.
ANCHOR = "audit/anchor.json"
EXPORT = "gt-vision-audit"


async def page(context: Context, who: Principal, query: AuditQuery) -> AuditPage:
    """Newest first. Raises InvalidInput."""
    if query.start is not None and query.end is not None and query.start > query.end:
        raise InvalidInput("from: lies after to", field="from")
    asked = _asked(query, _decode(query.cursor))
    async with context.db.read() as session:
        rows = list(await session.scalars(asked.limit(query.limit + 1)))
    if query.cursor is None:
        given = query.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"cursor", "limit"})
        async with context.db.transaction() as session:
            await audit.record(context.vault, session, who, Act("audit.list", details=given))
    items = [AuditView.model_validate({name: getattr(row, name) for name in AuditView.model_fields}) for row in rows]
    more = len(rows) > query.limit
    return AuditPage(items=items[: query.limit], next_cursor=_encode(items[query.limit - 1].seq) if more else None)


def _asked(query: AuditQuery, behind: int | None) -> Any:
    row = AuditRow
    asked = select(row).order_by(row.seq.desc())
    if query.actor is not None:
        asked = asked.where(or_(row.actor == query.actor, row.actor_id == query.actor))
    if query.action is not None and query.action.endswith("*"):
        asked = asked.where(row.action.startswith(query.action[:-1], autoescape=True))
    elif query.action is not None:
        asked = asked.where(row.action == query.action)
    if query.subject is not None:
        asked = asked.where(row.subject == query.subject)
    if query.start is not None:
        asked = asked.where(row.at >= query.start)
    if query.end is not None:
        asked = asked.where(row.at < query.end)
    return asked if behind is None else asked.where(row.seq < behind)


def _encode(seq: int) -> str:
    return base64.urlsafe_b64encode(f"1:{seq}".encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    version, _, seq = text.partition(":")
    if version != "1" or not seq.isdigit() or len(seq) > 18:
        raise InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
    return int(seq)


async def verify(context: Context, who: Principal | str, noted: str | None = None) -> VerdictView:
    """Walk over the whole log. Raises InvalidInput when `noted` is no link."""
    try:
        links = [] if noted is None else [chain.link(noted)]
    except ValueError as error:
        raise InvalidInput(f"noted: {error}", field="noted") from None
    anchor, doubt = await _anchor(context)
    found = await audit_check.verify(context.db, context.vault, [*links, *([anchor] if anchor else [])])
    if doubt and found.whole:
        found = Verdict(**{**vars(found), "reason": doubt})
    WHOLE.set(found.whole)
    if found.whole:
        await _note(context, found.head)
        # A log that is collected elsewhere holds every end that was ever seen.
        log.info("audit_whole", head=str(found.head), rows=found.rows)
    else:
        log.error("audit_broken", broken_at=found.broken_at, reason=found.reason)
    details = {"whole": found.whole, "rows": found.rows, "broken_at": found.broken_at, "reason": found.reason}
    async with context.db.transaction() as session:
        await audit.record(context.vault, session, who, Act("audit.verify", str(found.head.seq), details=details))
    return VerdictView(
        whole=found.whole, rows=found.rows, start=str(found.start), head=str(found.head), first_at=found.first_at,
        last_at=found.last_at, broken_at=found.broken_at, reason=found.reason, anchor=str(anchor) if anchor else None,
    )  # fmt: skip


async def _anchor(context: Context) -> tuple[Link | None, str]:
    """The end that the last whole check left in the store, and why it cannot be believed."""
    try:
        kept = json.loads(await context.store.get(ANCHOR))
        anchor = chain.link(str(kept["head"]))
        seal = str(kept["seal"])
    except NotFound:
        return None, ""
    except GTVisionError as error:
        log.warning("anchor_not_read", reason=error.message)
        return None, ""
    except (ValueError, KeyError, TypeError):
        return None, "the end that was noted in the store cannot be read: somebody changed it"
    if not context.vault.signed(_anchor_text(anchor), seal):
        return (
            None,
            "the end that was noted in the store has no seal that holds: somebody changed it, or a key is missing",
        )
    return anchor, ""


async def _note(context: Context, head: Link) -> None:
    kept = {"head": str(head), "seal": context.vault.sign(_anchor_text(head))}
    try:
        await context.store.put(ANCHOR, json.dumps(kept).encode(), "application/json")
    except GTVisionError as error:
        log.warning("anchor_not_written", reason=error.message)


def _anchor_text(anchor: Link) -> str:
    return f"audit-anchor:{anchor}"


async def export(context: Context, who: Principal, from_seq: int, until: int | None) -> AsyncIterator[bytes]:
    """The log as JSON lines: where it begins, its rows, where it ends. Raises NotFound before the first of them."""
    async with context.db.transaction() as session:
        details = {"from_seq": from_seq, "until": until}
        await audit.record(context.vault, session, who, Act("audit.export", details=details))
    async with context.db.read() as session:
        head = await session.get(AuditHead, 1)
        assert head is not None  # the row above could not have been written
        last = head.seq if until is None else min(until, head.seq)
        first = await _first(session, from_seq)
        end = Link(head.seq, head.hash) if last == head.seq else Link(last, await _hash_of(session, last))
        seal = head.seal if last == head.seq else ""
    return _lines(context, first, end, seal)


async def _first(session: AsyncSession, from_seq: int) -> Link:
    """The link before a row; the first row that there is where that one was cut off."""
    asked = select(AuditRow.seq, AuditRow.previous).where(AuditRow.seq >= from_seq).order_by(AuditRow.seq).limit(1)
    row = (await session.execute(asked)).one_or_none()
    if row is None:
        raise NotFound("the log has no such rows")
    return Link(row[0] - 1, row[1])


async def _hash_of(session: AsyncSession, seq: int) -> str:
    found = await session.scalar(select(AuditRow.hash).where(AuditRow.seq == seq))
    if found is None:
        raise NotFound("the log has no such rows")
    return str(found)


async def _lines(context: Context, first: Link, end: Link, seal: str) -> AsyncIterator[bytes]:
    yield _line({"kind": EXPORT, "version": 1, "start": str(first)})
    number = 0
    async with context.db.read() as session:
        async for row in audit_check.rows(session, first.seq, end.seq):
            number += 1
            yield _line({**audit.facts_of(row), "hash": row.hash})
    yield _line({"kind": f"{EXPORT}-end", "head": str(end), "seal": seal, "rows": number})


def _line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")) + "\n").encode()


async def reseal(context: Context, who: Principal) -> Resealed:
    """Seal the log, its checkpoints and the noted end under the first key. Raises Conflict when a seal is not ours."""
    anchor, doubt = await _anchor(context)
    async with context.db.transaction() as session:
        sealed = await audit_check.reseal(context.vault, session)
        await audit.record(context.vault, session, who, Act("audit.reseal", details={"seals": sealed}))
    if anchor is not None and not doubt:
        await _note(context, anchor)
    return Resealed(sealed=sealed)
