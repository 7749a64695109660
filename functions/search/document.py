"""The evidence of a sighting as a PDF of A4 pages, originals attached. Pure: the same evidence, the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos
from PIL import Image, UnidentifiedImageError

from functions.search.document_words import WORDS
from functions.search.evidence import Evidence, Picture

_GREY, _BLACK, _LINE = (95, 95, 95), (0, 0, 0), (205, 205, 205)
_LABEL_MM, _PICTURE_MM, _MOST_HIGH_MM = 52.0, 118.0, 88.0
_MOST_READINGS, _MOST_CANDIDATES = 40, 8


class _Page(FPDF):
    """Pages with a foot. Helvetica of every reader has Latin-1 alone: other characters are shown as `?`."""

    def __init__(self, foot: str, page: str) -> None:
        super().__init__(format="A4")
        self._foot, self._page = foot, page
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(auto=True, margin=18)
        self.alias_nb_pages()

    def footer(self) -> None:
        self.set_y(-13)
        self.small()
        self.cell(0, 4, plain(self._foot), align="L")
        self.set_y(-13)
        self.cell(0, 4, f"{plain(self._page)} {self.page_no()}/{{nb}}", align="R")

    def small(self) -> None:
        self.set_font("Helvetica", size=8)
        self.set_text_color(*_GREY)

    def normal(self, style: Any = "") -> None:
        self.set_font("Helvetica", style=style, size=10)
        self.set_text_color(*_BLACK)

    def heading(self, text: str) -> None:
        if self.will_page_break(24):
            self.add_page()
        self.ln(3)
        self.set_font("Helvetica", style="B", size=12)
        self.set_text_color(*_BLACK)
        self.cell(0, 7, plain(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_draw_color(*_LINE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(1.5)

    def fact(self, name: str, value: str, *, mono: bool = False) -> None:
        """A label and its value, which may take several lines."""
        self.normal()
        self.set_text_color(*_GREY)
        self.cell(_LABEL_MM, 5.2, plain(name))
        self.normal()
        if mono:
            self.set_font("Courier", size=8.5)
        self.multi_cell(
            0,
            5.2,
            plain(value),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
            wrapmode=WrapMode.CHAR if mono else WrapMode.WORD,
        )

    def words(self, text: str) -> None:
        self.small()
        self.multi_cell(0, 4, plain(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.normal()


def plain(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


def draw(evidence: Evidence, language: str) -> bytes:
    words = WORDS[language]
    zone = ZoneInfo(evidence.zone)
    page = _Page(f"GT-Vision - {words['document']} {evidence.document}", words["page"])
    page.set_title(f"GT-Vision {evidence.document}")
    page.set_creator("GT-Vision")
    page.set_lang(language)
    page.set_creation_date(evidence.made_at)
    page.add_page()
    _head(page, evidence, words, zone)
    _pictures(page, evidence, words)
    _facts(page, evidence, words, zone)
    _readings(page, evidence, words, zone)
    _custody(page, evidence, words, zone)
    _integrity(page, evidence, words)
    page.embed_file(
        bytes=evidence.record_bytes, basename="record.json", desc="record", modification_date=evidence.made_at
    )
    for picture in evidence.pictures:
        name = f"{picture.kind}.jpg"
        page.embed_file(bytes=picture.jpeg, basename=name, desc=name, modification_date=evidence.made_at)
    return bytes(page.output())


def _both(at: datetime | str, zone: ZoneInfo) -> str:
    """The city's clock, its distance from UTC, and the time in UTC; a line each."""
    local, offset, utc = _clocks(at, zone)
    return f"{local} ({zone.key}, {offset})\n{utc} UTC"


def _short(at: datetime | str, zone: ZoneInfo) -> str:
    """The same in one line."""
    local, offset, utc = _clocks(at, zone)
    return f"{local} {offset} = {utc} UTC"


def _clocks(at: datetime | str, zone: ZoneInfo) -> tuple[str, str, str]:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    local, offset = moment.astimezone(zone), moment.astimezone(zone).strftime("%z")
    millis = f".{moment.microsecond // 1000:03}"
    utc = moment.astimezone(UTC)
    return f"{local:%Y-%m-%d %H:%M:%S}{millis}", f"{offset[:3]}:{offset[3:]}", f"{utc:%Y-%m-%d %H:%M:%S}{millis}"


