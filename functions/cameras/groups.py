"""The rules of groups: cameras that belong together, and the formats that plates there may have."""

from __future__ import annotations

import re

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import names, repository
from functions.cameras.schemas import GroupCreate, GroupPage, GroupQuery, GroupUpdate, GroupView
from functions.shared import logs
from functions.shared.audit import Act, record
from functions.shared.context import Context
from functions.shared.contracts import CAMERA_ID, now
from functions.shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from functions.shared.formats import DEFAULT
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.revisions import require_revision
from functions.shared.scope import Scope
from functions.shared.tables import Group
from functions.shared.tokens import Principal

log = logs.get("cameras")
_TRIES = 5


class _IdTaken(Exception):
    """Another request took the id in the meantime."""


async def list_groups(context: Context, query: GroupQuery, scope: Scope) -> GroupPage:
    """A page of groups by id. Raises InvalidInput (cursor)."""
    behind = names.decode_cursor(query.cursor)
    async with context.db.read() as session:
        rows = await repository.groups_after(session, behind, query.limit + 1, scope)
        counts = await repository.cameras_by_group(session, [row.id for row in rows])
    kept = rows[: query.limit]
    more = names.encode_cursor(kept[-1].id) if len(rows) > query.limit else None
    return GroupPage(items=[_view(row, counts.get(row.id, 0)) for row in kept], next_cursor=more)


async def show_group(context: Context, group_id: str, scope: Scope) -> GroupView:
    """Raises NotFound."""
    async with context.db.read() as session:
        row = await _existing(session, group_id, scope)
        return await _counted(session, row)


async def create_group(context: Context, given: GroupCreate, attempt: Attempt, who: Principal) -> Answer:
    """Add a group. Raises Conflict (its id), Forbidden (whoever sees some groups only would not see it)."""
    require_everything(who)

    async def work(session: AsyncSession) -> Answer:
        used = await repository.used_group_ids(session, given.id or names.slug(given.name, "group"))
        if given.id in used:
            raise Conflict("there is a group with this id, or cameras that were deleted were in one", field="id")
        group_id = given.id or names.free_id(given.name, used, "group")
        row = add(session, group_id, given.name, given.plate_formats)
        try:
            await session.flush()
        except IntegrityError:
            raise _IdTaken from None
        await record(context.vault, session, who, Act("groups.create", group_id, details={"name": row.name}))
        return Answer(201, _view(row, 0).model_dump(mode="json"))

    for _ in range(1 if given.id else _TRIES):
        try:
            answer = await once(context, attempt, work)
        except _IdTaken:
            continue
        if not answer.replayed:
            log.info("group_created", group_id=answer.body["id"])
        return answer
    raise Conflict("there is a group with this id already", field="id")


def require_everything(who: Principal) -> None:
    """Raises Forbidden for whoever may see the cameras of some groups only."""
    if not who.scope.everything:
        raise Forbidden("your account is for some groups only: a new group is made by one that is for all of them")


def add(session: AsyncSession, group_id: str, name: str, plate_formats: list[str] | None = None) -> Group:
    """Add the row of a group to a transaction; without formats it has those of Brazil."""
    at = now()
    formats = list(DEFAULT) if plate_formats is None else plate_formats
    row = Group(id=group_id, name=name, plate_formats=formats, revision=1, created_at=at, updated_at=at)
    session.add(row)
    return row


async def update_group(
    context: Context, group_id: str, change: GroupUpdate, revision: int | None, who: Principal
) -> GroupView:
    """Change the fields that are given. Raises NotFound, Conflict (changed meanwhile)."""
    given = change.model_dump(exclude_unset=True)
    async with context.db.transaction() as session:
        row = await _existing(session, group_id, who.scope, lock=True)
        require_revision(row, revision, "group")
        changed = {name: value for name, value in given.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.revision, row.updated_at = row.revision + 1, now()
        found = await _counted(session, row)
        if changed:
            details = {"fields": sorted(changed), "plate_formats": row.plate_formats}
            await record(context.vault, session, who, Act("groups.update", group_id, details=details))
    if changed:
        log.info("group_updated", group_id=group_id, fields=sorted(changed))
    return found


async def delete_group(context: Context, group_id: str, revision: int | None, who: Principal) -> None:
    """Take an empty group out. Raises NotFound, Conflict (cameras are in it, or it was changed meanwhile)."""
    async with context.db.transaction() as session:
        row = await _existing(session, group_id, who.scope, lock=True)
        require_revision(row, revision, "group")
        count = (await repository.cameras_by_group(session, [group_id])).get(group_id, 0)
        if count:
            raise Conflict(
                f"{count} camera{'s are' if count > 1 else ' is'} in the group {group_id}; "
                "give them another group, or none, first",
                cameras=count,
            )
        await session.delete(row)
        await session.flush()
        await record(context.vault, session, who, Act("groups.delete", group_id, details={"name": row.name}))
    log.info("group_deleted", group_id=group_id)


async def require(session: AsyncSession, group_id: str | None, scope: Scope) -> None:
    """Raises InvalidInput when a camera shall be in a group that is not there, or that the caller may not see: alike,
    so that nobody learns which groups there are. The group stays until the commit."""
    if group_id is None:
        if not scope.everything:
            raise InvalidInput("group_id: your account is for some groups only; name one of them", field="group_id")
    elif not await repository.existing_groups(session, [group_id], scope):
        raise InvalidInput(
            f"group_id: there is no group {group_id}; make it first, or leave the camera without one",
            field="group_id",
        )


async def _existing(session: AsyncSession, group_id: str, scope: Scope, *, lock: bool = False) -> Group:
    row = None
    if re.fullmatch(CAMERA_ID, group_id):
        row = await repository.group(session, group_id, scope, for_update=lock)
    if row is None:
        raise NotFound("there is no such group", group_id=group_id[:63])
    return row


async def _counted(session: AsyncSession, row: Group) -> GroupView:
    return _view(row, (await repository.cameras_by_group(session, [row.id])).get(row.id, 0))


def _view(row: Group, cameras: int) -> GroupView:
    return GroupView(
        id=row.id, name=row.name, plate_formats=row.plate_formats, cameras=cameras, revision=row.revision,
        created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip
