"""The entries of a list: one by one, and by the thousand from a CSV file."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository, service
from functions.alerts.memory import REMOVED_KEPT
from functions.alerts.patterns import ANY, ONE
from functions.alerts.schemas import (
    HEX_ID,
    EntryIn,
    EntryPage,
    EntryQuery,
    EntryView,
    ImportQuery,
    ImportReport,
    LineFault,
)
from functions.shared import audit, logs, lookups, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.plates import normalise
from functions.shared.tables import CLONED_LIST, Hotlist, HotlistEntry
from functions.shared.tokens import Principal

log = logs.get("alerts")
LONGEST = 10
# A pattern with fewer characters of its own than this would raise an alert for every other car.
LEAST_LITERAL = 2
COLUMNS = ("plate", "match", "tolerance", "note", "valid_until")
_NAMES = {"placa": "plate", "pattern": "plate", "reason": "note", "motivo": "note", "nota": "note"}
MAX_LINES, MAX_ENTRIES, MAX_FAULTS = 300_000, 1_000_000, 200
_PAGE = 2000
# A cell that begins so a spreadsheet would run as a formula, or take off the apostrophe of one that is text.
_RUNS = ("=", "+", "-", "@", "'")
# What the console asks for when a list is opened.
ENTRIES_OF_PAGE = 100


def checked(given: EntryIn) -> dict[str, Any]:
    """The columns of an entry that somebody asks for. Raises InvalidInput."""
    pattern = normalise(given.pattern)
    wild = ANY in pattern or ONE in pattern
    match = given.match or ("wildcard" if wild else "exact")
    if match == "wildcard":
        while ANY * 2 in pattern:
            pattern = pattern.replace(ANY * 2, ANY)
    elif wild:
        raise InvalidInput("pattern: * and ? need match wildcard", field="pattern")
    _require_plate(pattern, match)
    if given.tolerance is not None and match != "fuzzy":
        raise InvalidInput("tolerance: only a fuzzy entry has one", field="tolerance")
    if given.tolerance is not None and given.tolerance >= len(pattern) / 2:
        raise InvalidInput("tolerance: is too wide for so short a plate", field="tolerance")
    return {
        "pattern": pattern, "match": match, "tolerance": given.tolerance, "note": given.note or None,
        "valid_until": given.valid_until,
    }  # fmt: skip


def _require_plate(pattern: str, match: str) -> None:
    literal = pattern.replace(ANY, "").replace(ONE, "")
    if literal and not (literal.isascii() and literal.isalnum()):
        raise InvalidInput("pattern: holds only letters A-Z, digits, and in a wildcard * and ?", field="pattern")
    least = LEAST_LITERAL if match == "wildcard" else 1
    if len(literal) < least:
        raise InvalidInput(f"pattern: has {least} letters or digits at least", field="pattern")
    if len(literal) > LONGEST or len(pattern) > 2 * LONGEST:
        raise InvalidInput(f"pattern: has at the most {LONGEST} letters and digits", field="pattern")


async def list_entries(context: Context, who: Principal, hotlist_id: str, query: EntryQuery) -> EntryPage:
    """A page of entries by plate, or by age for who sees plates masked: an order by plate would tell between which
    others one lies. The cursor is the id of the last one. Raises NotFound, InvalidInput (cursor; q, for such roles)."""
    hidden = masking.hides(context.settings, who)
    if hidden and query.q:
        raise InvalidInput("q: plates are masked for your role, and parts of them find none", field="q")
    if query.cursor is not None and not re.fullmatch(HEX_ID, query.cursor):
        raise _strange_cursor()
    async with context.db.read() as session:
        row = await service.existing(session, who, hotlist_id)
        if hidden:
            found = await repository.entries_by_age(session, row.id, query.cursor or "", query.limit + 1)
        else:
            behind = await repository.pattern_of(session, row.id, query.cursor) if query.cursor else ""
            if behind is None:
                raise _strange_cursor()
            found = await repository.entries(session, row.id, behind, query.limit + 1, normalise(query.q or ""))
    kept = found[: query.limit]
    more = kept[-1].id if len(found) > query.limit else None
    narrowed = query.cursor is not None or bool(query.q)
    if lookups.is_lookup(len(kept), 0 if hidden else len(kept), narrowed=narrowed, newest=ENTRIES_OF_PAGE):
        async with context.db.transaction() as session:
            act = Act("hotlists.entries", row.id, None, {"q": normalise(query.q or ""), "entries": len(kept)})
            await audit.record(context.vault, session, who, act)
    return EntryPage(items=[entry_view(item, hidden) for item in kept], next_cursor=more)


def _strange_cursor() -> InvalidInput:
    return InvalidInput("cursor: take it from next_cursor as it is", field="cursor")


def entry_view(row: HotlistEntry, hidden: bool) -> EntryView:
    facts = {name: getattr(row, name) for name in EntryView.model_fields}
    if hidden:
        facts |= {"pattern": masking.masked(row.pattern), "note": masking.masked_text(row.note)}
    return EntryView(**facts)


_WHOLE_ALONE = "plates are masked for your role: only whole plates (match exact) may be listed"


def _require_whole(context: Context, who: Principal, match: str) -> None:
    """Raises Forbidden: by the alerts of its own patterns a role that sees no plates could tell them all the same."""
    if match != "exact" and masking.hides(context.settings, who):
        raise Forbidden(_WHOLE_ALONE, field="match", role=who.role.value)


async def add_entry(context: Context, who: Principal, hotlist_id: str, given: EntryIn, attempt: Attempt) -> Answer:
    """Add one entry. Raises NotFound, Forbidden, InvalidInput, Conflict (the list has it)."""
    wanted = checked(given)
    _require_whole(context, who, wanted["match"])

    async def work(session: AsyncSession) -> Answer:
        row = await _open_list(session, who, hotlist_id)
        known = await repository.entry_of_pattern(session, row.id, wanted["pattern"])
        if known is not None and not known.removed:
            raise Conflict(f"the list has {wanted['pattern']} already", field="pattern", entry_id=known.id)
        _next_version(row, row.entries + 1)
        await repository.put_entries(session, [_columns(row, who, wanted)])
        added = await repository.entry_of_pattern(session, row.id, wanted["pattern"])
        assert added is not None
        await session.refresh(added)
        answer = Answer(201, entry_view(added, hidden=False).model_dump(mode="json"))
        act = Act("hotlists.add_entry", row.id, given.note, {"pattern": added.pattern, "match": added.match})
        await audit.record(context.vault, session, who, act)
        return answer

    return await once(context, attempt, work)


async def remove_entry(context: Context, who: Principal, hotlist_id: str, entry_id: str) -> None:
    """Raises NotFound, Forbidden."""
    async with context.db.transaction() as session:
        row = await _open_list(session, who, hotlist_id)
        found = await repository.entry(session, row.id, entry_id) if len(entry_id) <= 32 else None
        if found is None:
            raise NotFound("there is no such entry")
        _next_version(row, row.entries - 1)
        found.removed, found.version, found.note, found.updated_at = True, row.entries_version, None, now()
        await repository.forget_removed(session, row.id, now() - REMOVED_KEPT)
        act = Act("hotlists.remove_entry", row.id, None, {"pattern": found.pattern})
        await audit.record(context.vault, session, who, act)


async def _open_list(session: AsyncSession, who: Principal, hotlist_id: str) -> Hotlist:
    row, _ = await service.changeable(session, who, hotlist_id)
    if row.kind == CLONED_LIST:
        raise Conflict("this list has no entries: its plates are found by themselves")
    return row


def _next_version(row: Hotlist, entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise InvalidInput(f"a list has at the most {MAX_ENTRIES} entries", field="entries")
    row.entries_version, row.entries, row.updated_at = row.entries_version + 1, entries, now()


def _columns(row: Hotlist, who: Principal, wanted: dict[str, Any]) -> dict[str, Any]:
    at = now()
    return {
        "id": new_id(), "hotlist_id": row.id, "version": row.entries_version, "removed": False,
        "created_by": who.username, "created_at": at, "updated_at": at, **wanted,
    }  # fmt: skip


# CSV


@dataclass
class Sheet:
    """A file taken apart: entries by their plates, wrong lines with what is wrong."""

    lines: int = 0
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    faults: list[LineFault] = field(default_factory=list)

    def refuse_patterns(self) -> None:
        """Have every entry that is no whole plate be a wrong line."""
        for plate in [plate for plate, wanted in self.entries.items() if wanted["match"] != "exact"]:
            del self.entries[plate]
            self.faults.append(LineFault(line=self.seen[plate], field="match", reason=_WHOLE_ALONE))
        self.faults.sort(key=lambda fault: fault.line)


async def import_entries(context: Context, who: Principal, data: bytes, how: ImportQuery, attempt: Attempt) -> Answer:
    """Add the entries of a CSV file in one transaction; the answer's body is an ImportReport.

    An entry whose plate the list has already takes its place. Raises NotFound, Forbidden, TooLarge, InvalidInput where
    the file cannot be read, or where a line is wrong and the mode is `all` (`details` is then the report).
    """
    hotlist_id = how.hotlist_id
    sheet = await asyncio.to_thread(read_sheet, data)
    if masking.hides(context.settings, who):
        sheet.refuse_patterns()
    if how.dry_run:
        async with context.db.read() as session:
            row = await service.existing(session, who, hotlist_id)
            return Answer(200, await _planned(session, row, sheet, how))

    async def work(session: AsyncSession) -> Answer:
        row = await _open_list(session, who, hotlist_id)
        report = await _planned(session, row, sheet, how)
        if sheet.faults and how.mode == "all":
            raise InvalidInput(f"{len(sheet.faults)} of {sheet.lines} lines are wrong; no entry was added", **report)
        _next_version(row, row.entries + report["added"])
        await repository.put_entries(session, [_columns(row, who, wanted) for wanted in sheet.entries.values()])
        if how.replace:
            await repository.remove_older(session, row.id, row.entries_version, now())
            await repository.forget_removed(session, row.id, now() - REMOVED_KEPT)
        row.entries = await repository.count_entries(session, row.id)
        counts = {name: report[name] for name in ("lines", "added", "updated", "removed", "replace")}
        await audit.record(context.vault, session, who, Act("hotlists.import_entries", row.id, None, counts))
        return Answer(200, report)

    answer = await once(context, attempt, work)
    if not answer.replayed:
        log.info("entries_imported", hotlist_id=hotlist_id, added=answer.body["added"], removed=answer.body["removed"])
    return answer


async def _planned(session: AsyncSession, row: Hotlist, sheet: Sheet, how: ImportQuery) -> dict[str, Any]:
    """The report of what the file would change."""
    refused = bool(sheet.faults) and how.mode == "all"
    known = await repository.known_patterns(session, row.id, list(sheet.entries))
    report = ImportReport(
        dry_run=how.dry_run, mode=how.mode, replace=how.replace, lines=sheet.lines,
        added=0 if refused else len(sheet.entries) - len(known), updated=0 if refused else len(known),
        removed=row.entries - len(known) if how.replace and not refused else 0, errors=sheet.faults[:MAX_FAULTS],
        more_errors=max(0, len(sheet.faults) - MAX_FAULTS),
    )  # fmt: skip
    return report.model_dump(mode="json")


def read_sheet(data: bytes) -> Sheet:
    """Raises InvalidInput for a file that is no CSV with a column `plate`, TooLarge for too many lines."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\x00" in text:
        raise InvalidInput("the file is no CSV text", field="file")
    head = text.splitlines()[:1]
    delimiter = ";" if head and head[0].count(";") > head[0].count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    sheet = Sheet()
    try:
        names = _header(next(reader, []))
        for cells in reader:
            if any(cell.strip() for cell in cells):
                sheet.lines += 1
                if sheet.lines > MAX_LINES:
                    raise TooLarge(f"the file has over {MAX_LINES} lines; send it in parts", field="file")
                _read_line(sheet, reader.line_num, dict(zip(names, cells, strict=False)))
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num} is no CSV: {error}", field="file") from None
    return sheet


