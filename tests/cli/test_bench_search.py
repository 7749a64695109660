"""`gtvision bench search`, small: the figures hang together, and what it fills can be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import environ_of, gtvision
from tests.support.postgres import Postgres

KINDS = {"bare", "exact", "prefix", "wildcard", "fuzzy", "newest"}
SMALL = ("--rows", "2000", "--days", "3", "--rounds", "5")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_small_run(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environ = environ_of(tmp_path)
    given: str | None = None
    more: tuple[str, ...] = ()
    if database == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        given, more = server.fresh_database() + "\n", ("--postgres",)
    done = gtvision("bench", "search", *SMALL, *more, "--json", environ=environ, given=given)
    assert done.code == 0, done.err
    answer = done.json
    assert (answer["database"], answer["rows"]) == (database, 2000)
    assert answer["kinds"].keys() == KINDS
    for kind, each in answer["kinds"].items():
        assert 0 < each["p50_ms"] <= each["p95_ms"] <= each["max_ms"], kind
        assert kind == "bare" or each["rows"] > 0, kind
    assert answer["met"] == all(answer["kinds"][kind]["p95_ms"] <= 50 for kind in KINDS - {"bare"})
    assert (answer["partitions"] is None) == (database == "sqlite")
    if given is not None:
        again = gtvision("bench", "search", *SMALL, "--postgres", environ=environ, given=given)
        assert again.code == 2
        assert "holds detections already" in again.err
        assert given.strip() not in again.out + again.err
