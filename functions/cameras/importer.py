"""Cameras from a CSV file: each bad line is reported with its field and reason; the good ones are kept, or none."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, groups, names, repository, service, urls
from functions.cameras.schemas import CameraCreate, ImportQuery, ImportReport, LineCamera, LineFault
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.errors import Conflict, InvalidInput, TooLarge
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.tables import Camera

log = logs.get("cameras")
MAX_BYTES = 2 * 1024 * 1024
MAX_LINES = 5000
COLUMNS = tuple(CameraCreate.model_fields)
REQUIRED = ("name", "rtsp_url")
_LOOKUPS_AT_ONCE = 32
_JSON = {"regions", "ignore_zones"}
_BOOLEANS = {"enabled", "motion_gate"}
_DECIMALS = {"sample_fps", "latitude", "longitude", "motion_threshold", "min_confidence"}
_YES_NO = {"sim": "true", "não": "false", "nao": "false"}


@dataclass
class Entry:
    """A line that can be read as a camera."""

    line: int
    given: CameraCreate
    address: urls.RtspAddress


@dataclass
class Sheet:
    """A file taken apart: `lines` counts those with something in them, besides the header."""

    lines: int = 0
    entries: list[Entry] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)

    def fault(self, line: int, name: str, reason: str) -> None:
        self.faults.append(LineFault(line=line, field=name, reason=reason))


@dataclass
class Plan:
    """What shall be added: cameras by their ids, and the groups that they lack."""

    cameras: list[tuple[str, Entry]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


async def import_cameras(context: Context, data: bytes, attempt: Attempt, how: ImportQuery) -> Answer:
    """Add the cameras of a CSV file in one transaction; the answer's body is an ImportReport.

    Raises TooLarge, InvalidInput when the file as a whole cannot be read, or when a line is wrong and the mode is
    `all` (`details` is then the report), Conflict when the register changed meanwhile.
    """
    keep_valid = how.mode == "valid"
    sheet = await asyncio.to_thread(read_sheet, data)
    await _check_hosts(context, sheet)
    if how.dry_run:
        async with context.db.read() as session:
            plan = await _plan(context, session, sheet, how)
        return Answer(200, _report(sheet, plan if keep_valid or not sheet.faults else Plan(), how))

    async def work(session: AsyncSession) -> Answer:
        plan = await _plan(context, session, sheet, how)
        if sheet.faults and not keep_valid:
            wrong = len({fault.line for fault in sheet.faults})
            raise InvalidInput(
                f"{wrong} of {sheet.lines} lines are wrong; no camera was added", **_report(sheet, Plan(), how)
            )
        for group_id in plan.groups:
            groups.add(session, group_id, name=group_id)
        for camera_id, entry in plan.cameras:
            service.add(context, session, camera_id, entry.given)
        try:
            await session.flush()
        except IntegrityError:
            raise Conflict("the register changed meanwhile; send the file again") from None
        return Answer(201 if plan.cameras else 200, _report(sheet, plan, how))

    answer = await once(context, attempt, work)
    if not answer.replayed and answer.body["created"]:
        log.info("cameras_imported", created=answer.body["created"], faults=len(sheet.faults))
        await feed.announce(context, [row["id"] for row in answer.body["cameras"]])
    return answer


def _report(sheet: Sheet, plan: Plan, how: ImportQuery) -> dict[str, Any]:
    report = ImportReport(
        dry_run=how.dry_run, mode=how.mode, lines=sheet.lines, created=0 if how.dry_run else len(plan.cameras),
        errors=sorted(sheet.faults, key=lambda fault: fault.line), groups=plan.groups,
        cameras=[LineCamera(line=entry.line, id=camera_id, name=entry.given.name) for camera_id, entry in plan.cameras],
    )  # fmt: skip
    return report.model_dump(mode="json")


async def _check_hosts(context: Context, sheet: Sheet) -> None:
    """Strike the lines whose host is where no camera may be; each host is looked up once."""
    allowed = urls.networks(context.settings.camera_networks)
    turn = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

    async def refusal(host: str) -> str | None:
        try:
            async with turn:
                urls.require_in(await urls.resolve(host), allowed)
        except InvalidInput as error:
            return str(error.details["reason"])
        return None

    hosts = sorted({entry.address.host for entry in sheet.entries})
    refusals = dict(zip(hosts, await asyncio.gather(*(refusal(host) for host in hosts)), strict=True))
    kept = []
    for entry in sheet.entries:
        reason = refusals[entry.address.host]
        if reason is None:
            kept.append(entry)
        else:
            sheet.fault(entry.line, urls.FIELD, reason)
    sheet.entries = kept


async def _plan(context: Context, session: AsyncSession, sheet: Sheet, how: ImportQuery) -> Plan:
    """What becomes of each entry; what stands twice, or names a group that is not there, becomes a fault."""
    named = {entry.given.group_id for entry in sheet.entries if entry.given.group_id is not None}
    missing = named - await repository.existing_groups(session, named)
    if not how.create_groups:
        _strike(sheet, missing)
    planned = await _with_ids(context, session, sheet)
    wanted = {entry.given.group_id for _, entry in planned if entry.given.group_id in missing}
    return Plan(planned, sorted(group_id for group_id in wanted if group_id is not None))


def _strike(sheet: Sheet, missing: set[str]) -> None:
    kept = []
    for entry in sheet.entries:
        if entry.given.group_id in missing:
            sheet.fault(entry.line, "group_id", f"there is no group {entry.given.group_id}; make it first")
        else:
            kept.append(entry)
    sheet.entries = kept


async def _with_ids(context: Context, session: AsyncSession, sheet: Sheet) -> list[tuple[str, Entry]]:
    """The id of each entry; what stands twice, in the file or in the register, becomes a fault."""
    used = await repository.used_ids(session)
    present = await asyncio.to_thread(_addresses, context, await repository.living(session))
    planned: list[tuple[str, Entry]] = []
    taken: dict[str, int] = {}
    seen: dict[str, int] = {}
    for entry in sheet.entries:
        url = entry.given.rtsp_url.get_secret_value()
        wanted = entry.given.id
        if wanted is not None and (wanted in used or wanted in taken):
            where = f"line {taken[wanted]} has it" if wanted in taken else "the register has it, or had it before"
            sheet.fault(entry.line, "id", f"is in use: {where}")
        elif url in present:
            sheet.fault(entry.line, urls.FIELD, f"is the address of the camera {present[url]} in the register")
        elif url in seen:
            sheet.fault(entry.line, urls.FIELD, f"is the address of line {seen[url]}")
        else:
            seen[url] = entry.line
            if wanted is not None:
                taken[wanted] = entry.line
            planned.append((wanted or "", entry))
    used |= taken.keys()
    return [(camera_id or _new_id(entry, used), entry) for camera_id, entry in planned]


def _new_id(entry: Entry, used: set[str]) -> str:
    camera_id = names.free_id(entry.given.name, used)
    used.add(camera_id)
    return camera_id


def _addresses(context: Context, rows: Iterable[Camera]) -> dict[str, str]:
    found = ((service.address(context, row), row.id) for row in rows)
    return {url: camera_id for url, camera_id in found if url is not None}


def read_sheet(data: bytes) -> Sheet:
    """Take a CSV file apart: UTF-8 with or without BOM, `,` or `;` between cells, a header line with COLUMNS.

    Raises TooLarge and InvalidInput for what makes the whole file unreadable; faults of lines are in the sheet.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"the file is over {MAX_BYTES // 1024 // 1024} MB; divide it", field="file", limit=MAX_BYTES)
    text = _decoded(data)
    first = text.lstrip("\r\n").partition("\n")[0]
    comma = ";" if first.count(";") > first.count(",") else ","
    sheet = Sheet()
    header: list[str] | None = None
    for line, cells in _lines(text, comma, sheet):
        if header is None:
            header = _header(cells)
            continue
        sheet.lines += 1
        if sheet.lines > MAX_LINES:
            raise TooLarge(f"the file has over {MAX_LINES} lines; divide it", field="file", limit=MAX_LINES)
        _read_line(sheet, line, header, cells, decimal_comma=comma == ";")
    if header is None:
        raise InvalidInput("the file is empty; its first line names the columns", field="file")
    return sheet


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"the file is not UTF-8 (line {line}); save it as CSV UTF-8", field="file", line=line
        ) from None


