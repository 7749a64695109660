"""The SQL of `camera_spans`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import new_id
from functions.shared.tables import Camera, CameraSpan


async def hold(session: AsyncSession, camera_id: str) -> Camera | None:
    """The camera's row, also of one that was deleted, kept from others until the commit: one writer of its spans."""
    return (await session.scalars(select(Camera).where(Camera.id == camera_id).with_for_update())).first()


async def open_span(session: AsyncSession, camera_id: str) -> CameraSpan | None:
    found = select(CameraSpan).where(CameraSpan.camera_id == camera_id, CameraSpan.ended_at.is_(None))
    return (await session.scalars(found.order_by(CameraSpan.started_at.desc()).limit(1))).first()


async def move(session: AsyncSession, camera_id: str, state: str | None, reason_code: str, at: datetime) -> bool:
    """End the present span at `at` and begin one of this state (None: begin none); whether anything changed.

    What lies before the present span's start, or says what it says already, changes nothing: so a message that comes
    twice, or a watch that was slower than a message, does no harm.
    """
    present = await open_span(session, camera_id)
    if present is not None:
        if (present.state, present.reason_code) == (state, reason_code) or at < present.started_at:
            return False
        present.ended_at = at
        if at == present.started_at:
            await session.delete(present)
        await session.flush()
    elif state is None:
        return False
    if state is not None:
        at = at if present is not None else await _after_the_last(session, camera_id, at)
        session.add(
            CameraSpan(
                id=new_id(), camera_id=camera_id, state=state, reason_code=reason_code[:32], started_at=at,
                ended_at=None,
            )
        )  # fmt: skip
        await session.flush()
    return True


async def _after_the_last(session: AsyncSession, camera_id: str, at: datetime) -> datetime:
    """`at`, but not before the end of what is there: spans do not overlap."""
    found = select(CameraSpan.ended_at).where(CameraSpan.camera_id == camera_id, CameraSpan.ended_at.is_not(None))
    last = (await session.scalars(found.order_by(CameraSpan.ended_at.desc()).limit(1))).first()
    return at if last is None else max(at, last)


async def open_spans(session: AsyncSession) -> dict[str, CameraSpan]:
    rows = await session.scalars(select(CameraSpan).where(CameraSpan.ended_at.is_(None)))
    return {row.camera_id: row for row in rows}


async def watched(session: AsyncSession) -> Sequence[Camera]:
    return (await session.scalars(select(Camera).where(Camera.deleted_at.is_(None)))).all()


async def between(session: AsyncSession, camera_id: str, since: datetime, until: datetime) -> Sequence[CameraSpan]:
    """Spans of a camera that touch the time, by their starts."""
    found = select(CameraSpan).where(
        CameraSpan.camera_id == camera_id, CameraSpan.started_at < until,
        or_(CameraSpan.ended_at.is_(None), CameraSpan.ended_at > since),
    )  # fmt: skip
    return (await session.scalars(found.order_by(CameraSpan.started_at))).all()
