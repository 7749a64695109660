"""The page of `gtvision bench lpr`: each miss once, everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli.bench.lpr.labels import read_labels
from cli.bench.lpr.page import Limits, aligned, build_page, marked
from functions.shared.inference import Box
from tests.cli.bench_readings import folder_of, one_set, plate, reading, report_of
from tests.support.chromium import Complaints, chromium

BOX = Box(x1=100, y1=100, x2=200, y2=130)
WIDE = "image,x,y,width,height,plate,light,source,note\n"
EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Which elements a page has, and whether each is closed."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def page(tmp_path: Path) -> str:
    folder = folder_of(
        tmp_path,
        f"a.jpg,100,100,100,30,ABC1234,{EVIL},,first",
        f"a.jpg,100,100,100,30,DEF5678,day,{EVIL},{EVIL}",
        "a.jpg,100,100,100,30,GHI9012,day,,",
        "a.jpg,,,,,JKL3456,day,,",
        header=WIDE,
    )
    readings = [
        reading(plate("ABC1234", BOX, 0.7, [("ABC1284", 0.2)])),
        reading(plate("DEF5670", BOX, 0.8, [("DEF5678", 0.1)])),
        reading(plate("<b>&", BOX, 0.4)),
        reading(),
    ]
    judged = one_set(read_labels(folder), readings, second=[reading()] * 4)
    return build_page(report_of(judged), [judged])


def test_each_miss_is_there_once_and_hits_are_not_among_them(page: str) -> None:
    misses = [
        attrs["id"] for tag, attrs in Tags(page).found if tag == "article" and str(attrs["id"]).startswith("miss")
    ]
    assert misses == ["miss-1-3", "miss-1-4", "miss-1-5"]
    assert page.count('id="hit-1-2"') == 1
    assert "Not exact: 3<" in page


def test_nothing_of_labels_or_answers_is_markup(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "b>"} & {tag for tag, _ in tags.found}
    assert "<b>&<" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_it_loads_nothing_from_elsewhere(page: str) -> None:
    for tag, attrs in Tags(page).found:
        for name in ("src", "href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:image/jpeg;base64,", "#")), (tag, value)
    assert not re.search(r"url\(|@import|https?://", page)


def test_pictures_are_there_and_a_plate_without_box_and_answer_has_none(page: str) -> None:
    assert page.count("class=whole") == 4
    assert page.count("class=crop") == 3


async def test_a_browser_shows_it_offline_and_on_a_phone(page: str, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
        shown = await context.new_page()
        complaints = Complaints(shown)
        await shown.goto(file.as_uri())
        widths = await shown.evaluate("[...document.images].map(image => image.naturalWidth)")
        overflow = await shown.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert len(widths) == 7
    assert min(widths) > 0
    assert overflow <= 0
    assert complaints.found == []


def test_the_limit_is_said(tmp_path: Path) -> None:
    labels = read_labels(folder_of(tmp_path, *("a.jpg,1,2,30,40,ABC1234" for _ in range(5))))
    judged = one_set(labels, [reading()] * 5)
    page = build_page(report_of(judged), [judged], Limits(misses=2))
    assert page.count('<article class="card"') == 2
    assert "Not exact: 5 (the first 2 of 5)" in page
    assert "No answer, so nothing to say." in page


@pytest.mark.parametrize(
    ("expected", "read", "marks"),
    [
        ("ABC1234", "ABC1234", ("ABC1234", "ABC1234")),
        ("ABC1", "AXC1", ("A<mark>B</mark>C1", "A<mark>X</mark>C1")),
        ("ABC1", "BC1", ("<del>A</del>BC1", "BC1")),
        ("BC1", "BC17", ("BC1", "BC1<ins>7</ins>")),
        ("A", "&", ("<mark>A</mark>", "<mark>&amp;</mark>")),
        ("AB", "", ("<del>A</del><del>B</del>", "")),
    ],
)
def test_differing_characters_are_marked(expected: str, read: str, marks: tuple[str, str]) -> None:
    assert marked(expected, read) == marks


def test_the_alignment_is_a_cheapest_one() -> None:
    pairs = aligned("ABC1D23", "BC1D233")
    assert sum(one != other for one, other in pairs) == 2
    assert "".join(one or "" for one, _ in pairs) == "ABC1D23"
    assert "".join(other or "" for _, other in pairs) == "BC1D233"
