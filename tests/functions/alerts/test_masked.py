"""What roles that see plates masked learn of lists and alerts: no plate, and no way to it by parts."""

from __future__ import annotations

import base64
from typing import Any

from functions.alerts.watching import Watch
from functions.shared.access import Role
from functions.shared.tables import Alert
from tests.functions.alerts.conftest import alerts, change, detection, make_list, sign_in, told
from tests.functions.alerts.test_register import CSV, URL, one_alert, send
from tests.functions.serving import Served


async def masked(served: Served, name: str, role: str) -> dict[str, str]:
    """Sign in somebody whose role sees plates masked."""
    headers = await sign_in(served, name, role)
    served.context.settings = served.context.settings.model_copy(update={"mask_plates_for": (Role.of(role),)})
    return headers


async def test_masked_for_roles_that_see_no_plates(served: Served, watch: Watch) -> None:
    name = await one_alert(served, watch)
    headers = await sign_in(served, "eve", "viewer")
    served.context.settings = served.context.settings.model_copy(update={"mask_plates_for": (Role.VIEWER,)})
    shown = (await served.client.get(f"/api/alerts/{name}", headers=headers)).json()
    assert (shown["plate"], shown["pattern"], shown["snapshot_url"]) == ("AB*****", "AB*****", None)
    (made,) = [item for item in (await served.client.get(URL, headers=headers)).json()["items"] if item["entries"]]
    page = (await served.client.get(f"{URL}/{made['id']}/entries", headers=headers)).json()
    assert [item["pattern"] for item in page["items"]] == ["AB*****"]
    async with served.context.db.transaction() as session:
        row = await session.get(Alert, name)
        assert row is not None
        row.withdrawn_reason, row.note = "the plate is ABC1D28 by now", "looks like ABC-1D28"
    shown = (await served.client.get(f"/api/alerts/{name}", headers=headers)).json()
    assert (shown["withdrawn_reason"], shown["note"]) == ("the plate is AB***** by now", "looks like AB******")
    whole = (await served.client.get(f"/api/alerts/{name}")).json()
    assert (whole["plate"], whole["note"]) == ("ABC1D23", "looks like ABC-1D28")
    assert whole["snapshot_url"].startswith("https://city.example/api/images/")


async def test_pages_of_entries_tell_a_masked_role_no_plate(served: Served) -> None:
    plates = ["ABM1D23", "ABZ9K88", "ABA0A00", "ABC*"]
    made = await make_list(
        served, *({"pattern": plate, "note": f"like {plate[:3]}7X99"} for plate in plates), reason="seen by ABC-1D23"
    )
    headers = await masked(served, "olga", "operator")
    url, seen, cursor = f"{URL}/{made['id']}/entries", [], None
    while True:
        page = await served.client.get(
            url, params={"limit": 1, "cursor": cursor} if cursor else {"limit": 1}, headers=headers
        )
        seen += [item["created_at"] for item in page.json()["items"]]
        assert "7X99" not in page.text
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        bare = cursor + base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("latin-1")
        assert not any(plate[:3] in bare for plate in plates)
    assert len(seen) == 4
    assert seen == sorted(seen), "an order by plate would tell where among others one lies"
    refused = await served.client.get(url, params={"q": "ABM1"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, "q")
    sheet = await served.client.get(f"{url}/export.csv", headers=headers)
    assert "7X99" not in sheet.text
    assert not any(plate in sheet.text for plate in plates)
    assert len(sheet.text.splitlines()) == 5
    for answer in (
        await served.client.get(URL, headers=headers),
        await served.client.get(f"{URL}/{made['id']}", headers=headers),
    ):
        assert "1D23" not in answer.text
    whole = (await served.client.get(f"{URL}/{made['id']}")).json()
    assert whole["reason"] == "seen by ABC-1D23"


async def test_pages_of_entries_go_on_behind_one_that_was_taken_out(served: Served) -> None:
    made = await make_list(served, "ABM1D23", "ABZ9K88", "ABA0A00")
    url = f"{URL}/{made['id']}/entries"
    page = (await served.client.get(url, params={"limit": 2})).json()
    assert [item["pattern"] for item in page["items"]] == ["ABA0A00", "ABM1D23"]
    await served.client.delete(f"{url}/{page['items'][1]['id']}")
    rest = (await served.client.get(url, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([item["pattern"] for item in rest["items"]], rest["next_cursor"]) == (["ABZ9K88"], None)
    for wrong in ("QUJNMUQyMw", "0" * 32, "%%%"):
        assert (await served.client.get(url, params={"cursor": wrong})).status_code == 422


async def test_a_masked_role_has_no_plates_sent(served: Served) -> None:
    made = await make_list(served, emails=["desk@city.example"], reason="seen by ABC-1D23")
    headers = await masked(served, "olga", "operator")
    url = f"{URL}/{made['id']}"
    own: list[dict[str, Any]] = [
        {"emails": ["me@city.example"]}, {"escalation_emails": ["me@city.example"]}, {"hook": {"url": "http://127.0.0.1:9/x"}},
    ]  # fmt: skip
    for sent in own:
        for answer in (
            await served.client.post(URL, json={"name": "Mine", **sent}, headers=headers),
            await served.client.patch(url, json=sent, headers=headers),
        ):
            assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (403, next(iter(sent)))
    # What was there may stay, and a reason that comes back as it was shown is no change.
    kept = {"emails": ["desk@city.example"], "hook": None, "reason": "seen by AB******", "priority": 7}
    answer = await served.client.patch(url, json=kept, headers=headers)
    assert answer.status_code == 200, answer.text
    shown = (await served.client.get(url)).json()
    assert (shown["reason"], shown["priority"], shown["emails"]) == ("seen by ABC-1D23", 7, ["desk@city.example"])
    assert (await served.client.post(URL, json={"name": "Mine"}, headers=headers)).status_code == 201


async def test_a_masked_role_lists_whole_plates_alone(served: Served) -> None:
    made = await make_list(served)
    headers = await masked(served, "olga", "operator")
    url = f"{URL}/{made['id']}/entries"
    for given in ({"pattern": "ABC1D2?"}, {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 2.0}):
        assert (await served.client.post(url, json=given, headers=headers)).status_code == 403
    assert (await served.client.post(url, json={"pattern": "ABC1D23"}, headers=headers)).status_code == 201
    served.client.headers.update(headers)
    report = (await send(served, made["id"], CSV, mode="valid")).json()
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [
        (3, "match"), (4, "plate"), (5, "plate"), (6, "match"),
    ]  # fmt: skip
    assert (report["added"], report["updated"]) == (0, 1)


async def test_a_withdrawn_alert_tells_a_masked_role_no_plate(served: Served, watch: Watch) -> None:
    name = await one_alert(served, watch)
    (alert,) = await alerts(served.context.db)
    await change(served.context.db, alert.detection_id, plate="XYZ9K88")
    await watch.observe(told(detection("XYZ9K88", id=alert.detection_id)))
    headers = await sign_in(served, "eve", "viewer")
    served.context.settings = served.context.settings.model_copy(update={"mask_plates_for": (Role.VIEWER,)})
    shown = await served.client.get(f"/api/alerts/{name}", headers=headers)
    assert shown.json()["state"] == "withdrawn"
    assert "XYZ9K88" not in shown.text
    assert "ABC1D23" not in shown.text