def _head(page: _Page, evidence: Evidence, words: Any, zone: ZoneInfo) -> None:
    record = evidence.record
    page.set_font("Helvetica", style="B", size=16)
    page.cell(0, 9, plain(words["title"]), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.set_font("Courier", style="B", size=26)
    page.cell(0, 13, plain(record["plate"] or words["none"]), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.fact(words["document"], evidence.document)
    page.fact(words["made"], _both(evidence.made_at, zone))
    page.fact(words["asked"], evidence.asked_by)
    page.fact(words["reason"], evidence.reason or words["reason.none"])


def _pictures(page: _Page, evidence: Evidence, words: Any) -> None:
    if not evidence.pictures and not evidence.missing:
        return
    page.heading(words["pictures"])
    for picture in evidence.pictures:
        _picture(page, picture)
        page.small()
        caption = f"{words[f'picture.{picture.kind}']} - SHA-256 {picture.sha256}"
        page.cell(0, 5, plain(caption), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    for kind in evidence.missing:
        page.fact(words[f"picture.{kind}"], words["picture.missing"])


def _picture(page: _Page, picture: Picture) -> None:
    try:
        with Image.open(io.BytesIO(picture.jpeg)) as opened:
            opened.load()
            across, down = opened.size
    except (UnidentifiedImageError, OSError):
        page.fact(picture.kind, "-")
        return
    width = min(_PICTURE_MM if picture.kind == "vehicle" else _PICTURE_MM / 2, _MOST_HIGH_MM * across / down)
    if page.will_page_break(width * down / across + 6):
        page.add_page()
    page.image(io.BytesIO(picture.jpeg), w=width)
    page.ln(0.5)


def _facts(page: _Page, evidence: Evidence, words: Any, zone: ZoneInfo) -> None:
    record, camera = evidence.record, evidence.camera
    page.heading(words["seen"])
    page.fact(words["from"], _both(record["started_at"], zone))
    page.fact(words["to"], _both(record["ended_at"], zone))
    page.fact(words["camera"], f"{camera.name} ({camera.id})" if camera else record["camera_id"])
    if camera and camera.location:
        page.fact(words["place"], camera.location)
    if camera and camera.latitude is not None and camera.longitude is not None:
        page.fact(words["coordinates"], f"{camera.latitude:.6f}, {camera.longitude:.6f}")
    if camera and camera.heading is not None:
        page.fact(words["heading"], f"{camera.heading:.0f}\N{DEGREE SIGN}")
    page.heading(words["vehicle"])
    for name, value, sure in (
        ("type", record["vehicle_type"], record["vehicle_confidence"]),
        ("color", record["color"], record["color_confidence"]),
        ("direction", record["direction"], None),
    ):
        page.fact(words[name], "-" if value is None else f"{words.get(value, value)}{_percent(sure)}")
    page.heading(words["plate"])
    page.fact(words["plate"], record["plate"] or words["none"])
    page.fact(words["read"], f"{record['plate_read'] or words['none']}")
    page.fact(words["confidence"], _percent(record["plate_confidence"]).strip(" ()") or "-")
    page.fact(words["format"], record["plate_format"] or "-")
    for name in ("corrected", "uncertain"):
        page.fact(words[name], words["yes" if record[name] else "no"])


def _percent(value: float | None) -> str:
    return "" if value is None else f" ({100 * value:.1f} %)"


def _readings(page: _Page, evidence: Evidence, words: Any, zone: ZoneInfo) -> None:
    record = evidence.record
    _table(page, words["candidates"], (
        (one["text"], _percent(one["confidence"]).strip(" ()")) for one in record["candidates"][:_MOST_CANDIDATES]
    ))  # fmt: skip
    _table(page, words["readings"], (
        (_short(one["captured_at"], zone), f"{one['plate'] or '-'}{_percent(one['plate_confidence'])}")
        for one in record["readings"][:_MOST_READINGS]
    ))  # fmt: skip
    _table(page, words["corrections"], (
        (_short(one["at"], zone), _correction(one, words)) for one in record["corrections"]
    ))  # fmt: skip


def _correction(one: Any, words: Any) -> str:
    why = f": {one['reason']}" if one["reason"] else ""
    change = f"{one['plate_before'] or '-'} > {one['plate_after'] or '-'}"
    return f"{change}, {words['by']} {one['by']} ({words[one['source']]}){why}"


def _table(page: _Page, title: str, rows: Iterable[tuple[str, str]]) -> None:
    listed = list(rows)
    if not listed:
        return
    page.heading(title)
    for left, right in listed:
        page.set_font("Helvetica", size=9)
        page.set_text_color(*_BLACK)
        page.cell(100 if len(left) > 20 else _LABEL_MM, 4.8, plain(left))
        page.multi_cell(0, 4.8, plain(right), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _custody(page: _Page, evidence: Evidence, words: Any, zone: ZoneInfo) -> None:
    page.heading(words["custody"])
    if not evidence.custody:
        page.words(words["custody.none"])
    for act in evidence.custody:
        page.set_font("Helvetica", size=9)
        page.set_text_color(*_BLACK)
        what = f"{words.get(act.action, act.action)}, {words['by']} {act.actor}"
        reason = f"; {words['reason']}: {act.reason}" if act.reason else ""
        line = f"{_short(act.at, zone)}: {what}{reason} ({words['custody.row']} {act.seq}, {act.row_hash[:16]})"
        page.multi_cell(0, 4.6, plain(line), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _held(picture: Picture) -> str:
    return "same" if picture.stored_sha256 == picture.sha256 else "differs"


def _integrity(page: _Page, evidence: Evidence, words: Any) -> None:
    page.heading(words["hashes"])
    page.fact(words["record"], evidence.record_sha256, mono=True)
    for picture in evidence.pictures:
        page.fact(f"{words[f'picture.{picture.kind}']} ({picture.kind}.jpg)", picture.sha256, mono=True)
        page.fact(words["hash.stored"], picture.stored_sha256 or "-", mono=True)
        held = "unknown" if picture.stored_sha256 is None else _held(picture)
        page.words(words[f"hash.{held}"])
    page.ln(1)
    page.words(words["attached"])
    page.ln(1)
    page.words(words["limits"])
