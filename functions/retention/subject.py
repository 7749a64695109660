"""What the law gives the person behind a plate: a report of all that is stored, and its erasure with a proof."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention import deleting, service, subject_possible, subject_rows
from functions.retention.due import Doom
from functions.retention.schemas import EraseReport, EraseRequest, Picture, SubjectReport, SubjectRequest
from functions.shared import audit, chain, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Conflict, NotFound
from functions.shared.locks import lock_camera
from functions.shared.plates import twins
from functions.shared.tables import Correction, Detection, LegalHold, PassageObservation, Table
from functions.shared.tokens import Principal

log = logs.get("privacy")
MOST = 20_000
# Pictures read at once for their hashes.
_ABREAST = 8
KEPT = {
    "audit": "who looked the plate up, when and why: the record of processing (LGPD art. 37 and 16 I), which also "
    "protects the person; it goes with the class audit",
    "events": "the bus lets its events go by itself after 7 days, dead letters after 30",
    "receivers": "what webhooks and exports handed on is with their receivers, who must be told (LGPD art. 18 par. 6)",
    "backups": "copies of the database and the store are the operator's",
}


def named(text: str) -> list[str]:
    """The plate and its twin. Raises InvalidInput."""
    plate = service.whole_plate(text)
    return [plate, *twins(plate)]


async def report(context: Context, who: Principal, asked: SubjectRequest) -> SubjectReport:
    """Everything stored on a plate and its twin, and what may be of them. Raises InvalidInput."""
    plates = named(asked.plate)
    async with context.db.transaction() as session:
        seen = await subject_rows.detections(session, plates, MOST + 1)
        possible = await subject_possible.passages(session, plates, MOST + 1)
        frames = await subject_rows.observations(session, [row.id for row in seen[:MOST]])
        corrections = await subject_rows.corrections(session, plates, MOST + 1)
        alerts = await subject_rows.alerts(session, plates, MOST + 1)
        lookups = await subject_rows.looked_up(session, plates, [row.id for row in seen[:MOST]], MOST + 1)
        answer = SubjectReport(
            plates=plates, made_at=now(),
            complete=max(len(seen), len(possible), len(corrections), len(alerts), len(lookups)) <= MOST,
            detections=[fields(row) | {"observations": []} for row in seen[:MOST]],
            corrections=[fields(row) for row in corrections[:MOST]], alerts=[fields(row) for row in alerts[:MOST]],
            possible=[subject_possible.shown(row, plates, list(_pictures([row]))) for row in possible[:MOST]],
            pictures=[*_pictures(seen[:MOST]), *_corrections_pictures(corrections[:MOST])],
            holds=[service.hold_view(row) for row in await subject_rows.holds_on(session, plates)],
            lookups=lookups[:MOST], elsewhere=await subject_rows.elsewhere(session, plates),
        )  # fmt: skip
        by_id = {item["id"]: item["observations"] for item in answer.detections}
        for frame in frames:
            by_id[frame.detection_id].append(fields(frame))
        details = {"plates": 1, "detections": len(answer.detections), "possible": len(answer.possible),
                   "pictures": len(answer.pictures)}  # fmt: skip
        await audit.record(context.vault, session, who, Act("privacy.report", plates[0], asked.reason, details))
    return answer


def fields(row: Table) -> dict[str, Any]:
    """A row as JSON-ready facts, by its columns; keys of the store are not for others."""
    # What the database computes says nothing more, and is not fetched with the row.
    found = {one.key: getattr(row, one.key) for one in row.__table__.columns if one.computed is None}
    return {
        name: chain.moment(value) if isinstance(value, datetime) else value
        for name, value in found.items()
        if not name.endswith("_key")
    }


def _pictures(rows: Iterable[Detection]) -> Iterable[Picture]:
    for row in rows:
        path = f"/api/detections/{row.id}/snapshot.jpg"
        if row.snapshot_key is not None:
            yield Picture(url=path, kind="vehicle", of=row.id)
        if row.plate_snapshot_key is not None:
            yield Picture(url=f"{path}?kind=plate", kind="plate", of=row.id)


def _corrections_pictures(rows: Iterable[Correction]) -> Iterable[Picture]:
    for row in rows:
        if row.plate_snapshot_key is not None:
            yield Picture(url=f"/api/corrections/{row.id}/plate.jpg", kind="correction", of=row.id)


async def erase(context: Context, who: Principal, asked: EraseRequest) -> EraseReport:
    """Delete what is stored on a plate and its twin. Raises InvalidInput, and Conflict where a legal hold keeps it."""
    plates = named(asked.plate)
    work = deleting.Run(context, "erase", who, dry_run=asked.dry_run)
    async with context.db.read() as session:
        possible = await subject_possible.passages(session, plates, MOST)
    also = possible if asked.possible else []
    await _require_free(context, plates, [row.id for row in also])
    pictures = await _hashes(context, plates, also)
    if asked.dry_run:
        foreseen = await _foreseen(context, work.id, plates, pictures, len(also))
        return foreseen.model_copy(update={"possible": len(possible) - len(also)})
    await work.begin()
    failure: BaseException | None = None
    try:
        answer = await _erase(context, who, asked, work, pictures)
    except BaseException as error:
        failure = error
        raise
    finally:
        await asyncio.shield(work.end(failure))
    log.info("plate_erased", run_id=work.id, proof=answer.proof_sha256, **answer.counts)
    return answer


async def _require_free(context: Context, plates: Sequence[str], also: Sequence[str]) -> None:
    async with context.db.read() as session:
        holds = await _holds(session, plates, also)
    if holds:
        cases = ", ".join(sorted({row.case_number for row in holds}))
        raise Conflict(
            f"a legal hold keeps this: case {cases}; release it first, or erase when it is over",
            holds=[row.id for row in holds],
        )  # fmt: skip


async def _holds(session: AsyncSession, plates: Sequence[str], also: Sequence[str]) -> list[LegalHold]:
    found = {row.id: row for row in await subject_rows.holds_on(session, plates)}
    found |= {row.id: row for row in await subject_possible.holds_on(session, also)}
    return [found[key] for key in sorted(found)]


async def _hashes(context: Context, plates: Sequence[str], also: Sequence[Detection]) -> dict[str, str]:
    """SHA-256 of every picture that the rows name, by key; "absent" where it is not in the store any more."""
    async with context.db.read() as session:
        seen = [row for row in await subject_rows.detections(session, plates, MOST) if row.plate in plates]
        seen += also
        frames = await subject_rows.observations(session, [row.id for row in seen])
        corrections = await subject_rows.corrections(session, plates, MOST)
        corrections += await subject_rows.corrections_of(session, [row.id for row in seen])
    pictured: list[Detection | PassageObservation] = [*seen, *frames]
    keys = {key for row in pictured for key in (row.snapshot_key, row.plate_snapshot_key) if key is not None}
    keys |= {row.plate_snapshot_key for row in corrections if row.plate_snapshot_key is not None}
    places = asyncio.Semaphore(_ABREAST)

    async def one(key: str) -> tuple[str, str]:
        async with places:
            try:
                return key, hashlib.sha256(await context.store.get(key)).hexdigest()
            except NotFound:
                return key, "absent"

    return dict(await asyncio.gather(*(one(key) for key in sorted(keys))))


async def _foreseen(
    context: Context, run_id: str, plates: list[str], pictures: dict[str, str], possible: int
) -> EraseReport:
    async with context.db.read() as session:
        counts = await subject_rows.remaining(session, plates)
        counts |= {
            f"elsewhere {name}": number for name, number in (await subject_rows.elsewhere(session, plates)).items()
        }
    counts["pictures"] = len(pictures)
    if possible:
        counts |= {"detections": counts["detections"] + possible, "possible": possible}
    return EraseReport(
        run_id=run_id,
        dry_run=True,
        possible=0,
        plates=plates,
        counts=counts,
        proof=[],
        proof_sha256="",
        remaining=counts,
        kept=KEPT,
    )


async def _erase(
    context: Context, who: Principal, asked: EraseRequest, work: deleting.Run, pictures: dict[str, str]
) -> EraseReport:
    plates = named(asked.plate)
    doom = Doom("erased", work.id)
    async with context.db.transaction() as session:
        possible = await subject_possible.passages(session, plates, MOST)
        also = possible if asked.possible else []
        holds = await _holds(session, plates, [row.id for row in also])
        if holds:
            raise Conflict("a legal hold was placed on this just now", holds=[row.id for row in holds])
        seen = await subject_rows.detections(session, plates, MOST)
        # No frame joins these passages while they go.
        for camera_id in sorted({row.camera_id for row in (*seen, *also)}):
            await lock_camera(session, camera_id)
        mine, others = [row for row in seen if row.plate in plates], [row for row in seen if row.plate not in plates]
        mine += also
        ids = [row.id for row in mine]
        frames = await subject_rows.observations(session, ids)
        corrections = {row.id: row for row in await subject_rows.corrections(session, plates, MOST)}
        corrections |= {row.id: row for row in await subject_rows.corrections_of(session, ids)}
        alerts = {row.id: row for row in await subject_rows.alerts(session, plates, MOST)}
        alerts |= {row.id: row for row in await subject_rows.alerts_of(session, ids)}
        rows: list[Table] = [*mine, *frames, *corrections.values(), *alerts.values()]
        proof = [_row_proof(row) for row in rows]
        keys = await subject_rows.erase_detections(session, ids, doom)
        keys |= await subject_rows.erase_corrections(session, list(corrections.values()), doom)
        await subject_rows.erase_alerts(session, list(alerts.values()))
        await subject_rows.mask_misread(session, others, plates)
        counts = {"detections": len(mine), "observations": len(frames), "corrections": len(corrections),
                  "alerts": len(alerts), "misread": len(others)}  # fmt: skip
        counts |= {"possible": len(also)} if asked.possible else {}
        counts |= await subject_rows.erase_messages(session, plates)
        counts |= await subject_rows.erase_deliveries(session, plates)
        proof += [{"of": "picture", "id": key, "sha256": pictures.get(key, "not read")} for key in sorted(keys)]
        digest = hashlib.sha256(json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        details = {"run_id": work.id, "counts": counts, "pictures": len(keys), "proof_sha256": digest}
        # The act is known by a keyed hash of the plate alone: to erase it must not write it down once more.
        act = Act("privacy.erase", audit_name(context, plates[0]), asked.reason, details)
        await audit.record(context.vault, session, who, act)
    work.report |= {"counts": counts, "proof_sha256": digest, "proof": proof}
    await deleting.drain(work)
    async with context.db.read() as session:
        left = await subject_rows.remaining(session, plates)
        still = await subject_rows.still_doomed(session, sorted(keys))
        others_left = await subject_rows.elsewhere(session, plates)
    counts["pictures"] = len(keys)
    return EraseReport(
        run_id=work.id, dry_run=False, plates=plates, counts=counts, possible=len(possible) - len(also),
        proof=proof, proof_sha256=digest, kept=KEPT,
        remaining=left | {"pictures": still} | {f"elsewhere {name}": number for name, number in others_left.items()},
    )  # fmt: skip


def audit_name(context: Context, plate: str) -> str:
    """What stands for a plate where an erasure is recorded; who knows the plate and the key can find it again."""
    return f"plate:{context.vault.sign(f'erased:{plate}')}"


def _row_proof(row: Any) -> dict[str, str]:
    text = json.dumps(fields(row), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return {"of": row.__tablename__, "id": row.id, "sha256": hashlib.sha256(text.encode()).hexdigest()}
