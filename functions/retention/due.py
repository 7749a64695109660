"""The SQL of what is due: rows older than their class's time that no legal hold keeps, and the pictures they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import now
from functions.shared.tables import (
    Alert,
    CameraSpan,
    Correction,
    Detection,
    DoomedImage,
    IdempotencyKey,
    LegalHold,
    LookupCount,
    OutboxMessage,
    PassageObservation,
    ProcessedFrame,
    RetentionRun,
)


@dataclass(frozen=True)
class Cutoffs:
    """What is older is due. `apart`: cameras whose time is another, by that time; None keeps for ever."""

    default: datetime | None
    apart: Mapping[datetime | None, tuple[str, ...]] = field(default_factory=dict)

    @property
    def latest(self) -> datetime | None:
        """No row younger than this is due; None: nothing is."""
        return max((at for at in (self.default, *self.apart) if at is not None), default=None)

    def due(self, at: Any, camera_id: Any) -> ColumnElement[bool]:
        latest = self.latest
        if latest is None:
            return false()
        if camera_id is None or not self.apart:
            return at < self.default if self.default is not None else false()
        others = [name for names in self.apart.values() for name in names]
        ways = [and_(camera_id.in_(names), at < when) for when, names in self.apart.items() if when is not None]
        if self.default is not None:
            ways.append(and_(camera_id.not_in(others), at < self.default))
        # The first half bounds the index.
        return and_(at < latest, or_(*ways))


Held = Callable[..., ColumnElement[bool]]


@dataclass(frozen=True)
class Rows:
    """Rows of one table that are deleted whole. `at` orders and dates them; `pictures` are columns of keys. `needed`:
    others refer to the row, and it goes after them."""

    table: Any
    key: Sequence[Any]
    at: Any
    camera_id: Any = None
    pictures: Sequence[Any] = ()
    held: Held | None = None
    needed: Held | None = None


@dataclass
class Batch:
    rows: int = 0
    images: int = 0


def in_force(at: datetime) -> ColumnElement[bool]:
    return and_(LegalHold.released_at.is_(None), or_(LegalHold.until.is_(None), LegalHold.until > at))


def detection_held(*of: ColumnElement[bool]) -> ColumnElement[bool]:
    """That a legal hold in force keeps the passage of the row; `of` narrows which holds."""
    hold, row = LegalHold, Detection
    plates = (row.plate, row.plate_read)
    return exists(
        select(hold.id).where(
            in_force(now()),
            *of,
            or_(hold.plate.is_(None), *(plate == wanted for plate in plates for wanted in (hold.plate, hold.twin))),
            or_(hold.camera_id.is_(None), hold.camera_id == row.camera_id),
            or_(hold.detection_id.is_(None), hold.detection_id == row.id),
            or_(hold.seen_from.is_(None), row.ended_at >= hold.seen_from),
            or_(hold.seen_to.is_(None), row.started_at < hold.seen_to),
        )
    )


def correction_held(*of: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same of a correction. It is made after its passage, so only the beginning of a span tells something."""
    hold, row = LegalHold, Correction
    plates = (row.plate_before, row.plate_after)
    return exists(
        select(hold.id).where(
            in_force(now()),
            *of,
            or_(hold.plate.is_(None), *(plate == wanted for plate in plates for wanted in (hold.plate, hold.twin))),
            or_(hold.camera_id.is_(None), hold.camera_id == row.camera_id),
            or_(hold.detection_id.is_(None), hold.detection_id == row.detection_id),
            or_(hold.seen_from.is_(None), row.created_at >= hold.seen_from),
        )
    )


def alert_held(*of: ColumnElement[bool]) -> ColumnElement[bool]:
    """That a legal hold keeps the alert: its plate, its camera, its passage, when it was seen."""
    hold, row = LegalHold, Alert
    return exists(
        select(hold.id).where(
            in_force(now()),
            *of,
            or_(hold.plate.is_(None), row.plate == hold.plate, row.plate == hold.twin),
            or_(hold.camera_id.is_(None), hold.camera_id == row.camera_id),
            or_(hold.detection_id.is_(None), hold.detection_id == row.detection_id),
            or_(hold.seen_from.is_(None), row.seen_at >= hold.seen_from),
            or_(hold.seen_to.is_(None), row.seen_at < hold.seen_to),
        )
    )


def detection_needed() -> ColumnElement[bool]:
    """That an alert proves itself by the passage; one that was withdrawn does not."""
    of_passage = or_(Alert.detection_id == Detection.id, Alert.other_detection_id == Detection.id)
    return exists(select(Alert.id).where(of_passage, Alert.state != "withdrawn"))


DETECTIONS = Rows(
    Detection, (Detection.id,), Detection.started_at, Detection.camera_id,
    (Detection.snapshot_key, Detection.plate_snapshot_key), detection_held, detection_needed,
)  # fmt: skip
# Whose rows are deleted whole, by class; pictures and the audit log go their own ways (`images`, `audit_check.cut`).
ROWS: dict[str, Rows] = {
    "alerts": Rows(Alert, (Alert.id,), Alert.raised_at, Alert.camera_id, held=alert_held),
    "detections": DETECTIONS,
    "corrections": Rows(
        Correction, (Correction.id,), Correction.created_at, Correction.camera_id, (Correction.plate_snapshot_key,),
        correction_held,
    ),
    "reports": Rows(RetentionRun, (RetentionRun.id,), RetentionRun.started_at),
    # From when it was over; one in force has no such time and stays.
    "holds": Rows(LegalHold, (LegalHold.id,), func.coalesce(LegalHold.released_at, LegalHold.until)),
    "outbox": Rows(OutboxMessage, (OutboxMessage.id,), OutboxMessage.published_at),
    "frames": Rows(ProcessedFrame, (ProcessedFrame.id,), ProcessedFrame.processed_at),
    "answers": Rows(
        IdempotencyKey, (IdempotencyKey.key, IdempotencyKey.owner, IdempotencyKey.route), IdempotencyKey.created_at
    ),
    "counts": Rows(LookupCount, (LookupCount.user_id, LookupCount.bucket), LookupCount.bucket),
    "spans": Rows(CameraSpan, (CameraSpan.id,), CameraSpan.ended_at),
}  # fmt: skip


