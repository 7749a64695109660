"""What people are shown of cameras: a page, one with its state, its newest picture. Never an address."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, names, reading_rows, repository, status, urls
from functions.cameras.schemas import CameraPage, CameraQuery, CameraView, Fault, StatusView
from functions.shared.context import Context
from functions.shared.contracts import FrameMeta
from functions.shared.errors import BusUnavailable, GTVisionError, NotFound
from functions.shared.scope import Scope
from functions.shared.tables import Camera

_SCAN = 500


def plain(given: BaseModel, *, only: Set[str] | None = None, exclude: Set[str] = frozenset()) -> dict[str, Any]:
    """Fields of a body as the table's columns hold them: what is a model becomes JSON."""
    kept = (type(given).model_fields.keys() if only is None else only) - exclude
    return {name: _json(getattr(given, name)) for name in kept}


def _json(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return [item.model_dump(mode="json") for item in value]
    return value


async def list_cameras(context: Context, query: CameraQuery, scope: Scope) -> CameraPage:
    """A page of cameras by id. Raises InvalidInput (cursor), BusUnavailable (`state` that nobody knows)."""
    known = await status.statuses(context)
    if known is None and query.state not in (None, "disabled", "unknown"):
        raise BusUnavailable("the cameras' states are not known while NATS is away; list without `state`")
    behind = names.decode_cursor(query.cursor)
    narrow = repository.Narrow(scope, query.enabled, query.group_id, query.deleted)
    kept: list[tuple[Camera, StatusView]] = []
    async with context.db.read() as session:
        while len(kept) <= query.limit:
            rows = await repository.cameras_after(session, behind, _SCAN, narrow)
            found = ((row, status.view(row, known)) for row in rows)
            kept += [(row, how) for row, how in found if _asked_for(query, row, how)]
            if len(rows) < _SCAN:
                break
            behind = rows[-1].id
        wrong = await _wrong(session, [row.id for row, _ in kept[: query.limit]])
    more = names.encode_cursor(kept[query.limit - 1][0].id) if len(kept) > query.limit else None
    return CameraPage(
        items=[view(context, row, how, wrong.get(row.id, [])) for row, how in kept[: query.limit]], next_cursor=more
    )


def _asked_for(query: CameraQuery, row: Camera, how: StatusView) -> bool:
    tags = {names.folded(tag) for tag in row.tags or ()}
    if query.state is not None and how.state != query.state:
        return False
    if query.vendor is not None and names.folded(query.vendor) != names.folded(row.vendor or ""):
        return False
    if not {names.folded(tag) for tag in query.tag} <= tags:
        return False
    part = names.folded(query.q or "")
    texts = (row.name, row.id, row.location or "", row.vendor or "", row.model or "")
    return any(part in text for text in (*map(names.folded, texts), *tags))


async def _wrong(session: AsyncSession, camera_ids: Sequence[str]) -> dict[str, list[Fault]]:
    """What stands of the reading of each of the cameras; of those left out nothing does."""
    found = await reading_rows.standing(session, camera_ids)
    mends = status.READING_MENDS
    return {name: [Fault(code=code, mend=mends.get(code, "")) for code in codes] for name, codes in found.items()}


async def with_status(context: Context, row: Camera) -> CameraView:
    async with context.db.read() as session:
        wrong = await _wrong(session, [row.id])
    return view(context, row, await status.status_of(context, row), wrong.get(row.id, []))


async def snapshot(context: Context, row: Camera) -> tuple[FrameMeta, bytes]:
    """The newest frame of a camera. Raises NotFound, with why there is none, and BusUnavailable."""
    found = await (await feed.bus_soon(context)).last_frame(row.id)
    if found is None:
        how = await status.status_of(context, row)
        raise NotFound(f"there is no frame of the last minute: {how.reason or how.state}", state=how.state)
    return found


def view(
    context: Context, row: Camera, how: StatusView | None = None, reading: list[Fault] | None = None
) -> CameraView:
    url = address(context, row)
    credentials = None if url is None else urls.parse(url).has_credentials
    fields = CameraView.model_fields.keys() - {"has_credentials", "status", "reading"}
    facts = {name: getattr(row, name) for name in fields}
    return CameraView(**facts, has_credentials=credentials, status=how, reading=reading)


def address(context: Context, row: Camera) -> str | None:
    """The URL in clear, or None when no key fits any more, or the camera was taken out: then it can only be given
    anew."""
    try:
        return context.vault.decrypt(row.url_encrypted)
    except GTVisionError:
        return None
