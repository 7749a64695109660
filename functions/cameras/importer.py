"""Cameras from a CSV file: each bad line is reported with its field and reason; the good ones are kept, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, groups, names, repository, service, urls
from functions.cameras.schemas import CameraCreate, CameraUpdate, ImportQuery, ImportReport, LineCamera
from functions.cameras.sheet import Entry, Sheet, read_sheet
from functions.cameras.views import address
from functions.shared import camera_networks, logs
from functions.shared.audit import Act, record
from functions.shared.context import Context
from functions.shared.errors import Conflict, InvalidInput
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.tables import Camera
from functions.shared.tokens import Principal

log = logs.get("cameras")
_LOOKUPS_AT_ONCE = 32


@dataclass
class Plan:
    """What shall be done: new cameras by their ids, changes by theirs, and the groups that are missing."""

    new: list[tuple[str, Entry]] = field(default_factory=list)
    changed: list[tuple[Camera, Entry]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Import:
    """One file, as somebody asked for it."""

    context: Context
    sheet: Sheet
    how: ImportQuery
    who: Principal


async def import_cameras(context: Context, data: bytes, attempt: Attempt, how: ImportQuery, who: Principal) -> Answer:
    """Add the cameras of a CSV file, and change those that it names, in one transaction; the answer's body is an
    ImportReport.

    Raises TooLarge, InvalidInput when the file as a whole cannot be read, or when a line is wrong and the mode is
    `all` (`details` is then the report), Conflict when the register changed meanwhile, Forbidden (groups to be made by
    somebody who sees some groups only).
    """
    if how.create_groups:
        groups.require_everything(who)
    async with context.db.read() as session:
        present = {row.id for row in await repository.living(session, who.scope)} if how.upsert else None
    sheet = await asyncio.to_thread(read_sheet, data, present)
    await _check_hosts(context, sheet)
    asked = Import(context, sheet, how, who)
    if how.dry_run:
        async with context.db.read() as session:
            plan = await _plan(asked, session)
            lines = _would(asked, plan) if how.mode == "valid" or not sheet.faults else []
        return Answer(200, _report(asked, plan if lines else Plan(), lines))

    async def work(session: AsyncSession) -> Answer:
        plan = await _plan(asked, session)
        if sheet.faults and how.mode == "all":
            wrong = len({fault.line for fault in sheet.faults})
            nothing = "nothing was changed" if how.upsert else "no camera was added"
            raise InvalidInput(f"{wrong} of {sheet.lines} lines are wrong; {nothing}", **_report(asked, Plan(), []))
        lines = await _do(asked, session, plan)
        return Answer(201 if plan.new else 200, _report(asked, plan, lines))

    answer = await once(context, attempt, work)
    done = [row for row in answer.body["cameras"] if row["action"] != "same"]
    if not answer.replayed and done:
        log.info("cameras_imported", created=answer.body["created"], updated=answer.body["updated"])
        await feed.announce(context, [row["id"] for row in done])
    return answer


def _would(asked: Import, plan: Plan) -> list[LineCamera]:
    """What each line would do."""
    lines = [_line_of_new(camera_id, entry) for camera_id, entry in plan.new]
    for row, entry in plan.changed:
        assert isinstance(entry.given, CameraUpdate)
        lines.append(_line_of_change(row, entry, sorted(service.changes(asked.context, row, entry.given))))
    return lines


async def _do(asked: Import, session: AsyncSession, plan: Plan) -> list[LineCamera]:
    """Write it all into the transaction, with one row of the audit log. Raises Conflict."""
    context = asked.context
    for group_id in plan.groups:
        groups.add(session, group_id, name=group_id)
    lines = []
    for camera_id, entry in plan.new:
        assert isinstance(entry.given, CameraCreate)
        service.add(context, session, camera_id, entry.given)
        lines.append(_line_of_new(camera_id, entry))
    for row, entry in plan.changed:
        assert isinstance(entry.given, CameraUpdate)
        lines.append(_line_of_change(row, entry, service.apply(context, session, row, entry.given)))
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict("the register changed meanwhile; send the file again") from None
    details = {
        "created": [line.id for line in lines if line.action == "create"], "groups": plan.groups,
        "updated": {line.id: line.fields for line in lines if line.action == "update"},
    }  # fmt: skip
    if any(details.values()):
        await record(context.vault, session, asked.who, Act("cameras.import", details=details))
    return lines


def _line_of_new(camera_id: str, entry: Entry) -> LineCamera:
    return LineCamera(line=entry.line, id=camera_id, name=str(entry.given.name))


def _line_of_change(row: Camera, entry: Entry, fields: list[str]) -> LineCamera:
    name = entry.given.name or row.name
    return LineCamera(line=entry.line, id=row.id, name=name, action="update" if fields else "same", fields=fields)


def _report(asked: Import, plan: Plan, lines: list[LineCamera]) -> dict[str, Any]:
    sheet, how = asked.sheet, asked.how
    counts = {"created": "create", "updated": "update"}
    report = ImportReport(
        dry_run=how.dry_run, mode=how.mode, lines=sheet.lines,
        errors=sorted(sheet.faults, key=lambda fault: fault.line), groups=plan.groups,
        cameras=sorted(lines, key=lambda line: line.line),
        **{name: 0 if how.dry_run else sum(line.action == action for line in lines) for name, action in counts.items()},
    )  # fmt: skip
    return report.model_dump(mode="json")


async def _check_hosts(context: Context, sheet: Sheet) -> None:
    """Strike the lines whose host is where no camera may be; each host is looked up once."""
    allowed = camera_networks.networks(context.settings.camera_networks)
    turn = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

    async def refusal(host: str) -> str | None:
        try:
            async with turn:
                camera_networks.require_in(await camera_networks.resolve(host), allowed)
        except InvalidInput as error:
            return str(error.details["reason"])
        return None

    hosts = sorted({entry.address.host for entry in sheet.entries if entry.address is not None})
    refusals = dict(zip(hosts, await asyncio.gather(*(refusal(host) for host in hosts)), strict=True))
    kept = []
    for entry in sheet.entries:
        reason = refusals[entry.address.host] if entry.address is not None else None
        if reason is None:
            kept.append(entry)
        else:
            sheet.fault(entry.line, urls.FIELD, reason)
    sheet.entries = kept


async def _plan(asked: Import, session: AsyncSession) -> Plan:
    """What becomes of each entry; what stands twice, or names a group that is not there, becomes a fault."""
    sheet, scope = asked.sheet, asked.who.scope
    rows = await repository.locked(session, (entry.changes for entry in sheet.entries if entry.changes), scope)
    if any(entry.changes is not None and entry.changes not in rows for entry in sheet.entries):
        raise Conflict("the register changed meanwhile; send the file again")
    named = {entry.given.group_id for entry in sheet.entries if entry.given.group_id is not None}
    missing = named - await repository.existing_groups(session, named, scope)
    gone = await repository.groups_of_cameras(session, missing) if asked.how.create_groups else set()
    _strike(asked, set() if asked.how.create_groups else missing, gone)
    await _strike_repeated(asked, session)
    used = await repository.used_ids(session)
    used |= {entry.given.id for entry in sheet.entries if isinstance(entry.given, CameraCreate) and entry.given.id}
    wanted = {entry.given.group_id for entry in sheet.entries if entry.given.group_id in missing}
    return Plan(
        [(_id_of(entry.given, used), entry) for entry in sheet.entries if isinstance(entry.given, CameraCreate)],
        [(rows[entry.changes], entry) for entry in sheet.entries if entry.changes is not None],
        sorted(group_id for group_id in wanted if group_id is not None),
    )


def _strike(asked: Import, missing: set[str], gone: set[str]) -> None:
    """Entries whose group is not there, or was and is gone (its id is not given again), or that lack one where the
    caller sees some groups only, become faults."""
    sheet, kept = asked.sheet, []
    for entry in sheet.entries:
        if entry.given.group_id in missing:
            sheet.fault(entry.line, "group_id", f"there is no group {entry.given.group_id}; make it first")
        elif entry.given.group_id in gone:
            reason = "is the id of a group that was deleted; cameras that were deleted with it have it; take another"
            sheet.fault(entry.line, "group_id", reason)
        elif entry.given.group_id is None and entry.changes is None and not asked.who.scope.everything:
            sheet.fault(entry.line, "group_id", "is missing; your account is for some groups only: name one of them")
        else:
            kept.append(entry)
    sheet.entries = kept


async def _strike_repeated(asked: Import, session: AsyncSession) -> None:
    """What stands twice, in the file or in the register, becomes a fault. Addresses are compared with those of cameras
    that the caller may see: of others nobody learns that they are there."""
    sheet = asked.sheet
    used = await repository.used_ids(session)
    present = await asyncio.to_thread(
        _addresses, asked.context, await repository.living(session, asked.who.scope)
    )  # fmt: skip
    kept: list[Entry] = []
    taken: dict[str, int] = {}
    seen: dict[str, int] = {}
    for entry in sheet.entries:
        wanted = entry.changes or (entry.given.id if isinstance(entry.given, CameraCreate) else None)
        url = entry.url
        if wanted is not None and wanted in taken:
            sheet.fault(entry.line, "id", f"is in use: line {taken[wanted]} has it")
        elif wanted is not None and entry.changes is None and wanted in used:
            sheet.fault(entry.line, "id", "is in use: the register has it, or had it before")
        elif url in present and present[url] != entry.changes:
            sheet.fault(entry.line, urls.FIELD, f"is the address of the camera {present[url]} in the register")
        elif url in seen:
            sheet.fault(entry.line, urls.FIELD, f"is the address of line {seen[url]}")
        else:
            seen |= {url: entry.line} if url is not None else {}
            taken |= {wanted: entry.line} if wanted is not None else {}
            kept.append(entry)
    sheet.entries = kept


def _id_of(given: CameraCreate, used: set[str]) -> str:
    camera_id = given.id or names.free_id(given.name, used)
    used.add(camera_id)
    return camera_id


def _addresses(context: Context, rows: Iterable[Camera]) -> dict[str, str]:
    found = ((address(context, row), row.id) for row in rows)
    return {url: camera_id for url, camera_id in found if url is not None}
