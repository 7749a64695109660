"""The SQL of what is stored on one plate: found for a report, taken away by an erasure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, Text, and_, cast, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.due import Doom, alert_held, correction_held, detection_held, in_force, observed_pictures
from functions.shared import chain, lookups
from functions.shared.contracts import now
from functions.shared.tables import (
    Alert,
    AuditRow,
    Correction,
    Detection,
    DoomedImage,
    IdempotencyKey,
    LegalHold,
    OutboxMessage,
    PassageObservation,
    ProcessedFrame,
    Table,
)

# Ids of one question.
_CHUNK = 500
# Tables whose rows on a plate are found one by one; of any other its columns named after plates are counted.
_OWN = frozenset({"detections", "observations", "corrections", "alerts", "audit", "legal_holds"})
# Texts that hold plates under another name, and bodies that hold them somewhere.
_NAMES = ("plate", "pattern")
_BODIES = (("webhook_deliveries", "event"),)


def of_plates(plates: Sequence[str]) -> ColumnElement[bool]:
    return Detection.plate.in_(plates)


def misread(plates: Sequence[str]) -> ColumnElement[bool]:
    """Passages of other vehicles, by what a person said, that the readers took for one of the plates."""
    other = or_(Detection.plate.is_(None), Detection.plate.not_in(plates))
    return and_(other, Detection.corrected.is_(True), Detection.plate_read.in_(plates))


def corrected(plates: Sequence[str]) -> ColumnElement[bool]:
    return or_(Correction.plate_before.in_(plates), Correction.plate_after.in_(plates))


async def detections(session: AsyncSession, plates: Sequence[str], limit: int) -> list[Detection]:
    """In order of time."""
    asked = select(Detection).where(or_(of_plates(plates), misread(plates)))
    return list(await session.scalars(asked.order_by(Detection.started_at, Detection.id).limit(limit)))


async def observations(session: AsyncSession, ids: Sequence[str]) -> list[PassageObservation]:
    found: list[PassageObservation] = []
    for part in _parts(ids):
        asked = select(PassageObservation).where(PassageObservation.detection_id.in_(part))
        found += await session.scalars(asked.order_by(PassageObservation.captured_at, PassageObservation.id))
    return found


async def corrections(session: AsyncSession, plates: Sequence[str], limit: int) -> list[Correction]:
    asked = select(Correction).where(corrected(plates)).order_by(Correction.created_at, Correction.id)
    return list(await session.scalars(asked.limit(limit)))


def alerted(plates: Sequence[str]) -> ColumnElement[bool]:
    """Alerts about the plates: read so, asked for so by a list's entry, or withdrawn since it was one of them."""
    return or_(Alert.plate.in_(plates), _says(Alert.entry, plates), *_in_words(Alert.withdrawn_reason, plates))


async def alerts(session: AsyncSession, plates: Sequence[str], limit: int) -> list[Alert]:
    asked = select(Alert).where(alerted(plates)).order_by(Alert.raised_at, Alert.id)
    return list(await session.scalars(asked.limit(limit)))


async def alerts_of(session: AsyncSession, ids: Sequence[str]) -> list[Alert]:
    """Alerts whose passage, or whose other one, is among these."""
    found: list[Alert] = []
    for part in _parts(ids):
        of_them = or_(Alert.detection_id.in_(part), Alert.other_detection_id.in_(part))
        found += await session.scalars(select(Alert).where(of_them))
    return found


async def erase_alerts(session: AsyncSession, rows: Sequence[Alert]) -> None:
    """With the notes of who was told of them."""
    for part in _parts([row.id for row in rows]):
        await session.execute(delete(Alert).where(Alert.id.in_(part)))


async def erase_deliveries(session: AsyncSession, plates: Sequence[str]) -> dict[str, int]:
    """Delete what waits to be handed on, or could be once more, that says one of the plates."""
    counts = {}
    for name, column in _BODIES:
        table = Table.metadata.tables[name]
        gone = delete(table).where(_says(table.c[column], plates)).returning(table.c.id)
        counts[name] = len((await session.execute(gone)).all())
    return counts


