"""Cameras from a CSV file: each bad line is reported with its field and reason; the good ones are kept, or none."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, repository, service, urls
from functions.cameras.schemas import CameraCreate, ImportReport, LineCamera, LineFault
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


async def import_cameras(context: Context, data: bytes, attempt: Attempt, *, keep_valid: bool, dry_run: bool) -> Answer:
    """Add the cameras of a CSV file in one transaction; the answer's body is an ImportReport.

    Raises TooLarge, InvalidInput when the file as a whole cannot be read, or when a line is wrong and not
    `keep_valid` (`details` is then the report), Conflict when the register changed meanwhile.
    """
    sheet = await asyncio.to_thread(read_sheet, data)
    await _check_hosts(context, sheet)
    if dry_run:
        async with context.db.read() as session:
            planned = await _plan(context, session, sheet)
        kept = planned if keep_valid or not sheet.faults else []
        return Answer(200, _report(sheet, kept, keep_valid=keep_valid, dry_run=True))

    async def work(session: AsyncSession) -> Answer:
        planned = await _plan(context, session, sheet)
        if sheet.faults and not keep_valid:
            report = _report(sheet, [], keep_valid=False, dry_run=False)
            wrong = len({fault.line for fault in sheet.faults})
            raise InvalidInput(f"{wrong} of {sheet.lines} lines are wrong; no camera was added", **report)
        for camera_id, entry in planned:
            service.add(context, session, camera_id, entry.given)
        try:
            await session.flush()
        except IntegrityError:
            raise Conflict("the register changed meanwhile; send the file again") from None
        return Answer(201 if planned else 200, _report(sheet, planned, keep_valid=keep_valid, dry_run=False))

    answer = await once(context, attempt, work)
    if not answer.replayed and answer.body["created"]:
        log.info("cameras_imported", created=answer.body["created"], faults=len(sheet.faults))
        await feed.announce(context, [row["id"] for row in answer.body["cameras"]])
    return answer


def _report(sheet: Sheet, planned: list[tuple[str, Entry]], *, keep_valid: bool, dry_run: bool) -> dict[str, Any]:
    report = ImportReport(
        dry_run=dry_run, mode="valid" if keep_valid else "all", lines=sheet.lines,
        created=0 if dry_run else len(planned), errors=sorted(sheet.faults, key=lambda fault: fault.line),
        cameras=[LineCamera(line=entry.line, id=camera_id, name=entry.given.name) for camera_id, entry in planned],
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


async def _plan(context: Context, session: AsyncSession, sheet: Sheet) -> list[tuple[str, Entry]]:
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
    camera_id = service.free_id(entry.given.name, used)
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
    names: list[str] | None = None
    for line, cells in _lines(text, comma, sheet):
        if names is None:
            names = _header(cells)
            continue
        sheet.lines += 1
        if sheet.lines > MAX_LINES:
            raise TooLarge(f"the file has over {MAX_LINES} lines; divide it", field="file", limit=MAX_LINES)
        _read_line(sheet, line, names, cells, decimal_comma=comma == ";")
    if names is None:
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
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in COLUMNS:
            # A file without a header begins with a camera, and its address is not to be shown.
            shown = repr(name) if re.fullmatch(r"\w{1,40}", name) else "that is no name"
            raise InvalidInput(f"unknown column {shown}; known: {', '.join(COLUMNS)}", field="header", line=1)
        if names.count(name) > 1:
            raise InvalidInput(f"the column {name} stands twice", field="header", line=1)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise InvalidInput(f"the header lacks {', '.join(missing)}", field="header", line=1)
    return names


def _read_line(sheet: Sheet, line: int, names: list[str], cells: list[str], *, decimal_comma: bool) -> None:
    if any(cells[len(names) :]):
        sheet.fault(line, "line", f"has more cells than the header's {len(names)}; quote cells that hold one")
        return
    values = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    try:
        given = CameraCreate.model_validate(_localized(values, decimal_comma=decimal_comma))
        address = urls.parse(given.rtsp_url.get_secret_value())
    except ValidationError as error:
        for found in error.errors(include_input=False, include_url=False, include_context=False):
            sheet.fault(line, str(found["loc"][0]), str(found["msg"]).removeprefix("Value error, "))
    except InvalidInput as error:
        sheet.fault(line, urls.FIELD, str(error.details["reason"]))
    else:
        sheet.entries.append(Entry(line, given, address))


def _localized(values: dict[str, str], *, decimal_comma: bool) -> dict[str, str]:
    """Portuguese yes and no, and the decimal comma that goes with `;` between cells."""
    found = dict(values)
    for name in _BOOLEANS & values.keys():
        found[name] = _YES_NO.get(values[name].lower(), values[name])
    if decimal_comma:
        for name in _DECIMALS & values.keys():
            found[name] = values[name].replace(",", ".")
    return found
