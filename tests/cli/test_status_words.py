"""How `gtvision status` words what it was told of inference."""

from __future__ import annotations

from cli.status import known, lost


def test_an_outage_has_its_engine_its_reason_and_its_beginning() -> None:
    part = {
        "state": "down", "message": "plate_ocr is gone", "engine": "triton", "reason": "dead_process",
        "since": "2026-11-22T20:00:00Z",
    }  # fmt: skip
    said = known(part)
    assert said.startswith("triton: dead_process since ")
    assert said.endswith(": plate_ocr is gone")


def test_messages_that_were_given_up_are_told_of_only_where_there_are_some() -> None:
    assert lost({"dead_letters": 3}).startswith("[yellow]Messages that were given up: 3")
    # None while the bus does not answer; nothing from an older server.
    assert lost({"dead_letters": 0}) == lost({"dead_letters": None}) == lost({}) == ""


def test_what_is_well_is_short() -> None:
    part = {"state": "ready", "message": "frames are read", "engine": "embedded", "reason": None, "since": None}
    assert known(part) == "embedded: frames are read"
    assert known({"state": "ready", "message": "NATS answers"}) == "NATS answers"