def _condition(spec: Rows, cutoffs: Cutoffs, *, held: bool) -> ColumnElement[bool]:
    kept = false() if spec.held is None else spec.held()
    needed = false() if spec.needed is None else spec.needed()
    return and_(cutoffs.due(spec.at, spec.camera_id), kept if held else not_(or_(kept, needed)))


async def counted_needed(session: AsyncSession, spec: Rows, cutoffs: Cutoffs) -> int:
    """Rows that are due and stay since others need them."""
    if spec.needed is None:
        return 0
    asked = select(func.count()).select_from(spec.table)
    return int(await session.scalar(asked.where(cutoffs.due(spec.at, spec.camera_id), spec.needed())) or 0)


async def counted(session: AsyncSession, spec: Rows, cutoffs: Cutoffs, *, held: bool) -> int:
    """Rows that are due and go, or that are due and are held."""
    if held and spec.held is None:
        return 0
    asked = select(func.count()).select_from(spec.table).where(_condition(spec, cutoffs, held=held))
    return int(await session.scalar(asked) or 0)


async def take(session: AsyncSession, spec: Rows, cutoffs: Cutoffs, doom: Doom, limit: int) -> Batch:
    """Delete up to `limit` rows that are due, and doom their pictures in the same transaction."""
    asked = (
        select(*spec.key, *spec.pictures)
        .where(_condition(spec, cutoffs, held=False))
        .order_by(spec.at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=spec.table)
    )
    found = (await session.execute(asked)).all()
    if not found:
        return Batch()
    wide = len(spec.key)
    keys = {key for row in found for key in row[wide:] if key is not None}
    if spec.table is Detection:
        keys |= await observed_pictures(session, [row[0] for row in found])
    await doom.pictures(session, keys)
    for row in found if wide > 1 else ():
        await session.execute(
            delete(spec.table).where(*(each == value for each, value in zip(spec.key, row, strict=False)))
        )
    if wide == 1:
        await session.execute(delete(spec.table).where(spec.key[0].in_([row[0] for row in found])))
    return Batch(len(found), len(keys))


async def observed_pictures(session: AsyncSession, detection_ids: Sequence[str]) -> set[str]:
    table = PassageObservation
    asked = select(table.snapshot_key, table.plate_snapshot_key).where(table.detection_id.in_(detection_ids))
    return {key for row in await session.execute(asked) for key in row if key is not None}


def _pictured(cutoffs: Cutoffs, *, held: bool) -> ColumnElement[bool]:
    return and_(Detection.snapshot_key.is_not(None), _condition(DETECTIONS, cutoffs, held=held))


async def counted_images(session: AsyncSession, cutoffs: Cutoffs, *, held: bool) -> int:
    """Passages whose pictures are due, or due and held."""
    asked = select(func.count()).select_from(Detection).where(_pictured(cutoffs, held=held))
    return int(await session.scalar(asked) or 0)


async def take_images(session: AsyncSession, cutoffs: Cutoffs, doom: Doom, limit: int) -> Batch:
    """Take the pictures from up to `limit` passages that stay."""
    asked = (
        select(Detection.id, Detection.snapshot_key, Detection.plate_snapshot_key)
        .where(_pictured(cutoffs, held=False))
        .order_by(Detection.started_at, Detection.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = (await session.execute(asked)).all()
    if not found:
        return Batch()
    ids = [row[0] for row in found]
    keys = {key for row in found for key in row[1:] if key is not None} | await observed_pictures(session, ids)
    await doom.pictures(session, keys)
    none = {"snapshot_key": None, "plate_snapshot_key": None}
    await session.execute(update(Detection).where(Detection.id.in_(ids)).values(none))
    await session.execute(update(PassageObservation).where(PassageObservation.detection_id.in_(ids)).values(none))
    return Batch(len(found), len(keys))


@dataclass(frozen=True)
class Doom:
    """Marks pictures for deletion on behalf of one class and one run."""

    class_name: str
    run_id: str | None

    async def pictures(self, session: AsyncSession, keys: set[str]) -> None:
        if not keys:
            return
        known = set(await session.scalars(select(DoomedImage.key).where(DoomedImage.key.in_(keys))))
        at = now()
        session.add_all(
            DoomedImage(key=key, class_name=self.class_name, run_id=self.run_id, doomed_at=at, tries=0)
            for key in sorted(keys - known)
        )
        await session.flush()


async def doomed(session: AsyncSession, limit: int, before: datetime) -> list[DoomedImage]:
    """Pictures to be deleted, the longest doomed first; those marked later than `before` wait for the next run."""
    asked = select(DoomedImage).where(DoomedImage.doomed_at < before)
    asked = asked.order_by(DoomedImage.tries, DoomedImage.doomed_at, DoomedImage.key).limit(limit)
    return list(await session.scalars(asked))


async def gone(session: AsyncSession, keys: Sequence[str], failed: Sequence[str]) -> None:
    """Strike pictures off that are deleted; those that could not be stay, and are tried again."""
    if keys:
        await session.execute(delete(DoomedImage).where(DoomedImage.key.in_(keys)))
    if failed:
        again = update(DoomedImage).where(DoomedImage.key.in_(failed)).values(tries=DoomedImage.tries + 1)
        await session.execute(again)
