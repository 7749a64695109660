"""Errors become exit codes, and answers become errors, by tables that miss nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.client import STATUS_KIND, Client, error_of, tree
from cli.lazy import walk
from cli.main import EPILOG, LATER, app, run
from functions.shared import errors, web
from functions.shared.errors import GTVisionError
from functions.shared.exits import CHECK_FAILED, EXITS, exit_code
from tests.support.cli import environ_of, gtvision
from tests.support.ports import free_port

# The contract with scripts: written out here, so that a change of the table is a change of this test.
CODES = {
    "error": 1, "rejected": 2, "invalid_input": 2, "too_large": 2, "broken_image": 2, "not_authenticated": 3,
    "forbidden": 3, "not_found": 4, "conflict": 5, "unavailable": 6, "bus_unavailable": 6, "database_unavailable": 6,
    "store_unavailable": 6, "storage_full": 6, "inference_unavailable": 6, "camera_unavailable": 6, "misconfigured": 7,
    "throttled": 8, "too_slow": 2, "timed_out": 6,
}  # fmt: skip


def test_every_error_has_the_promised_exit_code() -> None:
    assert {kind.code: exit_code(kind("x")) for kind in tree()} == CODES


def test_a_child_stands_above_its_parent_in_the_table() -> None:
    kinds = [kind for kind, _, _ in EXITS]
    for number, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[number + 1 :]), kind


def test_what_is_no_error_of_ours_is_a_bug() -> None:
    assert exit_code(RuntimeError("x")) == 1


def _answer(status: int, **arguments: object) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "http://host/api/x"), **arguments)  # type: ignore[arg-type]  # passed through


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.code)
def test_every_envelope_comes_back_as_the_error_it_was(kind: type[GTVisionError]) -> None:
    body = {"error": {"code": kind.code, "message": "m", "details": {"field": "f"}, "correlation_id": "c1"}}
    error = error_of(_answer(web.status_of(kind("m")), json=body))
    assert type(error) is kind
    assert error.message == "m"
    assert error.details["field"] == "f"
    assert error.details["correlation_id"] == "c1"


@pytest.mark.parametrize("status", sorted({status for _, status in web.STATUS} - {500}))
def test_every_status_of_the_api_means_something_without_an_envelope(status: int) -> None:
    assert status in STATUS_KIND
    error = error_of(_answer(status, text="<html>from a proxy</html>"))
    assert (
        exit_code(error) == exit_code(next(kind for kind, known in web.STATUS if known == status)("x")) or status == 422
    )


@pytest.mark.parametrize("status", [500, 418, 599])
def test_an_unknown_answer_is_a_bug_not_a_crash(status: int) -> None:
    assert exit_code(error_of(_answer(status, text="?"))) == 1


def test_a_refused_connection_says_what_to_do() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", token="x") as client, pytest.raises(errors.Unavailable) as caught:
        client.get("/api/cameras")
    assert "gtvision up" in str(caught.value.details["mend"])
    assert exit_code(caught.value) == 6


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gtvision ", "cameras"),
        ("gtvision cam", "cameras"),
        ("gtvision cameras pr", "probe"),
        ("gtvision demo s", "score"),
    ],
)
def test_the_shell_completes_commands(typed: str, offered: str, tmp_path: Path) -> None:
    asked = {"_GTVISION_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = gtvision(environ=environ_of(tmp_path, **asked))
    assert done.code == 0, done.err
    assert offered in done.out.split()


@pytest.mark.parametrize("argv", [["nonsense"], ["cameras", "show"], ["detections", "list", "--limit", "0"]])
def test_a_wrong_command_line_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err


def test_a_wrong_command_line_is_an_envelope_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert run(["cameras", "show", "--json"]) == 2
    envelope = json.loads(capsys.readouterr().err)
    assert envelope["error"]["code"] == "invalid_input"


def test_a_check_that_does_not_hold_is_no_error_and_no_bug() -> None:
    """The code that commands end with that did their work, and found that what they checked does not hold."""
    assert CHECK_FAILED == 9
    assert CHECK_FAILED not in {code for _, code, _ in EXITS}
    assert "; 9 what was checked did not hold;" in EPILOG


def _parameters() -> Iterator[tuple[str, Any]]:
    """(command, parameter) of everything that can be typed."""
    for path, command in walk(app, LATER).items():
        for parameter in command.params:
            yield " ".join(("gtvision", *path)), parameter


def test_every_argument_and_option_has_a_help_text() -> None:
    found = list(_parameters())
    assert len(found) > 300
    assert [f"{command}: {parameter.name}" for command, parameter in found if not parameter.help] == []


def test_arguments_are_named_in_capitals_without_brackets() -> None:
    """The usage line puts {} or [] around a name by itself, as it is needed or not."""
    arguments = [
        (command, each.display_name_raw) for command, each in _parameters() if each.param_type_name != "option"
    ]
    assert len(arguments) > 40
    assert [found for found in arguments if not re.fullmatch("[A-Z][A-Z_]*", found[1])] == []


def test_only_the_root_can_teach_the_shell() -> None:
    able = {command for command, parameter in _parameters() if parameter.name == "install_completion"}
    assert able == {"gtvision"}


@pytest.mark.parametrize("name", LATER)
def test_the_list_of_commands_says_of_a_later_one_what_it_says_of_itself(name: str) -> None:
    own = " ".join((LATER[name].load().help or "").split())
    assert own.startswith(LATER[name].text), own


def test_a_group_says_what_it_is_for_and_lists_no_commands() -> None:
    """What it lists would go stale; the commands stand below it anyway."""
    for path, command in walk(app, LATER).items():
        below = set(getattr(command, "commands", {}))
        if path and below and not command.invoke_without_command:
            named = below & set(re.findall(r"[a-z-]+", (command.help or "").lower()))
            assert len(named) < 2, (path, named)


@pytest.mark.parametrize(
    "argv",
    [
        ["detections", "corrections", "--since", "gestern"],
        ["detections", "export-labels", "x", "--since", "gestern"],
        ["detections", "reread", "--since", "gestern"],
    ],
)
def test_the_former_names_of_from_and_to_still_hold(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv) == 2
    assert "from: 'gestern' is neither" in capsys.readouterr().err
    assert run([*argv[:-2], "--help"]) == 0
    assert "--since" not in capsys.readouterr().out


def test_reading_again_needs_a_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detections", "reread"]) == 2
    assert "--from is missing" in capsys.readouterr().err


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    paths = walk(app, LATER)
    assert {("cameras", "import"), ("demo", "score"), ("models", "fetch"), ("bench", "lpr"), ("up",)} <= paths.keys()
    for path in paths:
        assert run([*path, "--help"]) == 0, path
        assert "Usage" in capsys.readouterr().out