async def looked_up(
    session: AsyncSession, plates: Sequence[str], ids: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Rows of the audit log by which somebody learned of the plates, in order."""
    found: dict[int, dict[str, Any]] = {}
    # A look at one passage is about its id; its plate stands in the details.
    ways = [AuditRow.subject.in_(part) for part in _parts([*plates, *ids])]
    for way in [*ways, _says(AuditRow.details, plates)]:
        asked = select(AuditRow).where(way, AuditRow.action.in_(sorted(lookups.ACTIONS)))
        for row in await session.scalars(asked.order_by(AuditRow.seq).limit(limit)):
            found[row.seq] = {
                "seq": row.seq, "at": chain.moment(row.at), "actor": row.actor, "action": row.action,
                "subject": row.subject, "reason": row.reason, "details": row.details,
            }  # fmt: skip
    return [found[seq] for seq in sorted(found)][:limit]


async def holds_on(session: AsyncSession, plates: Sequence[str]) -> list[LegalHold]:
    """Holds in force that name the plates, or that keep one of their passages, corrections or alerts."""
    named = select(LegalHold).where(
        in_force(now()), or_(LegalHold.plate.in_(plates), LegalHold.twin.in_(plates))
    )  # fmt: skip
    found = {row.id: row for row in await session.scalars(named)}
    keeps = (
        select(Detection.id).where(or_(of_plates(plates), misread(plates)), detection_held()).limit(1),
        select(Correction.id).where(corrected(plates), correction_held()).limit(1),
        select(Alert.id).where(alerted(plates), alert_held()).limit(1),
    )
    for asked in keeps:
        if await session.scalar(asked) is None:
            continue
        # By camera, passage, time, or another plate: which of them it is, one by one, since there are few.
        others = select(LegalHold).where(in_force(now()), LegalHold.id.not_in(found))
        found |= {row.id: row for row in await session.scalars(others) if await _keeps(session, row, plates)}
    return [found[key] for key in sorted(found)]


async def _keeps(session: AsyncSession, hold: LegalHold, plates: Sequence[str]) -> bool:
    """Whether this hold keeps a passage, a correction or an alert of the plates."""
    this = LegalHold.id == hold.id
    of_these = (
        select(Detection.id).where(or_(of_plates(plates), misread(plates)), detection_held(this)),
        select(Correction.id).where(corrected(plates), correction_held(this)),
        select(Alert.id).where(alerted(plates), alert_held(this)),
    )
    for asked in of_these:
        if await session.scalar(asked.limit(1)) is not None:
            return True
    return False


async def elsewhere(session: AsyncSession, plates: Sequence[str]) -> dict[str, int]:
    """Rows of other rooms' tables that name the plates, by table and column: hotlists, alerts and the like."""
    found = {}
    for table in Table.metadata.sorted_tables:
        for column in table.columns if table.name not in _OWN else ():
            named = any(name in column.name for name in _NAMES)
            if not named or not isinstance(column.type, String):
                continue
            number = await session.scalar(select(func.count()).select_from(table).where(column.in_(plates)))
            if number:
                found[f"{table.name}.{column.name}"] = int(number)
    return found


async def remaining(session: AsyncSession, plates: Sequence[str]) -> dict[str, int]:
    """Rows that still name the plates, by table, of those that an erasure takes away."""
    asked = {
        "detections": select(func.count()).select_from(Detection).where(or_(of_plates(plates), misread(plates))),
        "corrections": select(func.count()).select_from(Correction).where(corrected(plates)),
        "alerts": select(func.count()).select_from(Alert).where(alerted(plates)),
        "outbox": select(func.count()).select_from(OutboxMessage).where(_says(OutboxMessage.body, plates)),
        "idempotency_keys": select(func.count()).select_from(IdempotencyKey).where(
            _says(IdempotencyKey.response, plates)
        ),
        "processed_frames": select(func.count()).select_from(ProcessedFrame).where(_says(ProcessedFrame.seen, plates)),
        "legal_holds": select(func.count()).select_from(LegalHold).where(
            or_(LegalHold.plate.in_(plates), LegalHold.twin.in_(plates))
        ),
    }  # fmt: skip
    for name, column in _BODIES:
        table = Table.metadata.tables[name]
        asked[name] = select(func.count()).select_from(table).where(_says(table.c[column], plates))
    return {name: int(await session.scalar(question) or 0) for name, question in asked.items()}


def _says(column: Any, plates: Sequence[str]) -> ColumnElement[bool]:
    """That a column of JSON has one of the plates as a text of its own, or as a word of a sentence."""
    text = cast(column, Text)
    return or_(*(text.contains(json.dumps(plate), autoescape=True) for plate in plates), *_in_words(text, plates))


def _in_words(column: Any, plates: Sequence[str]) -> list[ColumnElement[bool]]:
    """As alerts say it: "the plate is ABC1D23 by now". Not anywhere: letters and digits also make up ids."""
    return [column.contains(f" {plate} ", autoescape=True) for plate in plates]


async def erase_detections(session: AsyncSession, ids: Sequence[str], doom: Doom) -> set[str]:
    """Delete passages with their observations; the keys of their pictures, which are doomed."""
    keys: set[str] = set()
    for part in _parts(ids):
        asked = select(Detection.snapshot_key, Detection.plate_snapshot_key).where(Detection.id.in_(part))
        keys |= {key for row in await session.execute(asked) for key in row if key is not None}
        keys |= await observed_pictures(session, part)
        await session.execute(delete(Detection).where(Detection.id.in_(part)))
    await _doom(session, doom, keys)
    return keys


async def erase_corrections(session: AsyncSession, rows: Sequence[Correction], doom: Doom) -> set[str]:
    keys = {row.plate_snapshot_key for row in rows if row.plate_snapshot_key is not None}
    for part in _parts([row.id for row in rows]):
        await session.execute(delete(Correction).where(Correction.id.in_(part)))
    await _doom(session, doom, keys)
    return keys


async def _doom(session: AsyncSession, doom: Doom, keys: set[str]) -> None:
    for part in _parts(sorted(keys)):
        await doom.pictures(session, set(part))


async def corrections_of(session: AsyncSession, ids: Sequence[str]) -> list[Correction]:
    found: list[Correction] = []
    for part in _parts(ids):
        found += await session.scalars(select(Correction).where(Correction.detection_id.in_(part)))
    return found


async def mask_misread(session: AsyncSession, rows: Sequence[Detection], plates: Sequence[str]) -> None:
    """Let passages of other vehicles forget that they were taken for one of the plates."""
    for row in rows:
        row.plate_read, row.plate_confidence = None, None
        row.candidates = [item for item in row.candidates if item.get("text") not in plates]
        asked = select(PassageObservation).where(PassageObservation.detection_id == row.id)
        for seen in await session.scalars(asked):
            if seen.plate in plates:
                seen.plate, seen.plate_confidence, seen.lattice = None, None, None
            seen.candidates = [item for item in seen.candidates if item.get("text") not in plates]
    await session.flush()


async def erase_messages(session: AsyncSession, plates: Sequence[str]) -> dict[str, int]:
    """Take the plates out of what waits, is repeated or is kept for late frames; how many rows of each."""
    gone = delete(OutboxMessage).where(_says(OutboxMessage.body, plates)).returning(OutboxMessage.id)
    counts = {"outbox": len((await session.execute(gone)).all())}
    answers = list(await session.scalars(select(IdempotencyKey).where(_says(IdempotencyKey.response, plates))))
    for row in answers:
        row.response = _without(row.response, frozenset(plates))
    forget = update(ProcessedFrame).where(_says(ProcessedFrame.seen, plates)).values(seen=None)
    counts |= {
        "idempotency_keys": len(answers),
        "processed_frames": len((await session.execute(forget.returning(ProcessedFrame.id))).all()),
    }
    over = update(LegalHold).where(
        or_(LegalHold.plate.in_(plates), LegalHold.twin.in_(plates)), not_(in_force(now()))
    )  # fmt: skip
    ended = await session.execute(over.values(plate=None, twin=None).returning(LegalHold.id))
    await session.flush()
    return counts | {"legal_holds": len(ended.all())}


def _without(value: Any, plates: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, plates) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, plates) for item in value]
    return "*" * len(value) if value in plates else value


def _parts(ids: Iterable[str]) -> list[list[str]]:
    every = list(ids)
    return [every[start : start + _CHUNK] for start in range(0, len(every), _CHUNK)]


async def still_doomed(session: AsyncSession, keys: Sequence[str]) -> int:
    """How many of these pictures the store has not deleted yet."""
    found = 0
    for part in _parts(keys):
        asked = select(func.count()).select_from(DoomedImage).where(DoomedImage.key.in_(part))
        found += int(await session.scalar(asked) or 0)
    return found
