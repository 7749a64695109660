"""The audit log over HTTP, and the alarm on bulk look-ups."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from functions.retention import audit_log, deleting
from functions.shared import audit, audit_check, lookups
from functions.shared.access import Role
from functions.shared.audit import Act
from functions.shared.contracts import now
from functions.shared.errors import Throttled
from functions.shared.lookups import Limits, weight
from functions.shared.tables import AuditRow, LookupCount, OutboxMessage, User
from functions.shared.tokens import Principal
from tests.functions.retention.conftest import another, both
from tests.functions.retention.conftest import camera as add_camera
from tests.functions.serving import Served

URL = "/api/auth/audit"


async def listed(served: Served, **query: Any) -> list[dict[str, Any]]:
    answer = await served.client.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def acts(served: Served, who: Principal | str, *made: Act) -> None:
    for act in made:
        async with served.context.db.transaction() as session:
            await audit.record(served.context.vault, session, who, act)


@both
async def test_it_is_filtered_and_paged_and_to_read_it_is_written_down(served: Served) -> None:
    await acts(served, "ana", *(Act("thing.do", f"S{number}") for number in range(5)), Act("thing_other.do", "S1"))
    await acts(served, "bia", Act("thing.undo", "S1", "case 4"))
    assert [item["subject"] for item in await listed(served, action="thing.do")] == ["S4", "S3", "S2", "S1", "S0"]
    assert [item["action"] for item in await listed(served, action="thing.*", actor="bia")] == ["thing.undo"]
    assert {item["actor"] for item in await listed(served, subject="S1")} == {"ana", "bia"}
    later = (now() + timedelta(hours=1)).isoformat()
    assert await listed(served, **{"from": later}) == []
    assert len(await listed(served, action="thing.do", to=later)) == 5
    seen, cursor = [], None
    while True:
        query: dict[str, str] = {"action": "thing.do", "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await served.client.get(URL, params=query)).json()
        seen += [item["subject"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["S4", "S3", "S2", "S1", "S0"]
    looks = await listed(served, action="audit.list")
    assert looks[0]["details"] == {"action": "thing.do"}
    for wrong in ({"cursor": "x"}, {"from": later, "to": "2020-01-01T00:00:00Z"}, {"nothing": "1"}, {"limit": 0}):
        assert (await served.client.get(URL, params=wrong)).status_code == 422, wrong


async def test_it_is_proven_and_a_change_is_named(served: Served) -> None:
    await acts(served, "ana", Act("thing.do", "S1"), Act("thing.do", "S2"))
    found = (await served.client.post(f"{URL}/verify")).json()
    assert (found["whole"], found["anchor"]) == (True, None)
    again = (await served.client.post(f"{URL}/verify", json={"noted": found["head"]})).json()
    assert (again["whole"], again["anchor"]) == (True, found["head"])
    assert (await served.client.post(f"{URL}/verify", json={"noted": "x"})).status_code == 422
    async with served.context.db.transaction() as session:
        await session.execute(text("DROP TRIGGER audit_unchanged"))
        row = (await session.scalars(select(AuditRow).where(AuditRow.subject == "S1"))).one()
        seq = row.seq
        await session.execute(update(AuditRow).where(AuditRow.seq == seq).values(actor="bia"))
    broken = (await served.client.post(f"{URL}/verify")).json()
    assert (broken["whole"], broken["broken_at"]) == (False, seq)
    assert (await listed(served, action="audit.verify"))[0]["details"]["whole"] is False


async def test_a_log_put_back_is_found_by_the_end_that_the_last_check_left_in_the_store(served: Served) -> None:
    await acts(served, "ana", Act("thing.do", "S1"))
    async with served.context.db.read() as session:
        head = dict((await session.execute(text("SELECT seq, hash, seal FROM audit_head"))).one()._mapping)
    await acts(served, "ana", Act("thing.wrong", "S2"))
    assert (await served.client.post(f"{URL}/verify")).json()["whole"] is True
    async with served.context.db.transaction() as session:
        for name in ("audit_undeleted", "audit_head_forward"):
            await session.execute(text(f"DROP TRIGGER {name}"))
        await session.execute(text("DELETE FROM audit WHERE seq > :seq"), {"seq": head["seq"]})
        await session.execute(text("UPDATE audit_head SET seq = :seq, hash = :hash, seal = :seal"), head)
    # By itself it is whole.
    assert (await audit_check.verify(served.context.db, served.context.vault)).whole
    found = (await served.client.post(f"{URL}/verify")).json()
    assert (found["whole"], "put back" in found["reason"]) == (False, True)


async def test_an_end_in_the_store_that_somebody_made_up_is_not_believed(served: Served) -> None:
    await served.client.post(f"{URL}/verify")
    for false in (b'{"head": "1:' + b"a" * 64 + b'", "seal": "x"}', b"[]", b"nonsense"):
        await served.context.store.put(audit_log.ANCHOR, false)
        found = (await served.client.post(f"{URL}/verify")).json()
        assert (found["whole"], "noted in the store" in found["reason"]) == (False, True)


async def test_it_is_handed_out_as_lines_that_prove_themselves(served: Served) -> None:
    await acts(served, "ana", *(Act("thing.do", f"S{number}") for number in range(4)))
    answer = await served.client.get(f"{URL}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[0]["kind"] == "gt-vision-audit"
    assert lines[-1]["rows"] == len(lines) - 2
    # The act of handing it out is in it.
    assert lines[-2]["action"] == "audit.export"
    assert (await served.client.get(f"{URL}/export", params={"from_seq": 9999})).status_code == 404


async def test_old_rows_are_cut_off_into_the_store_and_the_rest_holds(served: Served) -> None:
    await acts(served, "ana", *(Act("thing.do", f"S{number}") for number in range(4)))
    answer = await served.client.put("/api/retention/policy/audit", json={"days": 1, "reason": "a test"})
    assert answer.status_code == 200
    settings = served.context.settings.model_copy(update={"retention_audit_archive": True})
    object.__setattr__(served.context, "settings", settings)
    with pytest.MonkeyPatch.context() as later:
        later.setattr(deleting, "now", lambda: now() + timedelta(days=3))
        later.setattr(deleting, "LEASE_LIFE", timedelta(days=9))
        await deleting.run(served.context, "retention")
    found = (await served.client.post(f"{URL}/verify")).json()
    assert found["whole"], found
    cut = int(found["start"].split(":")[0])
    assert cut >= 5
    assert found["rows"] <= 3
    names = [item.key async for item in served.context.store.listed("audit/")]
    name = next(key for key in names if key.endswith(".gz"))
    rows = [json.loads(line) for line in gzip.decompress(await served.context.store.get(name)).splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, cut + 1))


@both
@pytest.mark.parametrize(
    ("hold", "kept"),
    [
        ({"plate": "abc-1d23"}, Act("detections.search", "ABC1D23")),
        ({"plate": "ABC1D23"}, Act("detections.companions", "XYZ9K88", details={"seen": ["ABC1334", "ABC1D23"]})),
        # The twin of ABC1334.
        ({"plate": "ABC1D34"}, Act("detections.route", "ABC1334")),
        ({"camera_id": "gate"}, Act("detections.show", "a" * 32, details={"camera_id": "gate"})),
    ],
)
async def test_the_cut_stops_before_what_a_legal_hold_names(served: Served, hold: dict[str, Any], kept: Act) -> None:
    await add_camera(served.context, "gate")
    await acts(served, "ana", Act("thing.do", "S1"), Act("thing.do", "ABC1D2"))
    await acts(served, "ana", kept, Act("thing.do", "S3"))
    async with served.context.db.read() as session:
        seq = await session.scalar(select(func.max(AuditRow.seq)).where(AuditRow.action == kept.action))
    body = {"case_number": "IP 7", "reason": "robbery", **hold}
    made = (await served.client.post("/api/retention/holds", json=body)).json()
    assert "id" in made, made
    await served.client.put("/api/retention/policy/audit", json={"days": 1, "reason": "a test"})
    with pytest.MonkeyPatch.context() as later:
        later.setattr(deleting, "now", lambda: now() + timedelta(days=3))
        later.setattr(deleting, "LEASE_LIFE", timedelta(days=9))
        counted = await deleting.run(served.context, "test", dry_run=True)
        done = await deleting.run(served.context, "retention")
        reports = [
            (await served.client.get(f"/api/retention/runs/{one}")).json()["report"]["classes"]["audit"]
            for one in (counted, done)
        ]
        assert [one["held_from"] for one in reports] == [seq, seq]
        assert reports[0]["rows"] == reports[1]["rows"] > 1
        assert reports[1]["held"] >= 2
        async with served.context.db.read() as session:
            assert await session.scalar(select(func.min(AuditRow.seq))) == seq
        found = (await served.client.post(f"{URL}/verify")).json()
        assert found["whole"], found
        await served.client.post(f"/api/retention/holds/{made['id']}/release", json={"reason": "it is over"})
        await deleting.run(served.context, "retention")
    async with served.context.db.read() as session:
        assert (await session.scalar(select(func.min(AuditRow.seq))) or 0) > (seq or 0)


async def test_keys_rotate_by_a_route(served: Served) -> None:
    answer = await served.client.post(f"{URL}/keys/rotate")
    assert answer.json()["sealed"] >= 1
    assert (await served.client.post(f"{URL}/verify")).json()["whole"] is True


MARIA = Principal("a" * 32, "maria", Role.OPERATOR)


def limited(served: Served, **limits: Any) -> None:
    served.context.db._info[lookups.INFO] = Limits(**limits)
    update = {f"bulk_lookups_{name}": value for name, value in limits.items()}
    object.__setattr__(served.context, "settings", served.context.settings.model_copy(update=update))


async def look(served: Served, who: Principal = MARIA, plates: int = 1) -> None:
    await acts(served, who, Act("detections.search", "ABC1D23", "case 1", {"plates": plates}))


async def alarms(served: Served) -> list[tuple[str, str, int]]:
    found = await listed(served, action=lookups.ALARM)
    return [(item["subject"], item["details"]["window"], item["details"]["lookups"]) for item in found]


@both
async def test_bulk_lookups_raise_one_alarm_a_window(served: Served) -> None:
    limited(served, hour=3, day=5)
    for _ in range(3):
        await look(served)
    assert await alarms(served) == []
    await look(served)
    assert await alarms(served) == [(MARIA.user_id, "hour", 4)]
    for _ in range(4):
        await look(served)
    assert await alarms(served) == [(MARIA.user_id, "day", 6), (MARIA.user_id, "hour", 4)]
    async with served.context.db.read() as session:
        told = [
            row for row in await session.scalars(select(OutboxMessage)) if row.subject == "gtv.v1.alerts.privacy.bulk"
        ]
    assert [json.loads(row.body)["window"] for row in told] == ["hour", "day"]
    assert "ABC1D23" not in told[0].body
    # Another person counts by themselves, and what the platform does by itself is nobody's.
    await look(served, Principal("b" * 32, "ana", Role.OPERATOR))
    assert len(await alarms(served)) == 2
    page = (await served.client.get("/api/privacy/lookups")).json()
    assert [(item["username"], item["day"]) for item in page["items"][:2]] == [("maria", 8), ("ana", 1)]


async def test_windows_slide(served: Served) -> None:
    limited(served, hour=3, day=100)
    for _ in range(3):
        await look(served)
    async with served.context.db.transaction() as session:
        await session.execute(update(LookupCount).values(bucket=lookups.bucket_of(now() - timedelta(minutes=70))))
    for _ in range(3):
        await look(served)
    assert await alarms(served) == []
    await look(served)
    assert [window for _, window, _ in await alarms(served)] == ["hour"]


async def test_a_search_of_many_plates_counts_for_more(served: Served) -> None:
    assert [weight(plates) for plates in (None, 0, 1, 20, 21, 10_000, True)] == [1, 1, 1, 1, 2, 500, 1]
    limited(served, hour=100)
    await look(served, plates=10_000)
    assert (await alarms(served))[0][2] == 500


async def test_more_is_refused_where_that_is_set_until_an_administrator_allows_it(served: Served) -> None:
    limited(served, hour=2, stop=True)
    for _ in range(3):
        await look(served)
    with pytest.raises(Throttled, match="over the 2 look-ups") as caught:
        await look(served)
    assert 60 <= int(str(caught.value.details["retry_after"])) <= 3900
    assert "allow" in str(caught.value.details["mend"])
    # Acts that look nobody up go on.
    await acts(served, MARIA, Act("cameras.update", "gate"))
    page = (await served.client.get("/api/privacy/lookups")).json()
    assert (page["items"][0]["over"], page["stop"]) == (["hour"], True)
    answer = await served.client.post(f"/api/privacy/lookups/{MARIA.user_id}/allow", json={"reason": "big case"})
    assert answer.status_code == 200, answer.text
    await look(served)
    assert (await listed(served, action="privacy.allow"))[0]["reason"] == "big case"


async def test_over_http_it_is_a_429_that_says_how_to_go_on(served: Served) -> None:
    headers = await another(served, "maria", "operator")
    limited(served, hour=1, stop=True)
    for status in (200, 200, 429):
        answer = await served.client.get("/api/detections", params={"plate": "ABC1D23"}, headers=headers)
        assert answer.status_code == status, answer.text
    assert int(answer.headers["retry-after"]) >= 60
    assert "administrator" in answer.json()["error"]["details"]["mend"]


async def test_nobody_allows_themselves_more(served: Served) -> None:
    async with served.context.db.read() as session:
        me = (await session.scalars(select(User.id).where(User.username == "admin"))).one()
    answer = await served.client.post(f"/api/privacy/lookups/{me}/allow", json={"reason": "for me"})
    assert answer.status_code == 403
