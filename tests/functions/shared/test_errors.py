"""The edge tables are total: every error of the tree has a status, an outcome on the bus and a stable code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.shared import bus, errors, web


def tree(kind: type[errors.GTVisionError] = errors.GTVisionError) -> Iterator[type[errors.GTVisionError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


# Rooms may add errors of their own; those of the kernel are what other rooms rely on.
KINDS = [kind for kind in tree() if kind.__module__ == errors.__name__]


def test_the_tree_is_drawn_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    assert {kind.__name__ for kind in KINDS} <= set(errors.__doc__.replace("──", " ").split())


def test_codes_are_distinct() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_of_its_own_side(kind: type[errors.GTVisionError]) -> None:
    status = web.status_of(kind("x"))
    if issubclass(kind, errors.Rejected | errors.Throttled):
        assert 400 <= status < 500
    else:
        assert 500 <= status < 600


def test_no_row_of_the_status_table_is_hidden_by_one_above() -> None:
    for position, (kind, status) in enumerate(web.STATUS):
        shadows = [above for above, other in web.STATUS[:position] if issubclass(kind, above) and other != status]
        assert not shadows, f"{kind.__name__} never gets {status}: {shadows}"
    assert {kind for kind, _ in web.STATUS} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_an_outcome_on_the_bus(kind: type[errors.GTVisionError]) -> None:
    assert any(issubclass(kind, row) for row, _ in bus.OUTCOMES)
    assert bus.outcome(kind("x")) == ("term" if issubclass(kind, errors.Rejected) else "nak")


def test_a_bug_is_tried_again() -> None:
    assert bus.outcome(ZeroDivisionError()) == "nak"


def test_details_are_kept_apart_from_the_message() -> None:
    error = errors.InvalidInput("must be positive", field="sample_fps")
    assert str(error) == error.message == "must be positive"
    assert error.details == {"field": "sample_fps"}
