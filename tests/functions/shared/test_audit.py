"""The log of who did what: any change of any row is found, in both databases, whoever made it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from functions.shared import audit, audit_check, chain
from functions.shared.access import Role
from functions.shared.audit import Act
from functions.shared.audit_check import Verdict
from functions.shared.chain import FACTS, FIRST, Link, Walk
from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.errors import Conflict, DatabaseUnavailable
from functions.shared.tables import AuditHead, AuditRow
from functions.shared.tokens import Principal
from functions.shared.vault import Vault

MARIA = Principal("0" * 32, "maria", Role.OPERATOR)
DROP = {
    "sqlite": ["audit_unchanged", "audit_undeleted", "audit_head_undeleted", "audit_head_forward"],
    "postgresql": ["audit_kept ON audit", "audit_whole ON audit", "audit_head_whole ON audit_head",
                   "audit_head_forward ON audit_head"],
}  # fmt: skip


async def add(database: Database, vault: Vault, *actions: str) -> None:
    for action in actions:
        async with database.transaction() as session:
            details = {"n": 1, "ways": ["a", {"b": None}], "ratio": 0.1, "name": "São Paulo 💡"}
            await audit.record(vault, session, MARIA, Act(action, "ABC1D23", "case 7/2026", details))


async def ten(database: Database, vault: Vault) -> None:
    await add(database, vault, *(f"thing.do{number}" for number in range(1, 11)))


async def unguarded(database: Database) -> None:
    """What somebody does who owns the database: the triggers are no defence against them, the hashes are."""
    async with database.transaction() as session:
        for name in DROP[database.dialect]:
            await session.execute(text(f"DROP TRIGGER {name}"))


async def tamper(database: Database, *statements: str) -> None:
    await unguarded(database)
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))


async def test_a_log_that_nobody_touched_is_whole(database: Database, vault: Vault) -> None:
    empty = await audit_check.verify(database, vault)
    assert (empty.whole, empty.rows, empty.head) == (True, 0, Link(0, FIRST))
    await ten(database, vault)
    found = await audit_check.verify(database, vault)
    assert found.whole, found.reason
    assert (found.rows, found.head.seq, found.start) == (10, 10, Link())
    assert found.first_at is not None
    assert found.last_at is not None
    assert found.first_at <= found.last_at


async def test_batches_are_joined(database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_check, "BATCH", 3)
    await ten(database, vault)
    assert (await audit_check.verify(database, vault)).rows == 10


@pytest.mark.parametrize(
    ("statements", "broken_at", "reason"),
    [
        (["UPDATE audit SET subject = 'XYZ9A99' WHERE seq = 4"], 4, "was changed"),
        (["UPDATE audit SET actor = 'joao' WHERE seq = 10"], 10, "was changed"),
        (["UPDATE audit SET reason = NULL WHERE seq = 1"], 1, "was changed"),
        (["DELETE FROM audit WHERE seq = 5"], 5, "row 5 is missing"),
        (["DELETE FROM audit WHERE seq IN (3, 4, 5)"], 3, "rows 3 to 5 are missing"),
        (["DELETE FROM audit WHERE seq = 1"], 1, "is missing"),
        (["DELETE FROM audit WHERE seq > 8"], 9, "the end was cut off"),
        (["DELETE FROM audit"], 1, "the end was cut off"),
        (["UPDATE audit SET seq = 99 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4",
          "UPDATE audit SET seq = 4 WHERE seq = 99"], 3, "was changed"),
        (["DELETE FROM audit WHERE seq > 8",
          "UPDATE audit_head SET seq = 8, hash = (SELECT hash FROM audit WHERE seq = 8)"], 8, "seal does not hold"),
        (["UPDATE audit_head SET seal = ''"], 10, "seal does not hold"),
        (["DELETE FROM audit", "UPDATE audit_head SET seq = 0"], 0, "not the log's last"),
    ],
)  # fmt: skip
async def test_what_was_done_to_it_is_found(
    database: Database, vault: Vault, statements: list[str], broken_at: int, reason: str
) -> None:
    await ten(database, vault)
    await tamper(database, *statements)
    found = await audit_check.verify(database, vault)
    assert not found.whole
    assert reason in found.reason
    assert found.broken_at == broken_at


async def test_a_row_put_in_is_found(database: Database, vault: Vault) -> None:
    await ten(database, vault)
    async with database.transaction() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.seq == 10))).one()
        values = {name: getattr(row, name) for name in (*FACTS, "hash")} | {"seq": 11, "previous": row.hash}
        false = AuditRow(**values)
        false.hash = audit.hash_of(false)
        session.add(false)
    found = await audit_check.verify(database, vault)
    assert not found.whole
    assert "not the log's last" in found.reason


async def rewritten(database: Database, *, head: bool) -> None:
    """The whole chain anew from row 4 on, hashes and all, by somebody without the key."""
    await unguarded(database)
    async with database.transaction() as session:
        rows = list(await session.scalars(select(AuditRow).order_by(AuditRow.seq)))
        rows[3].subject = "ZZZ0Z00"
        for index in range(3, len(rows)):
            rows[index].previous = rows[index - 1].hash
            rows[index].hash = audit.hash_of(rows[index])
        if head:
            last = await session.get(AuditHead, 1)
            assert last is not None
            last.hash = rows[-1].hash


@pytest.mark.parametrize("head", [True, False])
async def test_a_chain_written_anew_is_found_and_later_rows_do_not_make_it_good(
    database: Database, vault: Vault, head: bool
) -> None:
    await ten(database, vault)
    await rewritten(database, head=head)
    assert not (await audit_check.verify(database, vault)).whole
    await add(database, vault, "thing.after")
    found = await audit_check.verify(database, vault)
    assert not found.whole
    if not head:
        return
    async with database.transaction() as session:
        # Nor does a change of keys.
        with pytest.raises(Conflict, match="seal does not hold"):
            await audit_check.reseal(vault, session)


async def test_a_log_that_was_put_back_is_found_by_what_was_noted(database: Database, vault: Vault) -> None:
    """Old rows under their own old seal are whole by themselves: only somebody who noted a later end can tell."""
    await ten(database, vault)
    async with database.read() as session:
        old = await session.get(AuditHead, 1)
        assert old is not None
    await add(database, vault, "thing.later", "thing.last")
    noted = (await audit_check.verify(database, vault)).head
    await tamper(
        database, "DELETE FROM audit WHERE seq > 10",
        f"UPDATE audit_head SET seq = 10, hash = '{old.hash}', seal = '{old.seal}'",
    )  # fmt: skip
    assert (await audit_check.verify(database, vault)).whole
    found = await audit_check.verify(database, vault, [noted])
    assert not found.whole
    assert "put back" in found.reason
    # Other rows of the same number are found too.
    await add(database, vault, "thing.other", "thing.else", "thing.more")
    again = await audit_check.verify(database, vault, [noted])
    assert (again.broken_at, "noted" in again.reason) == (12, True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'joao' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2", "DELETE FROM audit",
        "DELETE FROM audit_head", "UPDATE audit_head SET seq = 1",
    ],
)  # fmt: skip
async def test_the_database_itself_refuses(database: Database, vault: Vault, statement: str) -> None:
    await add(database, vault, "thing.a", "thing.b", "thing.c")
    with pytest.raises((DatabaseUnavailable, DBAPIError), match=r"added to|one head|shortened"):
        async with database.transaction() as session:
            await session.execute(text(statement))
    assert (await audit_check.verify(database, vault)).whole


async def test_postgresql_refuses_to_truncate(postgres_url: str, vault: Vault) -> None:
    database = Database(postgres_url)
    await add(database, vault, "thing.a")
    with pytest.raises((DatabaseUnavailable, DBAPIError), match="added to"):
        async with database.transaction() as session:
            await session.execute(text("TRUNCATE audit"))
    await database.close()


async def cut(database: Database, vault: Vault, most: int = 1000) -> None:
    async with database.transaction() as session:
        last = await audit_check.last_before(session, now() + timedelta(days=1), most)
        await audit_check.cut(vault, session, last, None)


async def test_retention_cuts_rows_off_and_the_rest_is_still_proven(database: Database, vault: Vault) -> None:
    await ten(database, vault)
    before = await audit_check.verify(database, vault)
    await cut(database, vault, most=4)
    await cut(database, vault, most=2)
    await add(database, vault, "thing.after")
    found = await audit_check.verify(database, vault, [before.head])
    assert found.whole, found.reason
    assert (found.start.seq, found.rows) == (6, 5)
    await tamper(database, "UPDATE audit SET subject = 'X' WHERE seq = 7")
    assert (await audit_check.verify(database, vault)).broken_at == 7


async def test_everything_may_be_cut_off(database: Database, vault: Vault) -> None:
    await ten(database, vault)
    await cut(database, vault)
    found = await audit_check.verify(database, vault)
    assert (found.whole, found.rows, found.start) == (True, 0, found.head)
    await add(database, vault, "thing.after")
    assert (await audit_check.verify(database, vault)).rows == 1


async def test_a_checkpoint_that_somebody_made_up_is_found(database: Database, vault: Vault) -> None:
    """Who can only write rows may have the database let rows go by a false checkpoint: its seal tells."""
    await ten(database, vault)
    async with database.transaction() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.seq == 6))).one()
        await session.execute(
            text(
                "INSERT INTO audit_checkpoints (seq, hash, at, rows, made_at, previous_seq, seal) "
                f"VALUES (6, '{row.hash}', CURRENT_TIMESTAMP, 6, CURRENT_TIMESTAMP, 0, '{'a' * 32}')"
            )
        )
        await session.execute(text("DELETE FROM audit WHERE seq <= 6"))
    found = await audit_check.verify(database, vault)
    assert (found.broken_at, "seal of the checkpoint" in found.reason) == (6, True)


async def test_keys_rotate_and_the_log_stays_proven(database: Database) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    await ten(database, Vault((old,)))
    await cut(database, Vault((old,)), most=3)
    both = Vault((new, old))
    async with database.transaction() as session:
        assert await audit_check.reseal(both, session) == 2
    assert (await audit_check.verify(database, Vault((new,)))).whole
    lost = await audit_check.verify(database, Vault((old,)))
    assert "a key is missing" in lost.reason or "seal" in lost.reason


async def test_what_no_database_can_keep_is_written_as_far_as_it_can_be(database: Database, vault: Vault) -> None:
    act = Act(
        "thing.do", "A\x00B\ud800", "why\x00\udfff " + "x" * 600, {"odd": "\ud800", "pair": (1, 2), "of": {"b": 1}}
    )
    async with database.transaction() as session:
        await audit.record(vault, session, "retention", act)
    found = await audit_check.verify(database, vault)
    assert found.whole, found.reason


async def test_an_act_that_fails_leaves_no_row(database: Database, vault: Vault) -> None:
    async def work() -> None:
        async with database.transaction() as session:
            await audit.record(vault, session, MARIA, Act("thing.do"))
            raise Conflict("no")

    with pytest.raises(Conflict):
        await work()
    assert (await audit_check.verify(database, vault)).rows == 0


# The walk alone, over made rows: any single change of any field of any row is found.
def made(count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        facts: dict[str, Any] = {
            "seq": number, "at": f"2026-11-0{number}T12:00:00.000000+00:00",
            "actor_id": "a" * 32 if number % 2 else None,
            "actor": f"user{number}", "action": "detections.search", "subject": f"ABC{number}D23",
            "reason": f"case {number}" if number % 2 else None, "details": {"plates": number, "of": [1, {"x": None}]},
            "correlation_id": "c" * 32, "previous": rows[-1]["hash"] if rows else FIRST,
        }  # fmt: skip
        rows.append(facts | {"hash": chain.digest(facts)})
    return rows


def walked(rows: list[dict[str, Any]], head: Link) -> str:
    walk = Walk(Link())
    for row in rows:
        fault = walk.step(row, row["hash"])
        if fault is not None:
            return fault.reason
    fault = walk.end(head)
    return fault.reason if fault else ""


ROWS = made(6)
HEAD = Link(6, ROWS[-1]["hash"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(max_size=40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    st.lists(st.integers(), max_size=3),
)


def test_the_made_rows_hold() -> None:
    assert walked(ROWS, HEAD) == ""


@settings(max_examples=400, deadline=None)
@given(index=st.integers(0, 5), name=st.sampled_from((*FACTS, "hash")), value=VALUES)
def test_any_change_of_any_field_of_any_row_is_found(index: int, name: str, value: object) -> None:
    if value == ROWS[index][name] and type(value) is type(ROWS[index][name]):
        return
    rows = copy.deepcopy(ROWS)
    rows[index][name] = value
    assert walked(rows, HEAD) != ""


@settings(max_examples=200, deadline=None)
@given(order=st.permutations(range(6)), drop=st.sets(st.integers(0, 5), max_size=5), twice=st.booleans())
def test_any_other_order_or_number_of_rows_is_found(order: list[int], drop: set[int], twice: bool) -> None:
    kept = [ROWS[index] for index in order if index not in drop]
    kept += kept[-1:] if twice else []
    assert (walked(kept, HEAD) == "") == (kept == ROWS)


@settings(max_examples=100, deadline=None)
@given(index=st.integers(0, 5), name=st.sampled_from(FACTS), value=st.text(max_size=20))
def test_a_change_with_its_hash_made_to_fit_is_found_by_the_next_row_or_the_head(
    index: int, name: str, value: str
) -> None:
    if name == "seq" or value == ROWS[index][name]:
        return
    rows = copy.deepcopy(ROWS)
    rows[index][name] = value
    rows[index]["hash"] = chain.digest(rows[index])
    assert walked(rows, HEAD) != ""


def test_a_link_is_read_as_it_is_written() -> None:
    assert chain.link(str(HEAD)) == HEAD
    bad: list[Callable[[], Link]] = [
        lambda: chain.link(""), lambda: chain.link("6"), lambda: chain.link("6:xyz"), lambda: chain.link(f"-1:{FIRST}"),
    ]  # fmt: skip
    for each in bad:
        with pytest.raises(ValueError, match="SEQ:HASH"):
            each()


def test_a_verdict_is_whole_without_a_reason() -> None:
    verdict = Verdict(0, Link(), Link(), None, None)
    assert verdict.whole
    assert not dataclasses.replace(verdict, reason="x").whole
