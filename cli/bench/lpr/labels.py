"""Labelled pictures: a folder with `labels.csv`, or another CSV file in the folder.

Columns that must be there: image (a file in the folder) and plate; a hyphen, spaces and lower case in a plate do not
matter. Columns that may be there: x, y, width, height (the plate's box in pixels of the picture; a line may leave all
four empty), format, rows (1 or 2), light, source, note. A picture may stand in several lines, with a plate each.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from functions.shared.errors import InvalidInput, NotFound
from functions.shared.formats import DEFAULT, NAMES, format_of
from functions.shared.inference import Box

BOX_COLUMNS = ("x", "y", "width", "height")
NOT_TOLD = "not told"
_ALIASES = {"old": "br_old", "mercosul": "br_mercosul", "mercosur": "br_mercosul", "any": "other"}
_TWO_ROWS_BELOW = 1.6
"""A plate of one row, 400 x 130 mm, turned by 20 degrees, has a box 1.62 times as wide as high; one of two rows,
200 x 170 mm, 1.18 times and less when it is turned.
"""


@dataclass(frozen=True)
class Label:
    """One line of labels.csv. `line` is its number in the file; `box` is None where the line has none.

    `format` is a name of `formats.PATTERNS`, `other` or a word of the folder's own; `rows` "1", "2" or NOT_TOLD.
    """

    line: int
    image: Path
    box: Box | None
    plate: str
    format: str = "other"
    rows: str = NOT_TOLD
    light: str = NOT_TOLD
    source: str = NOT_TOLD
    note: str = ""


def read_labels(where: Path) -> list[Label]:
    """The lines of a folder's labels.csv, or of the CSV file `where`, whose pictures are named from its own folder.

    Raises NotFound without the file, InvalidInput naming the line and the field.
    """
    path = where if where.suffix.lower() == ".csv" else where / "labels.csv"
    folder = path.parent
    if not path.is_file():
        raise NotFound(f"there is no {path}: the benchmark needs a folder with pictures and labels.csv")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InvalidInput(f"{path} line {line}: no CSV: not UTF-8", field="labels.csv") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    names = rows.fieldnames or ()
    boxed = any(column in names for column in BOX_COLUMNS)
    absent = [column for column in ("image", *(BOX_COLUMNS if boxed else ()), "plate") if column not in names]
    if absent:
        raise InvalidInput(f"{path} line 1: the column {absent[0]} is missing", field=absent[0])
    try:
        labels = [_Line(folder, path, rows.line_num, row).label() for row in rows]
    except csv.Error as error:
        raise InvalidInput(f"{path} line {rows.line_num}: no CSV: {error}", field="labels.csv") from None
    if not labels:
        raise InvalidInput(f"{path} names no picture", field="labels.csv")
    return labels


class _Line:
    """One line, with what an error about it must name."""

    def __init__(self, folder: Path, path: Path, number: int, row: dict[str, str | None]) -> None:
        self.folder, self.path, self.number = folder, path, number
        self.row = row

    def label(self) -> Label:
        box = self._box()
        plate = re.sub(r"[\s.·-]", "", self.row["plate"] or "").upper()
        if not re.fullmatch(r"[0-9A-Z]+", plate):
            raise self._wrong("plate", "is not a plate")
        name = self.row["image"] or ""
        image = self.folder / name
        if not name or not image.is_file():
            raise self._wrong("image", "is not a file in the folder")
        return Label(
            line=self.number,
            image=image,
            box=box,
            plate=plate,
            format=self._format(plate),
            rows=self._rows(box),
            light=self._word("light") or NOT_TOLD,
            source=self._word("source") or NOT_TOLD,
            note=self._word("note"),
        )

    def _wrong(self, column: str, why: str) -> InvalidInput:
        message = f"{self.path} line {self.number}, field {column}: {self.row.get(column)!r} {why}"
        return InvalidInput(message, field=column, line=self.number)

    def _word(self, column: str) -> str:
        return (self.row.get(column) or "").strip()

    def _box(self) -> Box | None:
        if not any(self._word(column) for column in BOX_COLUMNS):
            return None
        x, y, width, height = (self._number(column) for column in BOX_COLUMNS)
        return Box(x1=x, y1=y, x2=x + width, y2=y + height)

    def _number(self, column: str) -> float:
        try:
            number = float(self._word(column))
        except ValueError:
            raise self._wrong(column, "is not a number") from None
        if not 0 <= number < 1e6 or (column in ("width", "height") and number == 0):
            raise self._wrong(column, "is out of range")
        return number

    def _format(self, plate: str) -> str:
        told = self._word("format").lower().replace(" ", "_")
        if told:
            return _ALIASES.get(told, told)
        return format_of(plate, DEFAULT) or "other"

    def _rows(self, box: Box | None) -> str:
        """As told; else by the shape of the box."""
        told = self._word("rows")
        if told not in ("", "1", "2"):
            raise self._wrong("rows", "is neither 1 nor 2")
        if told or box is None:
            return told or NOT_TOLD
        return "2" if box.width < _TWO_ROWS_BELOW * box.height else "1"


FORMAT_NAMES = (*(name for name in NAMES if name != "any"), "other")
"""The formats in the order in which a table lists them; words of a folder's own come after."""