def _header(cells: list[str]) -> list[str]:
    names = [_NAMES.get(cell.strip().lower(), cell.strip().lower()) for cell in cells]
    if "plate" not in names:
        raise InvalidInput("the first line must name the columns, `plate` among them", field="file")
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) != len(names):
        found = unknown[0] if unknown else "a column twice"
        raise InvalidInput(f"the columns are {', '.join(COLUMNS)}; the file has {found[:40]}", field="file")
    return names


def _read_line(sheet: Sheet, line: int, cells: dict[str, str]) -> None:
    given = {name: cell.strip() for name, cell in cells.items() if cell.strip()}
    given["pattern"] = given.pop("plate", "")
    if "note" in given and given["note"][:1] == "'" and given["note"][1:].startswith(_RUNS):
        given["note"] = given["note"][1:]
    try:
        wanted = checked(EntryIn.model_validate(given))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "plate"
        sheet.faults.append(LineFault(line=line, field=_shown(name), reason=first["msg"]))
    except InvalidInput as error:
        name = str(error.details.get("field", "plate"))
        sheet.faults.append(LineFault(line=line, field=_shown(name), reason=error.message.partition(": ")[2]))
    else:
        pattern = wanted["pattern"]
        if pattern in sheet.seen:
            reason = f"stands in line {sheet.seen[pattern]} already"
            sheet.faults.append(LineFault(line=line, field="plate", reason=reason))
        else:
            sheet.seen[pattern], sheet.entries[pattern] = line, wanted


