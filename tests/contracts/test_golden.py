"""The contracts of version 1: what was ever said must parse for ever.

The golden files were written once and are not written anew: a change that breaks one needs a v2 beside v1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from functions.shared import contracts
from functions.shared.cloudevents import cloud_headers, frame_headers, frame_meta
from functions.shared.errors import Rejected
from functions.shared.topology import STREAMS

GOLDEN = Path(__file__).parent / "v1"


def kinds() -> list[type[BaseModel]]:
    """Every message and every value of a KV bucket that contracts.py defines."""
    abstract = {contracts.Message, contracts.CameraMessage, contracts.AlertMessage}
    defined = [item for item in vars(contracts).values() if isinstance(item, type) and issubclass(item, BaseModel)]
    return [kind for kind in defined if kind.__module__ == contracts.__name__ and kind not in abstract]


def golden(kind: type[BaseModel]) -> list[Path]:
    return sorted(GOLDEN.glob(f"{kind.__name__}.*.json"))


FILES = [(kind, file) for kind in kinds() for file in golden(kind)]


@pytest.mark.parametrize("kind", kinds())
def test_every_contract_has_a_full_and_a_least_golden_file(kind: type[BaseModel]) -> None:
    assert {file.name.split(".")[1] for file in golden(kind)} >= {"full", "least"}


def test_no_golden_file_is_left_over() -> None:
    assert {file for _, file in FILES} == set(GOLDEN.glob("*.json"))


def covers(written: Any, given: Any) -> bool:
    """Whether all that was given is said again; fields with defaults may come on top."""
    if isinstance(given, dict):
        return isinstance(written, dict) and all(
            name in written and covers(written[name], given[name]) for name in given
        )
    return bool(written == given)


@pytest.mark.parametrize(("kind", "file"), FILES, ids=lambda item: getattr(item, "name", ""))
def test_it_parses_and_says_the_same_again(kind: type[BaseModel], file: Path) -> None:
    parsed = kind.model_validate_json(file.read_bytes())
    written = json.loads(parsed.model_dump_json())
    assert covers(written, json.loads(file.read_text()))
    assert kind.model_validate_json(parsed.model_dump_json()) == parsed


@pytest.mark.parametrize(("kind", "file"), FILES, ids=lambda item: getattr(item, "name", ""))
def test_a_later_versions_optional_field_is_no_trouble(kind: type[BaseModel], file: Path) -> None:
    later = json.loads(file.read_text()) | {"a_field_of_tomorrow": {"any": ["thing"]}}
    assert kind.model_validate(later) == kind.model_validate_json(file.read_bytes())


@pytest.mark.parametrize("kind", kinds())
def test_the_full_file_names_every_field_and_the_least_those_that_are_required(kind: type[BaseModel]) -> None:
    """A field that is added later must be optional: then `least` still parses, and `full` may lack it."""
    least = set(json.loads((GOLDEN / f"{kind.__name__}.least.json").read_text()))
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    assert required <= least
    full = set(json.loads((GOLDEN / f"{kind.__name__}.full.json").read_text()))
    assert full <= set(kind.model_fields), "a field that was once said must not vanish"


@pytest.mark.parametrize("kind", kinds())
def test_contracts_are_frozen(kind: type[BaseModel]) -> None:
    parsed = kind.model_validate_json((GOLDEN / f"{kind.__name__}.full.json").read_bytes())
    name = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(parsed, name, getattr(parsed, name))


def messages() -> list[type[contracts.Message]]:
    return [kind for kind in kinds() if issubclass(kind, contracts.Message)]


@pytest.mark.parametrize("kind", messages())
def test_every_message_has_a_stream(kind: type[contracts.Message]) -> None:
    parsed = kind.model_validate_json((GOLDEN / f"{kind.__name__}.full.json").read_bytes())
    taken = [stream.name for stream in STREAMS if any(matches(parsed.subject, wanted) for wanted in stream.subjects)]
    assert len(taken) == 1, f"{parsed.subject} is taken by {taken}"
    assert parsed.subject.startswith(f"{contracts.PREFIX}.")


def matches(subject: str, wanted: str) -> bool:
    """NATS's wildcards: `*` is one token, `>` is one or more at the end."""
    tokens, pattern = subject.split("."), wanted.split(".")
    if pattern[-1] == ">":
        return len(tokens) >= len(pattern) and all(
            part in ("*", token) for token, part in zip(tokens, pattern[:-1], strict=False)
        )
    return len(tokens) == len(pattern) and all(
        part in ("*", token) for token, part in zip(tokens, pattern, strict=True)
    )


def test_subjects_and_types_are_distinct() -> None:
    assert len({kind.type for kind in messages()}) == len(messages())
    assert len({kind.subject_root for kind in messages()}) == len(messages())


@pytest.mark.parametrize("kind", messages())
def test_headers_are_cloudevents(kind: type[contracts.Message]) -> None:
    parsed = kind.model_validate_json((GOLDEN / f"{kind.__name__}.full.json").read_bytes())
    headers = cloud_headers(parsed)
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] == headers["Nats-Msg-Id"] == parsed.id
    assert headers["ce-type"] == kind.type
    assert headers["ce-source"].startswith("gt-vision/")
    assert headers["ce-time"] == parsed.occurred_at.isoformat()
    # CloudEvents 1.0, section 3.1: names of attributes are lower-case letters and digits.
    assert all(name.removeprefix("ce-").isalnum() for name in headers if name.startswith("ce-"))


def frame() -> contracts.FrameMeta:
    return contracts.FrameMeta.model_validate_json((GOLDEN / "FrameMeta.full.json").read_bytes())


def test_a_frames_facts_travel_as_headers() -> None:
    assert frame_meta(frame_headers(frame())) == frame()
    assert frame_meta({name.upper(): value for name, value in frame_headers(frame()).items()}) == frame()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce-cameraid", None), ("ce-cameraid", "../x"), ("ce-cameraid", "a.b"), ("ce-cameraid", ""),
        ("ce-capturedat", None), ("ce-capturedat", "yesterday"), ("ce-capturedat", "2026-11-22T10:00:00"),
        ("ce-width", "0"), ("ce-sequence", "-1"), ("ce-framesource", "elsewhere"),
    ],
)  # fmt: skip
def test_a_frames_headers_that_do_not_hold(name: str, value: str | None) -> None:
    headers: dict[str, Any] = frame_headers(frame())
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(Rejected, match="headers"):
        frame_meta(headers)


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [contracts.new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert [value[:12] for value in made] == sorted(value[:12] for value in made)
    assert all(len(value) == 32 and value[12] == "7" and value[16] in "89ab" for value in made)
