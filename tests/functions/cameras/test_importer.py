"""Cameras from CSV: the file as a whole, its lines, and what is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from functions.cameras.schemas import CameraCreate
from functions.cameras.sheet import MAX_BYTES, MAX_LINES, Sheet, read_sheet
from functions.shared.errors import InvalidInput, TooLarge
from functions.shared.topology import CAMERAS_KV
from tests.functions.cameras.conftest import Register

HEADER = "name,rtsp_url,id,sample_fps,enabled\n"
GOOD = (
    HEADER
    + "Praça da Sé,rtsp://op:S3CRET-MARK@10.0.0.1/a,,2,\n"
    + "Ponte,rtsp://10.0.0.2/a,ponte,,false\n"
    + "Praça da Sé,rtsp://10.0.0.3/a,,,\n"
)


def sheet(text: str | bytes) -> Sheet:
    return read_sheet(text.encode() if isinstance(text, str) else text)


def faults(found: Sheet) -> list[tuple[int, str]]:
    return [(fault.line, fault.field) for fault in found.faults]


async def send(register: Register, text: str | bytes, **params: Any) -> httpx.Response:
    body = text.encode() if isinstance(text, str) else text
    headers = {"content-type": "text/csv", **params.pop("headers", {})}
    return await register.client.post("/api/cameras/import", content=body, params=params, headers=headers)


async def ids(register: Register) -> list[str]:
    page = (await register.client.get("/api/cameras", params={"limit": 200})).json()
    return [item["id"] for item in page["items"]]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comma", [",", ";"])
def test_bom_line_ends_and_separators(bom: bytes, end: str, comma: str) -> None:
    text = GOOD.replace(",", comma).replace("\n", end)
    found = sheet(bom + text.encode())
    assert (found.lines, found.faults) == (3, [])
    assert [entry.line for entry in found.entries] == [2, 3, 4]
    first = found.entries[0].given
    assert isinstance(first, CameraCreate)
    assert (first.name, first.sample_fps, first.enabled, first.id) == ("Praça da Sé", 2.0, True, None)
    assert first.rtsp_url.get_secret_value() == "rtsp://op:S3CRET-MARK@10.0.0.1/a"
    assert found.entries[1].given.enabled is False


def test_what_people_write() -> None:
    text = (
        " Name ;RTSP_URL;sample_fps;latitude;enabled;motion_gate;notes;\n"
        'Ponte; rtsp://10.0.0.2/a ;0,5;"-23,55";não;SIM;"two\nlines; and a ""quote""";\n'
        "\n;;;;\n"
        "Rua;rtsp://10.0.0.3/a\n"
    )
    found = sheet(text)
    assert found.faults == []
    ponte, rua = (entry.given for entry in found.entries)
    assert (ponte.sample_fps, ponte.latitude, ponte.enabled, ponte.motion_gate) == (0.5, -23.55, False, True)
    assert ponte.notes == 'two\nlines; and a "quote"'
    assert rua.sample_fps == 1.0
    # Lines are counted as a text editor counts them.
    assert [entry.line for entry in found.entries] == [2, 6]


def test_each_bad_line_is_named_with_its_field() -> None:
    text = HEADER + (
        ",rtsp://10.0.0.1/a,,,\n"
        "Cam,,,,\n"
        "Cam,http://10.0.0.1/a,,,\n"
        "Cam,rtsp://10.0.0.1:99999/a,,,\n"
        "Cam,rtsp://10.0.0.1/a,Not An Id,,\n"
        "Cam,rtsp://10.0.0.1/a,,fast,\n"
        "Cam,rtsp://10.0.0.1/a,,99,perhaps\n"
        "Cam,rtsp://10.0.0.1/a,,1,true,more\n"
        "Cam\x01,rtsp://10.0.0.1/a,,,\n"
        "Good,rtsp://10.0.0.1/a,,,\n"
    )
    found = sheet(text)
    assert sorted(faults(found)) == [
        (2, "name"), (3, "rtsp_url"), (4, "rtsp_url"), (5, "rtsp_url"), (6, "id"), (7, "sample_fps"),
        (8, "enabled"), (8, "sample_fps"), (9, "line"), (10, "name"),
    ]  # fmt: skip
    assert [entry.line for entry in found.entries] == [11]
    assert (found.lines, all(fault.reason for fault in found.faults)) == (10, True)


