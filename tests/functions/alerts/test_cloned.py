"""One plate at two places that no car reaches in time."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from functions.alerts.cloned import Limits, Sighting, evidence, impossible, kilometres
from functions.alerts.sending import Sender
from functions.alerts.watching import Watch
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.tables import AlertNotification, Camera, Detection
from tests.functions.alerts.conftest import Always, add, alerts, camera, change, detection, sign_in, told
from tests.functions.alerts.test_sending import HookServer
from tests.functions.serving import Served

AT = now() - timedelta(minutes=20)
# Praça da Sé and the airport of Guarulhos, 21 km apart.
CENTRE, AIRPORT = (-23.5505, -46.6333), (-23.4356, -46.4731)


def sighting(camera_id: str, place: tuple[float, float], seconds: float, **other: Any) -> Sighting:
    begun = AT + timedelta(seconds=seconds)
    return Sighting(f"d-{camera_id}", camera_id, *place, begun, begun + timedelta(seconds=3), **other)


def test_the_distance_is_that_of_the_great_circle() -> None:
    assert kilometres(sighting("a", CENTRE, 0), sighting("b", AIRPORT, 0)) == pytest.approx(20.7, abs=0.2)
    assert kilometres(sighting("a", (0, 0), 0), sighting("b", (0, 180), 0)) == pytest.approx(20_015, abs=1)


@pytest.mark.parametrize(
    ("seconds", "cloned"),
    [(0.0, True), (60.0, True), (480.0, True), (510.0, False), (3600.0, False), (-60.0, True), (-510.0, False)],
)
def test_by_the_speed_that_it_would_take(seconds: float, cloned: bool) -> None:
    """21 km at 150 km/h take 8 min 20 s."""
    one, other = sighting("a", CENTRE, 0), sighting("b", AIRPORT, seconds)
    assert impossible(one, other, Limits(150.0, 1.0)) is cloned
    assert impossible(other, one, Limits(150.0, 1.0)) is cloned


def test_near_cameras_and_one_camera_prove_nothing() -> None:
    near = (CENTRE[0] + 0.005, CENTRE[1])
    assert not impossible(sighting("a", CENTRE, 0), sighting("b", near, 0), Limits(150.0, 1.0))
    assert not impossible(sighting("a", CENTRE, 0), sighting("a", AIRPORT, 0), Limits(150.0, 1.0))


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ({"color": "red", "color_confidence": 0.9}, {"color": "white", "color_confidence": 0.9}, ["color"]),
        ({"color": "red", "color_confidence": 0.9}, {"color": "white", "color_confidence": 0.3}, []),
        ({"color": "silver", "color_confidence": 0.9}, {"color": "white", "color_confidence": 0.9}, []),
        ({"type": "motorcycle", "type_confidence": 0.9}, {"type": "car", "type_confidence": 0.9}, ["type"]),
        ({"type": "truck", "type_confidence": 0.9}, {"type": "car", "type_confidence": 0.9}, []),
        ({"color": "red"}, {"color": "blue"}, ["color"]),
    ],
)
def test_colour_and_type_are_evidence(one: dict[str, Any], other: dict[str, Any], differ: list[str]) -> None:
    assert evidence(sighting("a", CENTRE, 0, **one), sighting("b", AIRPORT, 60, **other))["differ"] == differ


async def places(database: Database) -> None:
    for name, (latitude, longitude) in (("gate", CENTRE), ("port", AIRPORT)):
        async with database.transaction() as session:
            row = await session.get_one(Camera, name)
            row.latitude, row.longitude = latitude, longitude
    await add(database, camera("far", "south", latitude=-22.9, longitude=-43.2))


async def both(context: Context, watch: Watch, order: tuple[int, int] = (0, 1), **other: Any) -> list[Detection]:
    await places(context.db)
    pair = [
        detection("ABC1D23", at=AT, camera_id="gate", color="red", color_confidence=0.9),
        detection("ABC1D23", at=AT + timedelta(seconds=120), camera_id="port", color="white", color_confidence=0.9),
    ]
    for name, value in other.items():
        setattr(pair[1], name, value)
    await add(context.db, *pair)
    for index in (*order, *order):
        await watch.observe(told(pair[index]))
    return pair


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_places_raise_one_alert_in_any_order(
    served: Served, watch: Watch, context: Context, order: tuple[int, int]
) -> None:
    one, other = await both(context, watch, order)
    (alert,) = await alerts(context.db)
    assert (alert.kind, alert.hotlist_id, alert.plate) == ("cloned", "cloned", "ABC1D23")
    assert (alert.detection_id, alert.other_detection_id) == (other.id, one.id)
    found = alert.details["cloned"]
    assert (found["differ"], found["colors"], found["seconds"]) == (["color"], ["red", "white"], 117.0)
    assert found["kmh"] > 600


async def test_replicas_raise_one(served: Served, context: Context) -> None:
    await places(context.db)
    pair = [
        detection("ABC1D23", at=AT + timedelta(seconds=100 * index), camera_id=name)
        for index, name in enumerate(("gate", "port"))
    ]
    await add(context.db, *pair)
    replicas = [Watch(context, Always(context)) for _ in range(3)]
    await asyncio.gather(*(replica.observe(told(row)) for replica, row in itertools.product(replicas, pair)))
    assert len(await alerts(context.db)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"uncertain": True}, {"final": False}, {"plate_format": None}, {"plate": "ABC1324"}, {"camera_id": "yard"},
        {"started_at": AT + timedelta(hours=1), "ended_at": AT + timedelta(hours=1)},
    ],
    ids=["uncertain", "in sight", "no format", "another plate", "a camera of no known place", "time enough"],
)  # fmt: skip
async def test_what_is_no_clone(served: Served, watch: Watch, context: Context, other: dict[str, Any]) -> None:
    await both(context, watch, **other)
    assert await alerts(context.db) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_either_numbering_is_the_same_registration(
    served: Served, watch: Watch, context: Context, order: tuple[int, int]
) -> None:
    """ABC1D23 here, and there its twin ABC1323; and a third place joins the one alert."""
    one, other = await both(context, watch, order, plate="ABC1323", plate_format="br_old")
    third = detection("ABC1D23", at=AT + timedelta(seconds=240), camera_id="far")
    await add(context.db, third)
    for row in (third, other, one):
        await watch.observe(told(row))
    (alert,) = await alerts(context.db)
    assert (alert.plate, alert.detection_id, alert.other_detection_id) == ("ABC1323", other.id, one.id)
    assert [item["detection_id"] for item in alert.details["sightings"]] == [one.id, other.id, third.id]
    # Set right to its twin it still holds, to another plate it does not.
    for plate, state in (("ABC1D23", "open"), ("ABC1D24", "withdrawn"), ("ABC1323", "open")):
        await change(context.db, other.id, plate=plate)
        await watch.observe(told(other, plate=plate))
        assert (await alerts(context.db))[0].state == state


async def test_replicas_raise_one_of_both_numberings(served: Served, context: Context) -> None:
    await places(context.db)
    rows = [
        detection(plate, at=AT + timedelta(seconds=100 * index), camera_id=name)
        for index, (name, plate) in enumerate((("gate", "ABC1D23"), ("port", "ABC1323"), ("far", "ABC1D23")))
    ]
    await add(context.db, *rows)
    replicas = [Watch(context, Always(context)) for _ in range(3)]
    await asyncio.gather(*(replica.observe(told(row)) for replica, row in itertools.product(replicas, rows)))
    assert len(await alerts(context.db)) == 1


async def test_a_third_place_joins_the_alert(served: Served, watch: Watch, context: Context) -> None:
    pair = await both(context, watch)
    third = detection("ABC1D23", at=AT + timedelta(seconds=240), camera_id="far")
    await add(context.db, third)
    for _ in range(2):
        await watch.observe(told(third))
    (alert,) = await alerts(context.db)
    assert [item["detection_id"] for item in alert.details["sightings"]] == [*(row.id for row in pair), third.id]


async def test_a_plate_that_was_set_right_withdraws_it(served: Served, watch: Watch, context: Context) -> None:
    one, _ = await both(context, watch)
    await change(context.db, one.id, plate="ABC1D28")
    await watch.observe(told(one, plate="ABC1D28"))
    (alert,) = await alerts(context.db)
    assert alert.state == "withdrawn"
    assert alert.withdrawn_reason == "the plate of one of the passages is another by now"


async def test_it_can_be_switched_off(served: Served, watch: Watch, context: Context) -> None:
    answer = await served.client.patch("/api/hotlists/cloned", json={"enabled": False})
    assert answer.status_code == 200, answer.text
    await both(context, watch)
    assert await alerts(context.db) == []


@pytest.mark.parametrize(("groups", "count"), [(["south"], 0), (["north"], 0), (["north", "south"], 1)])
async def test_a_list_of_some_groups_is_told_of_what_lies_within_them(
    served: Served, watch: Watch, context: Context, groups: list[str], count: int
) -> None:
    """An alert at the one place tells by its distance and speed of the other."""
    answer = await served.client.patch("/api/hotlists/cloned", json={"group_ids": groups})
    assert answer.status_code == 200, answer.text
    pair = await both(context, watch)
    assert len(await alerts(context.db)) == count
    # A third place outside of the list's groups is no sighting of its alerts either.
    third = detection("ABC1D23", at=AT + timedelta(seconds=240), camera_id="alone")
    await add(context.db, camera("alone", latitude=-22.9, longitude=-43.2), third)
    for row in (third, *pair):
        await watch.observe(told(row))
    assert [len(alert.details["sightings"]) for alert in await alerts(context.db)] == [2] * count


async def test_who_is_told_learns_of_the_other_place_where_the_list_counts_there(
    served: Served, watch: Watch, context: Context
) -> None:
    async with HookServer().serving() as hook:
        wanted = {"hook": {"url": hook.url, "body": {"detail": "{detail}"}}, "group_ids": ["north", "south"]}
        assert (await served.client.patch("/api/hotlists/cloned", json=wanted)).status_code == 200
        await both(context, watch)
        # The groups are fewer by the time that it is sent.
        sender = Sender(context)
        await sender.send_due()
        assert (await served.client.patch("/api/hotlists/cloned", json={"group_ids": ["south"]})).status_code == 200
        async with context.db.transaction() as session:
            again = update(AlertNotification).values(status="waiting", due_at=now() - timedelta(seconds=1))
            await session.execute(again)
        await sender.send_due()
        await sender.close()
    assert "km/h" in hook.bodies[0]["detail"]
    assert hook.bodies[1:] == [{"detail": ""}]


async def test_who_sees_one_of_the_places_learns_nothing_of_the_other(
    served: Served, watch: Watch, context: Context
) -> None:
    await both(context, watch)
    (alert,) = await alerts(context.db)
    own = await sign_in(served, "south", "operator", ("south",))
    shown = (await served.client.get(f"/api/alerts/{alert.id}", headers=own)).json()
    assert shown["cloned"] is None
    assert [item["camera_id"] for item in shown["sightings"]] == ["port"]
    assert "gate" not in str(shown)
    whole = (await served.client.get(f"/api/alerts/{alert.id}")).json()
    assert whole["cloned"]["differ"] == ["color"]
    other = await sign_in(served, "north", "operator", ("north",))
    assert (await served.client.get(f"/api/alerts/{alert.id}", headers=other)).status_code == 404