def _lines(text: str, comma: str, sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """Lines with something in them, each with its number (the first, where a quoted cell spans several)."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            sheet.lines += 1
            sheet.fault(line, "line", "its quotes do not close; the rest of the file cannot be read")
            return
        if any(cells):
            yield line, cells


def _header(cells: list[str]) -> list[str]:
    header = [cell.lower() for cell in cells]
    while header and not header[-1]:
        header.pop()
    for name in header:
        if name not in COLUMNS:
            # A file without a header begins with a camera, and its address is not to be shown.
            shown = repr(name) if re.fullmatch(r"\w{1,40}", name) else "that is no name"
            raise InvalidInput(f"unknown column {shown}; known: {', '.join(COLUMNS)}", field="header", line=1)
        if header.count(name) > 1:
            raise InvalidInput(f"the column {name} stands twice", field="header", line=1)
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InvalidInput(f"the header lacks {', '.join(missing)}", field="header", line=1)
    return header


def _read_line(sheet: Sheet, line: int, header: list[str], cells: list[str], *, decimal_comma: bool) -> None:
    if any(cells[len(header) :]):
        sheet.fault(line, "line", f"has more cells than the header's {len(header)}; quote cells that hold one")
        return
    values = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    try:
        given = CameraCreate.model_validate(_localized(values, decimal_comma=decimal_comma))
        address = urls.parse(given.rtsp_url.get_secret_value())
    except ValidationError as error:
        for found in error.errors(include_input=False, include_url=False, include_context=False):
            name = ".".join(str(part) for part in found["loc"])
            sheet.fault(line, name, str(found["msg"]).removeprefix("Value error, "))
    except InvalidInput as error:
        sheet.fault(line, str(error.details["field"]), str(error.details["reason"]))
    else:
        sheet.entries.append(Entry(line, given, address))


def _localized(values: dict[str, str], *, decimal_comma: bool) -> dict[str, Any]:
    """Portuguese yes and no, the decimal comma that goes with `;` between cells, and JSON where a cell holds it."""
    found: dict[str, Any] = dict(values)
    for name in _BOOLEANS & values.keys():
        found[name] = _YES_NO.get(values[name].lower(), values[name])
    if decimal_comma:
        for name in _DECIMALS & values.keys():
            found[name] = values[name].replace(",", ".")
    for name in _JSON & values.keys():
        try:
            found[name] = json.loads(values[name])
        except (ValueError, RecursionError):
            reason = "is not JSON; write polygons as [[[0.1, 0.4], [0.9, 0.4], [0.5, 1]]], in quotes"
            raise InvalidInput(f"{name} {reason}", field=name, reason=reason) from None
    return found
