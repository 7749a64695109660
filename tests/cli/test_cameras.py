"""`gtvision cameras`: facts, hours, files, undoing, and looking for devices, against a running platform."""

from __future__ import annotations

import csv
import io
import json

from tests.cli.conftest import Platform
from tests.support.onvif import OnvifDevice

ADDRESS = "rtsp://op:S3CRET-MARK@127.0.0.1:1/{}\n"


def add(platform: Platform, camera_id: str, *options: str) -> None:
    done = platform(
        "cameras", "add", camera_id.title(), "-", "--id", camera_id, *options, given=ADDRESS.format(camera_id)
    )
    assert done.code == 0, done.err


def test_facts_are_set_shown_filtered_and_emptied(platform: Platform) -> None:
    add(
        platform, "ponte", "--tag", "norte", "--tag", "rio", "--vendor", "Olho Vivo", "--model", "OV-2M", "--heading",
        "270", "--retention-days", "30", "--schedule", "mon-fri 06:00-22:00; sat 08:00-12:00",
    )  # fmt: skip
    add(platform, "praca", "--tag", "norte")
    found = platform("cameras", "show", "ponte", "--json").json
    assert (found["tags"], found["vendor"], found["heading"], found["retention_days"]) == (
        ["norte", "rio"], "Olho Vivo", 270, 30,
    )  # fmt: skip
    assert found["schedule"][1] == {"days": ["sat"], "start": "08:00", "end": "12:00"}
    assert "mon,tue,wed,thu,fri 06:00-22:00; sat 08:00-12:00" in platform("cameras", "show", "ponte").out

    def listed(*options: str) -> list[str]:
        return [item["id"] for item in platform("cameras", "list", *options, "--json").json["items"]]

    assert listed("--tag", "NORTE") == ["ponte", "praca"]
    assert listed("--tag", "norte", "--tag", "rio") == ["ponte"]
    assert listed("--vendor", "olho vivo") == ["ponte"]
    emptied = platform(
        "cameras", "update", "ponte", "--clear", "tags", "--clear", "schedule", "--vendor", "X", "--json"
    )
    assert (emptied.json["tags"], emptied.json["schedule"], emptied.json["vendor"]) == (None, None, "X")
    for wrong in ("whenever", "mon 06:00-06:00", "mon 25:00-26:00"):
        refused = platform("cameras", "update", "ponte", "--schedule", wrong, "--json")
        assert refused.code == 2
        assert json.loads(refused.err)["error"]["details"]["field"] == "schedule"


def test_a_removed_camera_is_listed_and_comes_back(platform: Platform) -> None:
    add(platform, "volta")
    assert platform("cameras", "remove", "volta", "--yes").code == 0
    gone = platform("cameras", "list", "--removed", "--json").json["items"]
    assert [item["id"] for item in gone] == ["volta"]
    assert platform("cameras", "restore", "volta", "--url-stdin", given="http://x\n").code == 2
    assert platform("cameras", "restore", "volta", "--url-stdin", given=ADDRESS.format("volta")).code == 0
    assert platform("cameras", "restore", "volta", "--url-stdin", given=ADDRESS.format("volta")).code == 5
    assert platform("cameras", "list", "--removed", "--json").json["items"] == []


def test_a_file_goes_out_is_changed_and_comes_in(platform: Platform) -> None:
    add(platform, "saida", "--notes", "=1+1")
    file = platform.folder / "cameras.csv"
    assert platform("cameras", "export", str(file)).code == 0
    assert "S3CRET-MARK" not in file.read_text()
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    mine = next(row for row in rows if row["id"] == "saida")
    assert mine["notes"] == "'=1+1"
    again = platform("cameras", "import", str(file), "--update", "--json")
    assert (again.code, {row["action"] for row in again.json["cameras"]}) == (0, {"same"})
    file.write_text("id,name,vendor\nsaida,Saída,Olho\n")
    tried = platform("cameras", "import", str(file), "--update", "--dry-run")
    assert tried.code == 0, tried.err
    assert "changes name, vendor" in tried.out
    assert "0 cameras would be added, 1 changed" in tried.out
    assert platform("cameras", "show", "saida", "--json").json["vendor"] is None
    assert "1 changed" in platform("cameras", "import", str(file), "--update").out
    assert platform("cameras", "show", "saida", "--json").json["vendor"] == "Olho"
    shown = platform("cameras", "export", "-", "--semicolons")
    assert "saida;Saída" in shown.out
    assert platform("cameras", "export", str(platform.folder / "no" / "file.csv")).code == 2


def test_a_device_is_asked_and_found(platform: Platform) -> None:
    with OnvifDevice(password="S3CRET-MARK", clock_offset_s=3600) as device:
        port = str(device.port)
        asked = platform(
            "cameras", "onvif", "127.0.0.1", "--port", port, "-u", "op", "--password-stdin", given="S3CRET-MARK\n"
        )
        assert asked.code == 0, asked.err
        for words in ("Olho Vivo", "mainStream", "1920x1080", "rtsp://127.0.0.1:554/Streaming/Channels/101", "s off"):
            assert words in asked.out
        wrong = platform("cameras", "onvif", "127.0.0.1", "--port", port, "-u", "op", "--password-stdin", given="x\n")
        assert wrong.code != 0
        assert "user name or password" in wrong.err
        found = platform("cameras", "discover", "127.0.0.1", "--no-multicast", "--port", port, "--json")
    assert [(item["host"], item["onvif_port"]) for item in found.json["items"]] == [("127.0.0.1", device.port)]
    refused = platform("cameras", "discover", "169.254.169.254", "--no-multicast")
    assert refused.code == 2
    assert "metadata" in refused.err


def test_history_says_how_a_camera_fared(platform: Platform) -> None:
    add(platform, "tempo", "--disabled")
    shown = platform("cameras", "history", "tempo", "--from", "1h", "--json").json
    assert shown["camera_id"] == "tempo"
    assert set(shown) >= {"from", "to", "uptime", "blind_s", "disabled_s", "spans"}
    assert platform("cameras", "history", "tempo").code == 0
    assert platform("cameras", "history", "nobody").code == 4
    assert platform("cameras", "history", "tempo", "--from", "whenever").code == 2
