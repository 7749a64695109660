"""Cameras out to CSV and in again: nothing is lost, nothing runs as a formula, and what is there can be changed."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from functions.cameras import sheet
from functions.cameras.schemas import CameraCreate
from tests.functions.cameras.conftest import URL, Register

FULL = {
    "id": "ponte", "name": "Ponte, da \"Sé\"", "enabled": False, "group_id": "norte", "location": "=HYPERLINK(1)",
    "latitude": -23.5505, "longitude": -46.6333, "heading": 359.5, "vendor": "+55", "model": "@SUM(A1)",
    "tags": ["-x", "norte"], "sample_fps": 0.5, "motion_gate": False, "motion_threshold": 0.00001, "jpeg_quality": 70,
    "max_side": 1280, "min_confidence": 0.75, "min_plate_height": 14, "regions": [[[0.1, 0.4], [0.9, 0.4], [0.5, 1.0]]],
    "ignore_zones": [[[0.0, 0.0], [0.1, 0.0], [0.0, 0.1]]],
    "schedule": [{"days": ["mon", "fri"], "start": "22:00", "end": "06:00"}], "retention_days": 30,
    "notes": "-2+3; dois\nolhos\n'quoted'",
}  # fmt: skip
ODD = ["=1+1", "+1", "-1", "-1.5", "-a", "@x", "'=x", "''x", "'plain", "'", "=", "1=1", "a'b", "\u2212x"]


async def make(register: Register, **body: Any) -> None:
    answer = await register.client.post("/api/cameras", json={"rtsp_url": f"{URL}/{body.get('id')}", **body})
    assert answer.status_code == 201, answer.text


async def export(register: Register, **params: str) -> bytes:
    answer = await register.client.get("/api/cameras/export.csv", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    return answer.content


async def take(register: Register, data: bytes, **params: Any) -> httpx.Response:
    headers = {"content-type": "text/csv"}
    return await register.client.post("/api/cameras/import", content=data, params=params, headers=headers)


async def everything(register: Register) -> list[dict[str, Any]]:
    page = (await register.client.get("/api/cameras", params={"limit": 200})).json()
    return [{name: value for name, value in item.items() if name != "status"} for item in page["items"]]


@pytest.mark.parametrize("separator", ["comma", "semicolon"])
async def test_what_goes_out_comes_in_unchanged(register: Register, separator: str) -> None:
    await register.client.post("/api/groups", json={"id": "norte", "name": "Norte"})
    await make(register, **FULL)
    for number, name in enumerate(ODD):
        await make(register, id=f"odd-{number}", name=name, vendor=name, notes=name)
    before = await everything(register)
    data = await export(register, separator=separator)
    assert data.startswith(b"\xef\xbb\xbf")
    assert b"S3CRET-MARK" not in data
    assert b"rtsp" not in data
    answer = await take(register, data, upsert="true")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert {row["action"] for row in report["cameras"]} == {"same"}
    assert (report["lines"], report["created"], report["updated"]) == (len(ODD) + 1, 0, 0)
    assert await everything(register) == before


async def test_no_cell_runs_as_a_formula(register: Register) -> None:
    await register.client.post("/api/groups", json={"id": "norte", "name": "Norte"})
    await make(register, **FULL)
    for number, name in enumerate(ODD):
        await make(register, id=f"odd-{number}", name=name, notes=f"{name}\n=x")
    rows = list(csv.reader(io.StringIO((await export(register)).decode("utf-8-sig"))))
    assert rows[0] == list(sheet.EXPORTED)
    assert set(rows[0]) == set(CameraCreate.model_fields) - {"rtsp_url"}
    for cell in (cell for row in rows[1:] for cell in row):
        assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
        # A negative number is one, and stays one.
        assert not cell.startswith("-") or sheet._NUMBER.fullmatch(cell), cell
    full = dict(zip(rows[0], rows[-1], strict=True))
    assert (full["location"], full["latitude"], full["tags"]) == ("'=HYPERLINK(1)", "-23.5505", "'-x|norte")
    assert full["schedule"] == "mon,fri 22:00-06:00"


@pytest.mark.parametrize("cell", ODD)
def test_every_cell_comes_back_as_it_was(cell: str) -> None:
    row = SimpleNamespace(**{**dict.fromkeys(sheet.EXPORTED), "id": "x", "name": "n", "notes": cell})
    for semicolons in (False, True):
        data = sheet.written([row], semicolons=semicolons)
        found = sheet.read_sheet(data, {"x"})
        assert found.faults == []
        assert found.entries[0].given.notes == cell.strip()


@pytest.mark.parametrize("number", [0.1, 1e-05, 1.5e-7, -0.0, 359.999, -23.550519, 100.0])
def test_numbers_are_written_without_an_exponent_and_read_as_the_same(number: float) -> None:
    text = sheet._plain(number)
    assert float(text) == number
    assert "e" not in text


CHANGES = (
    "id,name,vendor,sample_fps,rtsp_url,tags\n"
    "ponte,,Olho Vivo,2,,\n"
    "praca,Praça,,,rtsp://op:S3CRET-MARK@127.0.0.1/other,norte|sul\n"
    "same,Same,,,,\n"
    f"nova,Nova,,,{URL}/nova,\n"
)


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_a_line_with_the_id_of_a_camera_changes_it(register: Register, dry_run: str) -> None:
    for camera_id, name in (("ponte", "Ponte"), ("praca", "Old"), ("same", "Same")):
        await make(register, id=camera_id, name=name, notes="kept", tags=["leste"])
    before = await everything(register)
    answer = await take(register, CHANGES.encode(), upsert="true", dry_run=dry_run)
    assert answer.status_code == (200 if dry_run == "true" else 201), answer.text
    report = answer.json()
    assert [(row["line"], row["id"], row["action"], row["fields"]) for row in report["cameras"]] == [
        (2, "ponte", "update", ["sample_fps", "vendor"]),
        (3, "praca", "update", ["name", "rtsp_url", "tags"]),
        (4, "same", "same", []),
        (5, "nova", "create", []),
    ]
    assert "S3CRET-MARK" not in answer.text
    if dry_run == "true":
        assert (report["created"], report["updated"]) == (0, 0)
        assert await everything(register) == before
        return
    assert (report["created"], report["updated"]) == (1, 2)
    after = {item["id"]: item for item in await everything(register)}
    assert (after["ponte"]["name"], after["ponte"]["vendor"], after["ponte"]["notes"]) == ("Ponte", "Olho Vivo", "kept")
    assert (after["praca"]["tags"], after["praca"]["revision"]) == (["norte", "sul"], 2)
    assert after["same"]["revision"] == 1
    assert after.keys() == {"ponte", "praca", "same", "nova"}


async def test_without_upsert_a_known_id_is_a_fault(register: Register) -> None:
    await make(register, id="ponte", name="Ponte")
    answer = await take(register, f"id,name,rtsp_url\nponte,P,{URL}/x\n".encode(), mode="valid")
    assert [(fault["line"], fault["field"]) for fault in answer.json()["errors"]] == [(2, "id")]
    refused = await take(register, b"id,vendor\nponte,X\n")
    assert refused.status_code == 422
    assert "lacks name, rtsp_url" in refused.json()["error"]["message"]


async def test_faults_of_changes_are_named_by_line(register: Register) -> None:
    for camera_id in ("a", "b"):
        await make(register, id=camera_id, name=camera_id)
    text = (
        "id,name,rtsp_url,heading,group_id,schedule\n"
        "a,,,400,,\n"
        "a,,http://127.0.0.1/x,,,\n"
        "a,,rtsp://169.254.169.254/x,,,\n"
        f"a,,{URL}/b,,,\n"
        "b,,,,no-such,\n"
        "b,,,,,whenever\n"
        "new,,,,,\n"
        "b,B,,90,,mon 06:00-07:00\n"
        "b,C,,,,\n"
    )
    answer = await take(register, text.encode(), upsert="true", mode="valid")
    report = answer.json()
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [
        (2, "heading"), (3, "rtsp_url"), (4, "rtsp_url"), (5, "rtsp_url"), (6, "group_id"), (7, "schedule"),
        (8, "name"), (8, "rtsp_url"), (10, "id"),
    ]  # fmt: skip
    assert [(row["line"], row["fields"]) for row in report["cameras"]] == [(9, ["heading", "name", "schedule"])]
    refused = await take(register, text.encode(), upsert="true")
    assert refused.status_code == 422
    assert "nothing was changed" in refused.json()["error"]["message"]
