"""`gtvision detections list, route, companions, stats, export, evidence` against a running platform."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from datetime import timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader

from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.tables import Camera, Detection
from tests.cli.conftest import Platform

HOUR_AGO = now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)


def passage(plate: str | None, minutes: float, camera: str = "north") -> Detection:
    at = HOUR_AGO + timedelta(minutes=minutes)
    return Detection(
        id=new_id(), camera_id=camera, started_at=at, ended_at=at, final=True, plate=plate, plate_read=plate,
        plate_reversed=plate[::-1] if plate else None, plate_confidence=0.9, candidates=[], correlation_id="c",
        vehicle_type="car", created_at=at, updated_at=at,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(platform: Platform) -> list[Detection]:
    rows = [
        passage("ABC1234", 0), passage("ABC1C34", 2, "south"), passage("ABC1234", 4), passage("A8C1234", 9, "south"),
        passage("XYZ9K88", 0.5), passage("XYZ9K88", 2.5, "south"), passage("XYZ9K88", 4.5), passage(None, 9),
    ]  # fmt: skip
    cameras = [
        Camera(id=name, name=name.title(), url_encrypted="-", enabled=False, latitude=latitude, longitude=-46.6,
               created_at=HOUR_AGO - timedelta(days=2), updated_at=HOUR_AGO)
        for name, latitude in (("north", -23.5), ("south", -23.51))
    ]  # fmt: skip

    async def insert() -> None:
        database = Database(f"sqlite+aiosqlite:///{platform.folder / 'data' / 'gtvision.db'}")
        async with database.transaction() as session:
            session.add_all([*cameras, *rows])
        await database.close()

    asyncio.run(insert())
    return rows


def test_fuzzy_and_twins(platform: Platform, seen: list[Detection]) -> None:
    found = platform(
        "detections", "list", "--plate", "ABC1234", "--match", "fuzzy", "--twins", "--json", "--from", "2h"
    )
    assert found.code == 0, found.err
    assert [(item["plate"], item["score"]) for item in found.json["items"]] == [
        ("ABC1234", 1.0), ("ABC1C34", 1.0), ("ABC1234", 1.0), ("A8C1234", 0.957),
    ]  # fmt: skip
    assert {each["camera_id"] for each in found.json["blind"]} == {"north", "south"}
    table = platform("detections", "list", "--plate", "ABC1234", "--reason", "case 7")
    assert table.out.count("ABC1234") == 2
    assert "Cameras that did not see" in table.err
    assert "North: " in table.err
    assert platform("detections", "list", "--plate", "ABC*", "--match", "fuzzy").code == 2


def test_a_route(platform: Platform, seen: list[Detection]) -> None:
    route = platform("detections", "route", "abc-1234", "--json")
    assert route.code == 0, route.err
    assert [point["camera_id"] for point in route.json["items"]] == ["north", "south", "north"]
    assert route.json["plates"] == ["ABC1234", "ABC1C34"]
    shown = platform("detections", "route", "ABC1234", "--no-twins").out
    assert "South" not in shown
    assert "0:04:00" in shown
    assert "not seen" in platform("detections", "route", "ZZZ9Z99").out
    assert platform("detections", "route", "../../api/status").code != 0


def test_companions_and_statistics(platform: Platform, seen: list[Detection]) -> None:
    found = platform("detections", "companions", "ABC1234", "--minutes", "1", "--json")
    assert [(each["plate"], each["meetings"]) for each in found.json["items"]] == [("XYZ9K88", 3)]
    shown = platform("detections", "companions", "ABC1234")
    assert "3 passages of ABC1234 or ABC1C34" in shown.out
    assert "Cameras that did not see" in shown.err
    counted = platform("detections", "stats", "--by", "camera", "--from", "3h", "--json")
    assert {key["key"]: key["count"] for key in counted.json["keys"]} == {"north": 5, "south": 3}
    table = platform("detections", "stats", "--by", "camera", "--time-zone", "UTC")
    assert "8 vehicles, 7 with a plate; UTC." in table.out
    assert f"{HOUR_AGO:%Y-%m-%d %H:00} (8)" in table.out
    assert platform("detections", "stats", "--by", "plate").code == 2


def test_an_export_and_a_document(platform: Platform, seen: list[Detection], tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    done = platform("detections", "export", str(file), "--plate", "ABC", "--match", "prefix")
    assert done.code == 0, done.err
    assert "3 rows" in done.out
    assert hashlib.sha256(file.read_bytes()).hexdigest() in done.out
    assert "Cameras did not see" in done.out
    assert [row["plate"] for row in csv.DictReader(io.StringIO(file.read_text()))] == ["ABC1234", "ABC1C34", "ABC1234"]
    assert platform("detections", "export", str(file)).code == 2, "it would write over a file"
    assert platform("detections", "export", "-", "--limit", "1").out.count("\n") == 2
    pdf = tmp_path / "one.pdf"
    made = platform("detections", "evidence", seen[0].id, str(pdf), "--reason", "case 7", "--lang", "en")
    assert made.code == 0, made.err
    text = " ".join(PdfReader(pdf).pages[0].extract_text().split())
    assert "ABC1234" in text
    assert "case 7" in text
    assert platform("detections", "evidence", "0" * 32, str(tmp_path / "none.pdf")).code == 4
    assert not (tmp_path / "none.pdf").exists()
