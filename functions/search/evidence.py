"""One sighting as a document: what is known, its pictures, and who had it in hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from functions.search import listed, looking, repository, repository_cameras, repository_custody, service
from functions.search.export import NOT_ASKED
from functions.search.looking import Look
from functions.search.repository import Found
from functions.search.repository_cameras import Place
from functions.search.schemas import PlateQuery
from functions.shared.context import Context
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.scope import EVERYTHING
from functions.shared.tables import AuditRow, Correction, PassageObservation
from functions.shared.tokens import Principal

Language = Literal["pt-BR", "en"]
MOST_CUSTODY, MOST_EXPORTS = 100, 50


@dataclass(frozen=True)
class Picture:
    """A JPEG as it is stored now. `kind`: vehicle or plate. `stored_sha256`: of what was stored, None where nobody
    noted it."""

    kind: str
    jpeg: bytes
    stored_sha256: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


@dataclass(frozen=True)
class Custody:
    """One act on the sighting, of the audit log; `row_hash` proves its row."""

    seq: int
    at: datetime
    actor: str
    action: str
    reason: str | None
    row_hash: str


@dataclass(frozen=True)
class Evidence:
    """All that the document shows; the same evidence draws the same bytes.

    `document` names the row of the audit log that was written for it, by number and hash.
    """

    document: str
    made_at: datetime
    asked_by: str
    reason: str | None
    zone: str
    record: Mapping[str, Any]
    camera: Place | None
    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]
    custody: tuple[Custody, ...]

    @property
    def record_bytes(self) -> bytes:
        """The record as it is hashed and attached: JSON, keys sorted, no blanks, UTF-8."""
        return canonical(self.record)

    @property
    def record_sha256(self) -> str:
        return hashlib.sha256(self.record_bytes).hexdigest()


def canonical(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


async def document(
    context: Context, detection_id: str, who: Principal, reason: str | None, language: Language
) -> tuple[str, bytes]:
    """Its name and the PDF. Raises NotFound, InvalidInput, Forbidden for who sees plates masked."""
    look = looking.look_of(context, who, reason, by_plate=True)
    looking.require_unmasked(context, look, "the document would show one")
    found = await service.get(context, detection_id, who)
    made = await _gathered(context, found, look)
    from functions.search.document import draw

    return f"gt-vision-{made.document}.pdf", await asyncio.to_thread(draw, made, language)


async def _gathered(context: Context, found: Found, look: Look) -> Evidence:
    row = found.detection
    async with context.db.read() as session:
        seen = await repository.observations(session, row.id)
        corrections = await repository.corrections_of(session, row.id)
        places = await repository_cameras.places_of(session, [row.camera_id])
        acts = await repository_custody.acts_on(session, row.id, row.plate, MOST_CUSTODY)
        acts += await _exports(context, found, look)
    pictures, missing = await _pictures(context, found)
    record = _record(found, seen, corrections)
    details = {
        "plates": 0 if row.plate is None else 1, "plate": row.plate,
        "pictures": {each.kind: each.sha256 for each in pictures},
        "record": hashlib.sha256(canonical(record)).hexdigest(),
    }  # fmt: skip
    acts.sort(key=lambda act: act.seq)
    written = await looking.record(context, look, "detections.evidence", row.id, details)
    return Evidence(
        document=f"{written.seq}-{written.hash[:16]}", made_at=written.at, asked_by=look.who.username,
        reason=look.reason, zone=context.settings.time_zone, record=record, camera=places.get(row.camera_id),
        pictures=pictures, missing=missing, custody=tuple(map(_custody, acts)),
    )  # fmt: skip


async def _pictures(context: Context, found: Found) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """The stored pictures, and the kinds of those that should be there and are not any more."""
    row = found.detection
    pictures, missing = [], []
    for kind, key, stored in (
        ("vehicle", row.snapshot_key, row.snapshot_sha256), ("plate", row.plate_snapshot_key, row.plate_snapshot_sha256)
    ):  # fmt: skip
        if key is None:
            continue
        try:
            pictures.append(Picture(kind, await context.store.get(key), stored))
        except NotFound:
            missing.append(kind)
    return tuple(pictures), tuple(missing)


async def _exports(context: Context, found: Found, look: Look) -> list[AuditRow]:
    """Exports whose question finds this sighting, the newest; what it was then, nobody can say any more."""
    row, held = found.detection, []
    async with context.db.read() as session:
        for act in await repository_custody.exports_since(session, row.created_at, MOST_EXPORTS):
            asked = {name: value for name, value in act.details.items() if name not in NOT_ASKED}
            try:
                query = PlateQuery.model_validate(asked)
            except ValidationError:
                continue
            exact = query.model_copy(update={"match": "exact"}) if query.match == "fuzzy" else query
            # Who exported saw the cameras of some groups, perhaps, and of others nothing went out.
            scope = look.who.scope.within(act.details.get("groups"))
            filters = replace(service.filters_of(context, exact, Look(look.who)), scope=scope)
            try:
                # By the lists as they are now, whoever asks; one that is gone shows nothing any more.
                wanted = sorted(set(query.hotlist_id))
                filters = await listed.by_lists(session, filters, wanted, EVERYTHING) if wanted else filters
            except InvalidInput:
                continue
            if await repository.holds(session, filters, row.id):
                held.append(act)
    return held


def _custody(act: AuditRow) -> Custody:
    return Custody(act.seq, act.at, act.actor, act.action, act.reason, act.hash)


def _record(found: Found, seen: Sequence[PassageObservation], corrections: Sequence[Correction]) -> dict[str, Any]:
    """What is stored of the sighting, JSON-ready, without anything that changes by being asked."""
    row = found.detection
    plain = (
        "id", "camera_id", "final", "vehicle_type", "vehicle_confidence", "color", "color_confidence", "direction",
        "plate", "plate_confidence", "plate_format", "plate_rows", "plate_read", "corrected", "uncertain",
        "candidates", "box", "observation_count", "snapshot_key", "plate_snapshot_key",
        "snapshot_sha256", "plate_snapshot_sha256",
    )  # fmt: skip
    return {
        **{name: getattr(row, name) for name in plain},
        "started_at": _utc(row.started_at), "ended_at": _utc(row.ended_at), "stored_at": _utc(row.created_at),
        "readings": [
            {"captured_at": _utc(one.captured_at), "frame_id": one.frame_id, "plate": one.plate,
             "plate_confidence": one.plate_confidence, "plate_format": one.plate_format, "plate_box": one.plate_box,
             "vehicle_type": one.vehicle_type, "vehicle_box": one.vehicle_box, "candidates": one.candidates}
            for one in seen
        ],
        "corrections": [
            {"at": _utc(one.created_at), "by": one.created_by, "source": one.source, "model": one.model,
             "reason": one.reason, "plate_before": one.plate_before, "plate_after": one.plate_after}
            for one in corrections
        ],
    }  # fmt: skip


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
