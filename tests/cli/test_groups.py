"""`gtvision groups` and what cameras take from it, against a running platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Platform

ADDRESS = "rtsp://127.0.0.1:1/{}\n"


def test_a_group_from_add_to_remove(platform: Platform) -> None:
    added = platform("groups", "add", "Fronteira Sul", "--format", "br_mercosul", "--format", "ar_mercosul", "--json")
    assert added.code == 0, added.err
    assert (added.json["id"], added.json["plate_formats"]) == ("fronteira-sul", ["br_mercosul", "ar_mercosul"])
    plain = platform("groups", "add", "Centro", "--id", "meio")
    assert "meio" in plain.out
    listed = {item["id"]: item for item in platform("groups", "list", "--json").json["items"]}
    assert listed["meio"]["plate_formats"] == ["br_old", "br_mercosul"]
    table = platform("groups", "list").out
    assert "Fronteira Sul" in table
    changed = platform("groups", "update", "meio", "--name", "Meio", "--format", "any", "--json")
    assert (changed.json["name"], changed.json["plate_formats"]) == ("Meio", ["any"])
    assert platform("groups", "update", "meio").code == 2
    assert platform("groups", "remove", "meio", given="n\n").code == 130
    assert platform("groups", "remove", "meio", "--yes").code == 0
    gone = platform("groups", "show", "meio", "--json")
    assert (gone.code, json.loads(gone.err)["error"]["code"]) == (4, "not_found")


def test_a_format_that_nobody_knows_is_refused_with_those_that_are(platform: Platform) -> None:
    done = platform("groups", "add", "X", "--format", "br_new")
    assert done.code == 2
    assert "br_mercosul" in done.err


def test_a_group_with_a_camera_is_not_removed(platform: Platform) -> None:
    platform("groups", "add", "Held", "--id", "held")
    added = platform("cameras", "add", "In", "-", "--id", "in", "--group", "held", given=ADDRESS.format("in"))
    assert added.code == 0, added.err
    refused = platform("groups", "remove", "held", "--yes")
    assert refused.code == 5
    assert "1 camera is in the group held" in refused.err
    assert [item["id"] for item in platform("cameras", "list", "--group", "held", "--json").json["items"]] == ["in"]
    assert platform("cameras", "update", "in", "--clear", "group").code == 0
    assert platform("groups", "remove", "held", "--yes").code == 0


def test_a_camera_names_a_group_that_is_there(platform: Platform) -> None:
    done = platform("cameras", "add", "Lost", "-", "--group", "nowhere", "--json", given=ADDRESS.format("lost"))
    assert done.code == 2
    assert json.loads(done.err)["error"]["details"]["field"] == "group_id"


def test_areas_and_limits_of_a_camera(platform: Platform) -> None:
    options = (
        "--region",
        "0,0.4 1,0.4 1,1 0,1",
        "--ignore-zone",
        "0,0 0.2,0 0.2,0.2",
        "--ignore-zone",
        "0.8,0 1,0 1,.2",
    )
    added = platform(
        "cameras", "add", "Areas", "-", "--id", "areas", *options, "--min-plate-height", "14", "--min-confidence",
        "0.8", "--json", given=ADDRESS.format("areas"),
    )  # fmt: skip
    assert added.code == 0, added.err
    assert added.json["regions"] == [[[0, 0.4], [1, 0.4], [1, 1], [0, 1]]]
    assert added.json["ignore_zones"] == [[[0, 0], [0.2, 0], [0.2, 0.2]], [[0.8, 0], [1, 0], [1, 0.2]]]
    assert (added.json["min_plate_height"], added.json["min_confidence"]) == (14, 0.8)
    changed = platform(
        "cameras", "update", "areas", "--region", "0,0 1,0 1,1", "--clear", "ignore-zones", "--clear",
        "min-plate-height", "--json",
    ).json  # fmt: skip
    assert changed["regions"] == [[[0, 0], [1, 0], [1, 1]]]
    assert (changed["ignore_zones"], changed["min_plate_height"], changed["min_confidence"]) == (None, None, 0.8)


WRONG = [
    (("--region", "0,0 1 1,1"), "--region takes corners"),
    (("--region", "0,0 1,x 1,1"), "--region takes corners"),
    (("--ignore-zone", "0,0 1,1 1,0 0,1"), "ignore_zones.0"),
    (("--region", "0,0 1,0 0,1", "--region", "0,0 1,0"), "regions.1"),
    (("--min-plate-height", "7"), "--min-plate-height"),
    (("--region", "0,0 1,0 0,1", "--clear", "regions"), "contradict"),
    (("--clear", "name"), "--clear"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_is_wrong_is_named(platform: Platform, options: tuple[str, ...], said: str) -> None:
    platform("cameras", "add", "Kept", "-", "--id", "kept", given=ADDRESS.format("kept"))
    done = platform("cameras", "update", "kept", *options)
    assert done.code == 2
    assert said in done.err
    assert platform("cameras", "show", "kept", "--json").json["revision"] == 1


def test_an_import_makes_groups_when_asked(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,rtsp_url,id,group_id\nUm,rtsp://127.0.0.1:1/g1,g1,leste\n")
    refused = platform("cameras", "import", str(file), "--json")
    assert refused.code == 2
    assert [(fault["line"], fault["field"]) for fault in refused.json["errors"]] == [(2, "group_id")]
    tried = platform("cameras", "import", str(file), "--create-groups", "--dry-run")
    assert "would be made: leste" in tried.out
    done = platform("cameras", "import", str(file), "--create-groups", "--json")
    assert (done.code, done.json["groups"]) == (0, ["leste"])
    assert platform("groups", "show", "leste", "--json").json["cameras"] == 1
