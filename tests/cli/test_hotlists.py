"""`gtvision hotlists` and `gtvision alerts` against a running platform: from a list to an alert that is seen to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.hotlists import hours_of, tolerances_of
from functions.shared.errors import InvalidInput
from tests.cli.conftest import Platform


def test_a_list_from_add_to_remove(platform: Platform, tmp_path: Path) -> None:
    added = platform(
        "hotlists", "add", "Roubados", "--priority", "high", "--reason", "BO 1", "--hours", "mon,tue=22:00-06:00",
        "--tolerance", "7=1.0", "--email", "a@city.example", "--escalate-after", "5", "--json",
    )  # fmt: skip
    assert added.code == 0, added.err
    assert (added.json["priority"], added.json["tolerances"], added.json["group_ids"]) == (75, {"7": 1.0}, None)
    assert added.json["hours"] == [{"days": ["mon", "tue"], "start": "22:00", "end": "06:00"}]
    assert platform("hotlists", "entries", "add", "roubados", "abc-1d23", "--note", "BO 2").code == 0
    assert platform("hotlists", "entries", "add", "Roubados", "ABC1D23").code == 5
    file = tmp_path / "list.csv"
    file.write_text("plate,match\nXYZ*,\nQQQ1A11,fuzzy\n*,\n")
    dry = platform("hotlists", "import", "Roubados", str(file), "--dry-run", "--keep-good", "--json")
    assert (dry.code, dry.json["added"], [fault["line"] for fault in dry.json["errors"]]) == (2, 2, [4])
    assert platform("hotlists", "import", "Roubados", str(file)).code == 2
    assert platform("hotlists", "import", "Roubados", str(file), "--keep-good").code == 2
    listed = platform("hotlists", "entries", "list", "Roubados", "--json").json["items"]
    assert [item["pattern"] for item in listed] == ["ABC1D23", "QQQ1A11", "XYZ*"]
    assert "BO 2" in platform("hotlists", "entries", "list", "Roubados").out
    exported = platform("hotlists", "export", "Roubados")
    assert exported.out.splitlines()[1].startswith("ABC1D23,exact")
    seen = platform("detections", "list", "--hotlist", "roubados", "--json")
    assert (seen.code, seen.json["items"]) == (0, []), seen.err
    assert platform("detections", "list", "--hotlist", "Nobody's").code == 4
    assert platform("detections", "export", "-", "--hotlist", "roubados").out.count("\n") == 1
    assert platform("detections", "export", "-", "--hotlist", "Nobody's").code == 4
    assert platform("hotlists", "entries", "remove", "Roubados", "abc-1d23").code == 0
    changed = platform("hotlists", "update", "Roubados", "--clear", "hours", "--disabled", "--json")
    assert (changed.json["hours"], changed.json["enabled"]) == ([], False)
    assert platform("hotlists", "update", "Roubados").code == 2
    shown = {item["name"]: item for item in platform("hotlists", "list", "--json").json["items"]}
    assert (shown["Roubados"]["entries"], shown["Cloned plates"]["kind"]) == (2, "cloned")
    assert "Roubados" in platform("hotlists", "list").out
    preview = platform("hotlists", "preview", "--plate", "ABC*", "--json")
    assert (preview.code, preview.json["count"]) == (0, 0)
    assert platform("hotlists", "preview").code == 2
    assert platform("hotlists", "remove", "Roubados", given="n\n").code == 130
    assert platform("hotlists", "remove", "Roubados", "--yes").code == 0
    gone = platform("hotlists", "show", "Roubados", "--json")
    assert (gone.code, json.loads(gone.err)["error"]["code"]) == (4, "not_found")


def test_the_hook_s_address_is_no_argument(platform: Platform, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"text": "{plate}"}')
    made = platform(
        "hotlists",
        "add",
        "Pager",
        "--hook",
        "--hook-body",
        str(body),
        "--json",
        given="https://pager.example/KEY-MARK\n",
    )
    assert made.code == 0, made.err
    assert made.json["hook_host"] == "pager.example"
    assert "KEY-MARK" not in made.out + made.err
    rotated = platform("keys", "rotate", "--json")
    assert rotated.json["hooks_encrypted"] == 1
    platform("hotlists", "remove", "Pager", "--yes")


def test_alerts_that_are_not_there(platform: Platform) -> None:
    assert platform("alerts", "list", "--state", "open", "--json").json == {"items": []}
    assert "no such alert" in platform("alerts", "list").out
    assert platform("alerts", "show", "0" * 32).code == 4
    assert platform("alerts", "acknowledge", "0" * 32, "--note", "x", "--outcome", "confirmed").code == 4
    assert platform("alerts", "list", "--state", "shut").code == 2


def test_alerts_of_lists_by_name_and_times_as_people_say_them(platform: Platform) -> None:
    made = platform(
        "hotlists", "add", "Vistos", "--valid-from", "2026-01-02", "--valid-until", "2099-12-31T10:00Z", "--json"
    )
    assert made.code == 0, made.err
    assert made.json["valid_until"].startswith("2099-12-31T10:00:00")
    assert made.json["valid_from"].startswith("2026-01-0")
    for option in ("--hotlist", "--list"):
        for name in ("vistos", made.json["id"]):
            listed = platform("alerts", "list", option, name, "--from", "7d", "--to", "2099-01-01", "--json")
            assert (listed.code, listed.json) == (0, {"items": []}), listed.err
        assert platform("alerts", "list", option, "Nobody's").code == 4
    wrong = platform("alerts", "list", "--from", "yesterday")
    assert (wrong.code, "from: 'yesterday'" in wrong.err) == (2, True)
    entry = platform("hotlists", "entries", "add", "Vistos", "ABC1D23", "--valid-until", "2099-12-31", "--json")
    assert (entry.code, entry.json["valid_until"][:7]) == (0, "2099-12"), entry.err
    for words in (("hotlists", "entries", "add", "Vistos", "ABC1D24"), ("hotlists", "update", "Vistos")):
        ago = platform(*words, "--valid-until", "30d")
        assert (ago.code, "valid_until: '30d'" in ago.err) == (2, True), "ahead or ago?"
    platform("hotlists", "remove", "Vistos", "--yes")


@pytest.mark.parametrize("option", [("--group", "north"), ("--reason", "BO 1"), ("--match", "fuzzy")])
def test_a_preview_of_a_list_refuses_what_it_would_not_heed(platform: Platform, option: tuple[str, str]) -> None:
    refused = platform("hotlists", "preview", "Some list", *option)
    assert (refused.code, f"{option[0]}: goes with --plate" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("ask", "wrong"),
    [(hours_of, "mon 22:00"), (hours_of, "mon=22-06"), (tolerances_of, "7"), (tolerances_of, "x=1")],
)
def test_what_cannot_be_read_says_how_it_is_written(ask: Any, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="must read"):
        ask([wrong])
