"""The rule of reads: what another system saw of a known camera becomes a detection, once, and is told of like ours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from prometheus_client import Counter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.ingest import reads_repository as repository
from functions.ingest.reads_pictures import Pictures, pictures_of
from functions.ingest.reads_repository import KnownCamera
from functions.ingest.reads_shapes import Parsed, Read
from functions.shared import audit, formats, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import Candidate, DetectionRecorded, new_id, now
from functions.shared.errors import Conflict, GTVisionError, InvalidInput, NotFound
from functions.shared.outbox import enqueue
from functions.shared.store import image_key
from functions.shared.tables import CameraAlias, Detection, ReceivedRead
from functions.shared.tokens import Principal

log = logs.get("ingest")
READS = Counter("gtv_ingest_reads_total", "Reads of other systems", ["source", "outcome"])
# A sender that tells of each frame: reads of one plate that follow each other so soon are one passage.
SAME_PASSAGE = timedelta(seconds=10)
# How long an answer waits for the bus; what was committed goes out once a relay of any process runs.
PATIENCE_S = 1.0
Outcome = Literal["recorded", "repeated", "joined"]


@dataclass(frozen=True)
class Taken:
    """What became of a read."""

    read: Read
    camera_id: str
    detection_id: str
    outcome: Outcome
    picture_refused: bool = False


async def take(context: Context, who: Principal, parsed: Parsed) -> list[Taken]:
    """Record every read, or none. Raises InvalidInput naming a camera that is not known."""
    async with context.db.read() as session:
        cameras = [await _camera(session, who, read) for read in parsed.reads]
        before = [await repository.received(session, camera.id, read.external_id)
                  for camera, read in zip(cameras, parsed.reads, strict=True)]  # fmt: skip
    drawn = await draw([read if known is None else None for read, known in zip(parsed.reads, before, strict=True)])
    try:
        taken = await _record(context, parsed.reads, cameras, drawn)
    except IntegrityError:
        # The same read was recorded by another request in this moment: the second look finds it.
        taken = await _record(context, parsed.reads, cameras, drawn)
    for item in taken:
        READS.labels(item.read.source, item.outcome).inc()
    if any(item.outcome != "repeated" for item in taken):
        await _let_out(context)
    return taken


async def draw(reads: Sequence[Read | None]) -> list[Pictures]:
    """Their pictures; a request that is over (cancelled) ends the work of the thread, which does not see it."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(pictures_of, reads, stop)
    finally:
        stop.set()


async def _camera(session: AsyncSession, who: Principal, read: Read) -> KnownCamera:
    found = await repository.camera_named(session, who.scope, read.cameras)
    if found is None:
        name = read.cameras[-1]
        raise InvalidInput(
            f"camera_id: there is no camera {name}, and none has it as an alias; "
            f"`gtvision aliases add {name} CAMERA` says which it is",
            field="camera_id", camera=name,
        )  # fmt: skip
    return found


async def _record(
    context: Context, reads: Sequence[Read], cameras: Sequence[KnownCamera], drawn: Sequence[Pictures]
) -> list[Taken]:
    """All of them in one transaction; pictures are stored before, and taken away again when it fails."""
    stored: list[str] = []
    try:
        ids = [new_id() for _ in reads]
        keys = [await _store(context, camera.id, read, detection_id, pictures, stored)
                for camera, read, detection_id, pictures in zip(cameras, reads, ids, drawn, strict=True)]  # fmt: skip
        taken = []
        async with context.db.transaction() as session:
            for place, read in enumerate(reads):
                row = _row(context, read, cameras[place], ids[place], keys[place])
                row.snapshot_sha256, row.plate_snapshot_sha256 = drawn[place].hashes
                taken.append(await _add(session, read, row, refused=drawn[place].refused))
    except BaseException:
        await _forget(context, stored)
        raise
    unused = {ids[place] for place, item in enumerate(taken) if item.detection_id != ids[place]}
    await _forget(context, [key for key in stored if any(detection_id in key for detection_id in unused)])
    return taken


async def _store(
    context: Context, camera_id: str, read: Read, detection_id: str, pictures: Pictures, stored: list[str]
) -> tuple[str | None, str | None]:
    keys: list[str | None] = []
    for kind, picture in (("vehicles", pictures.vehicle), ("plates", pictures.plate)):
        key = None
        if picture is not None:
            key = image_key(kind, camera_id, read.started_at, detection_id)
            stored.append(key)
            await context.store.put(key, picture)
        keys.append(key)
    return keys[0], keys[1]


async def _forget(context: Context, keys: Sequence[str]) -> None:
    for key in keys:
        with contextlib.suppress(GTVisionError):
            await context.store.delete(key)