def _shown(name: str) -> str:
    return "plate" if name == "pattern" else name


async def export_entries(context: Context, who: Principal, hotlist_id: str) -> AsyncIterator[str]:
    """The lines of a CSV file that `import_entries` takes, page by page. Raises NotFound before the first of them."""
    async with context.db.transaction() as session:
        row = await service.existing(session, who, hotlist_id)
        act = Act("hotlists.export_entries", row.id, None, {"entries": row.entries})
        await audit.record(context.vault, session, who, act)
    return _exported(context, row.id, masking.hides(context.settings, who))


async def _exported(context: Context, hotlist_id: str, hidden: bool) -> AsyncIterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    behind = ""
    paged = repository.entries_by_age if hidden else repository.entries
    while True:
        async with context.db.read() as session:
            page = await paged(session, hotlist_id, behind, _PAGE)
        if page:
            yield "".join(_lines(page, hidden))
        if len(page) < _PAGE:
            return
        behind = page[-1].id if hidden else page[-1].pattern


def _lines(page: list[HotlistEntry], hidden: bool) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in page:
        until = row.valid_until.isoformat() if row.valid_until else ""
        plate = masking.masked(row.pattern) if hidden else row.pattern
        note = (masking.masked_text(row.note) if hidden else row.note) or ""
        note = f"'{note}" if note.startswith(_RUNS) else note
        writer.writerow([plate, row.match, "" if row.tolerance is None else row.tolerance, note, until])
    yield out.getvalue()