def test_a_quote_that_does_not_close_is_named() -> None:
    found = sheet(HEADER + 'Cam,rtsp://10.0.0.1/a,,,\n"Cam,rtsp://10.0.0.2/a,,,\nCam,rtsp://10.0.0.3/a,,,\n')
    assert faults(found) == [(3, "line")]
    assert len(found.entries) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"name\nCam\n", "lacks rtsp_url"),
        (b"name,rtsp_url,colour\n", "unknown column 'colour'"),
        (b"name,name,rtsp_url\n", "stands twice"),
        (b"Cam,rtsp://op:x@10.0.0.1/a\n", "unknown column"),
        ("name,rtsp_url\nPraça,x\n".encode("latin-1"), r"not UTF-8 \(line 2\)"),
        ("name,rtsp_url\n".encode("utf-16"), "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        sheet(text)


def test_a_file_too_long_or_too_large_is_refused() -> None:
    line = "Cam,rtsp://10.0.0.1/a,,,\n"
    assert sheet(HEADER + line * MAX_LINES).lines == MAX_LINES
    with pytest.raises(TooLarge, match="5000 lines"):
        sheet(HEADER + line * (MAX_LINES + 1))
    with pytest.raises(TooLarge, match="2 MB"):
        sheet(HEADER + "x" * MAX_BYTES)


@pytest.mark.parametrize("address", ["rtsp://op:S3CRET-MARK@10.0.0.1/a", f"rtsp://{'u' * 30}:S3CRET-MARK@cam/"])
def test_a_header_without_columns_does_not_show_an_address(address: str) -> None:
    """Column names are compared in lower case."""
    with pytest.raises(InvalidInput, match="unknown column") as caught:
        sheet(f"{address},Cam\n")
    assert "s3cret" not in caught.value.message.lower()
    assert "rtsp:" not in caught.value.message


async def test_a_good_file_is_kept_and_told(register: Register) -> None:
    answer = await send(register, GOOD)
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert (report["created"], report["lines"], report["errors"]) == (3, 3, [])
    assert [(row["line"], row["id"]) for row in report["cameras"]] == [
        (2, "praca-da-se"), (3, "ponte"), (4, "praca-da-se-2"),
    ]  # fmt: skip
    assert "S3CRET-MARK" not in answer.text
    assert await ids(register) == ["ponte", "praca-da-se", "praca-da-se-2"]
    bus = await register.context.bus()
    async with asyncio.timeout(30):
        while (await bus.kv_all(CAMERAS_KV)).keys() != {"ponte", "praca-da-se", "praca-da-se-2"}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


BAD = GOOD + "Bad,http://op:S3CRET-MARK@10.0.0.9/a,,,\nMeta,rtsp://169.254.169.254/a,,,\n"


async def test_all_or_nothing_keeps_nothing(register: Register) -> None:
    answer = await send(register, BAD)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert "2 of 5 lines" in error["message"]
    assert [(fault["line"], fault["field"]) for fault in error["details"]["errors"]] == [
        (5, "rtsp_url"), (6, "rtsp_url"),
    ]  # fmt: skip
    assert error["details"]["created"] == 0
    assert "S3CRET-MARK" not in answer.text
    assert await ids(register) == []


async def test_valid_keeps_the_good_lines(register: Register) -> None:
    answer = await send(register, BAD, mode="valid")
    assert answer.status_code == 201
    assert answer.json()["created"] == 3
    assert [fault["line"] for fault in answer.json()["errors"]] == [5, 6]
    assert len(await ids(register)) == 3


@pytest.mark.parametrize(("mode", "planned"), [("all", 0), ("valid", 3)])
async def test_a_dry_run_keeps_nothing_and_reports_the_same(register: Register, mode: str, planned: int) -> None:
    answer = await send(register, BAD, mode=mode, dry_run="true")
    assert answer.status_code == 200
    report = answer.json()
    assert (report["dry_run"], report["created"], len(report["cameras"])) == (True, 0, planned)
    assert [fault["line"] for fault in report["errors"]] == [5, 6]
    assert await ids(register) == []


async def test_what_stands_twice_is_named(register: Register) -> None:
    await send(register, HEADER + "Old,rtsp://op:pw@10.0.0.1/a,old,,\nGone,rtsp://10.0.0.8/a,gone,,\n")
    await register.client.delete("/api/cameras/gone")
    text = HEADER + (
        "A,rtsp://10.0.0.5/a,new,,\n"
        "B,rtsp://10.0.0.6/a,new,,\n"
        "C,rtsp://10.0.0.5/a,,,\n"
        "D,rtsp://op:pw@10.0.0.1/a,,,\n"
        "E,rtsp://10.0.0.7/a,old,,\n"
        "F,rtsp://10.0.0.8/a,gone,,\n"
        "Gone,rtsp://10.0.0.8/a,,,\n"
    )
    answer = await send(register, text, mode="valid")
    report = answer.json()
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [
        (3, "id"), (4, "rtsp_url"), (5, "rtsp_url"), (6, "id"), (7, "id"),
    ]  # fmt: skip
    reasons = [fault["reason"] for fault in report["errors"]]
    assert "line 2" in reasons[0]
    assert "line 2" in reasons[1]
    assert "old" in reasons[2]
    # The id of a camera that is gone is not given again, its address may be.
    assert await ids(register) == ["gone-2", "new", "old"]


async def test_the_same_file_twice_adds_nothing(register: Register) -> None:
    await send(register, GOOD)
    again = await send(register, GOOD, mode="valid")
    assert (again.status_code, again.json()["created"], len(again.json()["errors"])) == (200, 0, 3)
    assert len(await ids(register)) == 3


async def test_the_same_idempotency_key_imports_once(register: Register) -> None:
    answers = [await send(register, GOOD, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await ids(register)) == 3


async def test_a_form_with_a_file_is_read_alike(sqlite_register: Register) -> None:
    client = sqlite_register.client
    answer = await client.post("/api/cameras/import", files={"file": ("c.csv", GOOD.encode(), "text/csv")})
    assert answer.json()["created"] == 3, answer.text
    for arguments in ({"files": {"other": ("c.csv", b"x")}}, {"files": {"x": ("c.csv", b"x")}, "data": {"file": "x"}}):
        refused = await client.post("/api/cameras/import", **arguments)
        assert refused.status_code == 422
        assert refused.json()["error"]["details"]["field"] == "file"


async def test_an_upload_that_is_too_large_is_refused(sqlite_register: Register) -> None:
    for size in (MAX_BYTES + 1, 20 * 1024 * 1024):
        answer = await send(sqlite_register, HEADER.encode() + b"x" * size)
        assert answer.status_code == 413, size


async def test_five_thousand_lines_go_in_at_once(sqlite_register: Register) -> None:
    lines = "".join(f"Cam {n},rtsp://10.{n // 250}.{n % 250}.1/a,,,\n" for n in range(MAX_LINES))
    answer = await send(sqlite_register, HEADER + lines)
    assert answer.status_code == 201, answer.text[:500]
    assert answer.json()["created"] == MAX_LINES


GROUPED = (
    "name,rtsp_url,group_id\n"
    "Um,rtsp://10.0.0.1/a,norte\n"
    "Dois,rtsp://10.0.0.2/a,sul\n"
    "Três,rtsp://10.0.0.3/a,sul\n"
    "Quatro,ftp://10.0.0.4/a,oeste\n"
    "Cinco,rtsp://10.0.0.5/a,\n"
)


async def groups(register: Register) -> dict[str, tuple[list[str], int]]:
    page = (await register.client.get("/api/groups")).json()
    return {item["id"]: (item["plate_formats"], item["cameras"]) for item in page["items"]}


async def test_a_group_that_is_not_there_is_a_fault_of_the_line(register: Register) -> None:
    await register.client.post("/api/groups", json={"name": "Norte", "plate_formats": ["br_old"]})
    refused = await send(register, GROUPED)
    assert refused.status_code == 422
    found = refused.json()["error"]["details"]["errors"]
    assert [(fault["line"], fault["field"]) for fault in found] == [
        (3, "group_id"), (4, "group_id"), (5, "rtsp_url"),
    ]  # fmt: skip
    assert "no group sul" in found[0]["reason"]
    kept = await send(register, GROUPED, mode="valid")
    assert (kept.json()["created"], kept.json()["groups"]) == (2, [])
    assert await groups(register) == {"norte": (["br_old"], 1)}


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_groups_are_made_when_asked_for(register: Register, dry_run: str) -> None:
    await register.client.post("/api/groups", json={"name": "Norte", "plate_formats": ["br_old"]})
    answer = await send(register, GROUPED, mode="valid", create_groups="true", dry_run=dry_run)
    report = answer.json()
    # The group of a line that is wrong is not made.
    assert ([row["line"] for row in report["cameras"]], report["groups"]) == ([2, 3, 4, 6], ["sul"])
    made = {} if dry_run == "true" else {"sul": (["br_old", "br_mercosul"], 2)}
    assert await groups(register) == {"norte": (["br_old"], 1 if made else 0), **made}


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_the_id_of_a_deleted_group_is_not_given_again(register: Register, dry_run: str) -> None:
    """Deleted cameras keep their group: what they saw would pass to the people of the new one."""
    client = register.client
    await client.post("/api/groups", json={"name": "Sul", "id": "sul"})
    body = {"name": "Velha", "rtsp_url": "rtsp://10.0.0.77/a", "group_id": "sul"}
    assert (await client.post("/api/cameras", json=body)).status_code == 201
    for path in ("/api/cameras/velha", "/api/groups/sul"):
        assert (await client.delete(path)).status_code == 204
    text = "name,rtsp_url,group_id\nUm,rtsp://10.0.0.1/a,sul\nDois,rtsp://10.0.0.2/a,leste\n"
    report = (await send(register, text, mode="valid", create_groups="true", dry_run=dry_run)).json()
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [(2, "group_id")]
    assert "deleted" in report["errors"][0]["reason"]
    assert ([row["line"] for row in report["cameras"]], report["groups"]) == ([3], ["leste"])
    assert "sul" not in await groups(register)


async def test_a_file_that_is_refused_makes_no_group(register: Register) -> None:
    refused = await send(register, GROUPED, create_groups="true")
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["groups"] == []
    assert await groups(register) == {}


async def test_polygons_are_json_in_a_cell(register: Register) -> None:
    text = (
        "name;rtsp_url;min_plate_height;regions;ignore_zones\n"
        'Um;rtsp://10.0.0.1/a;14;"[[[0.1, 0.4], [0.9, 0.4], [0.5, 1]]]";[]\n'
        "Dois;rtsp://10.0.0.2/a;7;;\n"
        "Três;rtsp://10.0.0.3/a;;0.1 0.2;\n"
        "Quatro;rtsp://10.0.0.4/a;;;[[[0,0],[1,1],[1,0],[0,1]]]\n"
        f"Cinco;rtsp://10.0.0.5/a;;{'[' * 100_000};\n"
        "Seis;rtsp://10.0.0.6/a;;{};\n"
    )
    answer = await send(register, text, mode="valid")
    assert [(fault["line"], fault["field"]) for fault in answer.json()["errors"]] == [
        (3, "min_plate_height"), (4, "regions"), (5, "ignore_zones.0"), (6, "regions"), (7, "regions"),
    ]  # fmt: skip
    found = (await register.client.get("/api/cameras/um")).json()
    assert (found["regions"], found["min_plate_height"]) == ([[[0.1, 0.4], [0.9, 0.4], [0.5, 1]]], 14)
    assert found["ignore_zones"] is None
