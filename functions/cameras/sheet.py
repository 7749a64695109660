"""A CSV file of cameras, taken apart and written: what people type in cells, and what spreadsheets make of it.

A cell that begins with one of `= + - @` would be run as a formula by a spreadsheet. `written` puts an apostrophe before
it (not before a plain number), and before one that begins with an apostrophe; `read_sheet` takes it away again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from functions.cameras import urls
from functions.cameras.schemas import CameraCreate, CameraUpdate, LineFault
from functions.shared import hours
from functions.shared.contracts import Hours
from functions.shared.errors import InvalidInput, TooLarge

MAX_BYTES = 2 * 1024 * 1024
MAX_LINES = 5000
COLUMNS = tuple(CameraCreate.model_fields)
EXPORTED = tuple(name for name in COLUMNS if name != urls.FIELD)
_REQUIRED = ("name", "rtsp_url")
_JSON = {"regions", "ignore_zones"}
_BOOLEANS = {"enabled", "motion_gate"}
_DECIMALS = {"sample_fps", "latitude", "longitude", "heading", "motion_threshold", "min_confidence"}
_YES_NO = {
    **dict.fromkeys(("true", "yes", "sim", "on", "1", "t", "y", "s"), True),
    **dict.fromkeys(("false", "no", "não", "nao", "off", "0", "f", "n"), False),
}
_RUNS = ("=", "+", "-", "@", "\t", "\r", "'")
_NUMBER = re.compile(r"-?\d+([.,]\d+)?")


@dataclass
class Entry:
    """A line that can be read: a new camera, or what shall change of the one that is `changes`."""

    line: int
    given: CameraCreate | CameraUpdate
    address: urls.RtspAddress | None
    changes: str | None = None

    @property
    def url(self) -> str | None:
        return None if self.given.rtsp_url is None else self.given.rtsp_url.get_secret_value()


@dataclass
class Sheet:
    """A file taken apart: `lines` counts those with something in them, besides the header."""

    lines: int = 0
    entries: list[Entry] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)

    def fault(self, line: int, name: str, reason: str) -> None:
        self.faults.append(LineFault(line=line, field=name, reason=reason))


def read_sheet(data: bytes, present: Collection[str] | None = None) -> Sheet:
    """Take a CSV file apart: UTF-8 with or without BOM, `,` or `;` between cells, a header line with COLUMNS.

    `present`: ids of cameras that lines may change (None: every line is a new camera).

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
            header = _header(cells, changing=present is not None)
            continue
        sheet.lines += 1
        if sheet.lines > MAX_LINES:
            raise TooLarge(f"the file has over {MAX_LINES} lines; divide it", field="file", limit=MAX_LINES)
        values = _values(sheet, line, header, cells)
        if values is not None:
            _read_line(sheet, line, values, present or (), decimal_comma=comma == ";")
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
            cells = [_unguarded(cell.strip()) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            sheet.lines += 1
            sheet.fault(line, "line", "its quotes do not close; the rest of the file cannot be read")
            return
        if any(cells):
            yield line, cells


def _header(cells: list[str], *, changing: bool) -> list[str]:
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
    missing = [name for name in _REQUIRED if name not in header]
    if changing and "id" in header:
        missing = []
    if missing:
        raise InvalidInput(f"the header lacks {', '.join(missing)}", field="header", line=1)
    return header


def _values(sheet: Sheet, line: int, header: list[str], cells: list[str]) -> dict[str, str] | None:
    """The cells that are filled, by their columns; None, with a fault, for a line that is too long."""
    if any(cells[len(header) :]):
        sheet.fault(line, "line", f"has more cells than the header's {len(header)}; quote cells that hold one")
        return None
    return {name: cell for name, cell in zip(header, cells, strict=False) if cell}


def _read_line(
    sheet: Sheet, line: int, values: dict[str, str], present: Collection[str], *, decimal_comma: bool
) -> None:
    changes = values["id"] if values.get("id") in present else None
    given: CameraCreate | CameraUpdate
    try:
        found = _localized(values, decimal_comma=decimal_comma)
        if changes is not None:
            del found["id"]
            given = CameraUpdate.model_validate(found)
        else:
            given = CameraCreate.model_validate(found)
        address = urls.parse(given.rtsp_url.get_secret_value()) if given.rtsp_url is not None else None
    except ValidationError as error:
        for wrong in error.errors(include_input=False, include_url=False, include_context=False):
            name = ".".join(str(part) for part in wrong["loc"])
            sheet.fault(line, name, str(wrong["msg"]).removeprefix("Value error, "))
    except InvalidInput as error:
        sheet.fault(line, str(error.details["field"]), str(error.details["reason"]))
    else:
        sheet.entries.append(Entry(line, given, address, changes))


def _localized(values: dict[str, str], *, decimal_comma: bool) -> dict[str, Any]:
    """Words for yes and no, the decimal comma that goes with `;` between cells, and lists where a cell holds one."""
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
    found.update(_lists(values))
    return found


def _lists(values: dict[str, str]) -> dict[str, Any]:
    """Tags and hours as people write them in one cell. Raises InvalidInput."""
    found: dict[str, Any] = {}
    if "tags" in values:
        found["tags"] = [tag.strip() for tag in re.split(r"[,;|]", values["tags"]) if tag.strip()]
    if "schedule" in values:
        try:
            found["schedule"] = [item.model_dump() for item in hours.parse(values["schedule"])]
        except ValueError as error:
            reason = _first_reason(error)
            raise InvalidInput(f"schedule {reason}", field="schedule", reason=reason) from None
    return found


def _first_reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors(include_input=False)[0]["msg"]).removeprefix("Value error, ")
    return str(error)


def written(rows: Iterable[Any], *, semicolons: bool) -> bytes:
    """CSV of cameras with EXPORTED as its header; `semicolons`: with a decimal comma, as Excel has it in Brazil.

    It begins with a BOM: Excel takes a file without one for another encoding than UTF-8.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if semicolons else ",", lineterminator="\r\n")
    writer.writerow(EXPORTED)
    writer.writerows([_cell(name, getattr(row, name), decimal_comma=semicolons) for name in EXPORTED] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _cell(name: str, value: Any, *, decimal_comma: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in _DECIMALS:
        return _plain(value).replace(".", ",") if decimal_comma else _plain(value)
    return _guarded(_text(name, value))


def _plain(value: float) -> str:
    """The shortest text that is read as the same number, without an exponent."""
    text = repr(float(value))
    return f"{value:.12f}".rstrip("0") if "e" in text else text.removesuffix(".0")


def _text(name: str, value: Any) -> str:
    if name == "tags":
        return "|".join(value)
    if name == "schedule":
        return hours.written(Hours.model_validate(item) for item in value)
    return json.dumps(value) if name in _JSON else str(value)


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_RUNS) and not _NUMBER.fullmatch(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RUNS) else cell