async def _add(session: AsyncSession, read: Read, row: Detection, *, refused: bool) -> Taken:
    known = await repository.received(session, row.camera_id, read.external_id)
    if known is not None:
        return Taken(read, row.camera_id, known, "repeated")
    outcome: Outcome = "recorded"
    if read.per_frame and read.plate is not None:
        since = read.started_at - SAME_PASSAGE
        earlier = await repository.passing(session, row.camera_id, read.plate, read.source, since)
        if earlier is not None and earlier.started_at <= read.started_at + SAME_PASSAGE:
            _extend(earlier, read)
            row, outcome = earlier, "joined"
    if outcome == "recorded":
        session.add(row)
        await session.flush()
    session.add(
        ReceivedRead(
            camera_id=row.camera_id, external_id=read.external_id, detection_id=row.id, received_at=now()
        )
    )  # fmt: skip
    await session.flush()
    enqueue(session, _told(row))
    return Taken(read, row.camera_id, row.id, outcome, refused)


def _extend(row: Detection, read: Read) -> None:
    row.started_at, row.ended_at = min(row.started_at, read.started_at), max(row.ended_at, read.ended_at)
    row.observation_count, row.updated_at = row.observation_count + 1, now()
    row.plate_confidence = max(row.plate_confidence or 0.0, read.confidence or 0.0) or None


def _row(
    context: Context, read: Read, camera: KnownCamera, detection_id: str, keys: tuple[str | None, str | None]
) -> Detection:  # fmt: skip
    least = context.settings.min_plate_confidence if camera.min_confidence is None else camera.min_confidence
    at = now()
    return Detection(
        id=detection_id, camera_id=camera.id, started_at=read.started_at, ended_at=read.ended_at, final=True,
        vehicle_type=read.vehicle_type, vehicle_confidence=read.vehicle_confidence, color=read.color,
        color_confidence=read.color_confidence, direction=read.direction, plate=read.plate,
        plate_reversed=read.plate[::-1] if read.plate else None, plate_confidence=read.confidence,
        plate_format=formats.format_of(read.plate, camera.formats) if read.plate else None, plate_read=read.plate,
        corrected=False, uncertain=read.confidence is not None and read.confidence < least,
        candidates=[{"text": text, "confidence": confidence} for text, confidence in read.candidates],
        box=list(read.box or read.plate_box or ()) or None, stationary=read.stationary, observation_count=1,
        best_score=0.0, snapshot_key=keys[0], plate_snapshot_key=keys[1], source=read.source,
        correlation_id=logs.correlation_id() or logs.bind_correlation(), created_at=at, updated_at=at,
    )  # fmt: skip


def _told(row: Detection) -> DetectionRecorded:
    """Fields of the event that bear a column's name are that column."""
    own = DetectionRecorded.model_fields.keys() - {"id", "occurred_at", "candidates"}
    facts = {name: getattr(row, name) for name in own if hasattr(row, name)}
    candidates = tuple(Candidate.model_validate(item) for item in row.candidates)
    return DetectionRecorded.model_validate(
        facts | {"detection_id": row.id, "observations": row.observation_count, "candidates": candidates}
    )


async def _let_out(context: Context) -> None:
    try:
        relay = await asyncio.wait_for(context.relay(), PATIENCE_S)
    except (TimeoutError, GTVisionError) as error:
        log.warning("reads_wait_for_the_bus", reason=str(error) or type(error).__name__)
    else:
        relay.kick()


# aliases


async def add_alias(context: Context, session: AsyncSession, who: Principal, alias: str, camera_id: str) -> CameraAlias:
    """Raises InvalidInput (camera_id), Conflict (the alias is taken, or would take the reads of a camera that somebody
    who sees some groups only does not see: a sender's `AGENT:1000` goes before `1000`)."""
    camera = await repository.camera_named(session, who.scope, [camera_id])
    if camera is None or camera.id != camera_id:
        raise InvalidInput(f"camera_id: there is no camera {camera_id}", field="camera_id")
    hidden = [alias[at + 1 :] for at, letter in enumerate(alias) if letter == ":"]
    if hidden and not who.scope.everything and await repository.is_of_others(session, who.scope, hidden):
        raise Conflict(
            f"the alias {alias} would go before a name of a camera that is not in your groups; an account for all "
            "groups can add it", field="alias",
        )  # fmt: skip
    row = CameraAlias(alias=alias, camera_id=camera_id, created_at=now())
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"the alias {alias} is taken; remove it first", field="alias") from None
    await audit.record(context.vault, session, who, Act("aliases.create", camera_id, details={"alias": alias}))
    return row


async def remove_alias(context: Context, who: Principal, alias: str) -> None:
    """Raises NotFound."""
    async with context.db.transaction() as session:
        row = await repository.alias(session, who.scope, alias) if alias.isprintable() else None
        if row is None:
            raise NotFound("there is no such alias")
        await session.delete(row)
        await session.flush()
        await audit.record(context.vault, session, who, Act("aliases.delete", row.camera_id, details={"alias": alias}))
