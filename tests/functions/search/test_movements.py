"""The route of a plate, what is seen together with it, and statistics; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.search.movements import distance_km, speed_kmh
from functions.search.repository_cameras import Place
from functions.shared.db import Database
from functions.shared.tables import Camera
from tests.functions.search.conftest import NOON, URL, add, detection
from tests.functions.search.test_finding import acts
from tests.functions.serving import Served

HALF_A_DAY = {"from": "2026-05-04T06:00:00Z", "to": "2026-05-04T18:00:00Z"}


def placed(name: str, latitude: float | None, longitude: float | None) -> Camera:
    return Camera(
        id=name, name=name.title(), url_encrypted="-", location="Centro", latitude=latitude, longitude=longitude,
        created_at=NOON - timedelta(days=9), updated_at=NOON,
    )  # fmt: skip


async def asked(served: Served, path: str, **params: Any) -> dict[str, Any]:
    answer = await served.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_route_in_order_of_time_with_places(served: Served, database: Database) -> None:
    await add(database, placed("north", -23.5, -46.6), placed("south", -23.6, -46.6), placed("nowhere", None, None))
    await add(
        database,
        detection("ABC1234", 0, camera_id="north"), detection("ABC1C34", 10, camera_id="south", direction="away"),
        detection("ABC1C34", 20, camera_id="nowhere"), detection("ABC1D34", 5, camera_id="north"),
        detection("ABC1234", 30, camera_id="south"),
    )  # fmt: skip
    route = await asked(served, "/api/plates/abc-1234/route", reason="case 7")
    assert route["plates"] == ["ABC1234", "ABC1C34"]
    points = route["items"]
    assert [(point["plate"], point["camera_id"]) for point in points] == [
        ("ABC1234", "north"), ("ABC1C34", "south"), ("ABC1C34", "nowhere"), ("ABC1234", "south"),
    ]  # fmt: skip
    assert (points[0]["latitude"], points[0]["longitude"], points[0]["camera_name"]) == (-23.5, -46.6, "North")
    assert (points[0]["gap_s"], points[0]["distance_km"], points[0]["speed_kmh"]) == (None, None, None)
    assert points[1]["gap_s"] == 597.0
    assert points[1]["distance_km"] == pytest.approx(11.12, abs=0.01)
    assert points[1]["speed_kmh"] == pytest.approx(67.1, abs=0.1)
    assert (points[2]["distance_km"], points[2]["speed_kmh"]) == (None, None)
    assert {each["camera_id"] for each in route["blind"]} == {"north", "south", "nowhere"}, "no span says that they saw"
    first = await asked(served, "/api/plates/ABC1234/route", limit=3)
    rest = await asked(served, "/api/plates/ABC1234/route", limit=3, cursor=first["next_cursor"])
    assert [point["detection_id"] for point in first["items"] + rest["items"]] == [
        point["detection_id"] for point in points
    ]
    assert rest["blind"] is None
    assert len((await asked(served, "/api/plates/ABC1234/route", twins=False))["items"]) == 2
    written = await acts(database, "detections.route")
    assert (written[0].subject, written[0].reason, written[0].details) == (
        "ABC1234",
        "case 7",
        {"plates": 2, "count": 4},
    )
    for wrong in ("ABC*", "--", "A" * 33):
        assert (await served.client.get(f"/api/plates/{wrong}/route")).status_code == 422


def test_distance_and_speed() -> None:
    def at(latitude: float | None, longitude: float | None) -> Place:
        return Place("a", "A", None, latitude, longitude, None, None, NOON, None)

    assert distance_km(at(0, 0), at(0, 180)) == pytest.approx(20015, abs=1)
    assert distance_km(at(0, 0), at(0, None)) is None
    assert distance_km(None, at(0, 0)) is None
    assert speed_kmh(10.0, 0.0) == 36_000.0
    assert speed_kmh(0.01, 5.0) is None


async def test_seen_together(served: Served, database: Database) -> None:
    rows = []
    for number in range(5):
        camera, at = f"c{number % 3}", number * 60.0
        rows += [
            detection("ABC1D23", at, camera_id=camera), detection("FOL0L00", at + 2, camera_id=camera),
            detection("AHE4D00", at - 4.9, camera_id=camera), detection("LAT3E00", at + 6, camera_id=camera),
            detection("ELS3E00", at + 1, camera_id="elsewhere"), detection(None, at + 1, camera_id=camera),
        ]  # fmt: skip
    rows += [detection("STA7D00", 0.1 * number, camera_id="c0") for number in range(9)]
    rows += [detection("AHE4D00", 600, camera_id="c0"), detection("FOL0L00", 0.5, camera_id="c0")]
    await add(database, *rows[:-6], *rows[-6:])
    found = await asked(served, "/api/plates/ABC1D23/companions", minutes=5)
    assert [(each["plate"], each["meetings"], each["cameras"], each["share"]) for each in found["items"]] == [
        ("AHE4D00", 5, 3, 1.0), ("FOL0L00", 5, 3, 1.0),
    ]  # fmt: skip
    assert (found["passages"], found["more_passages"]) == (5, False)
    wider = await asked(served, "/api/plates/ABC1D23/companions", minutes=10, at_least=2, limit=5)
    assert [each["plate"] for each in wider["items"]] == ["AHE4D00", "FOL0L00", "LAT3E00"]
    early = await asked(served, "/api/plates/ABC1D23/companions", to="2026-05-04T13:30:00Z", at_least=2)
    assert early["blind_window"]["to"] == "2026-05-04T13:30:00Z"
    assert isinstance(early["blind"], list)
    assert early["passages"] == 2
    assert [each["meetings"] for each in early["items"]] == [2, 2]
    nobody = await asked(served, "/api/plates/ZZZ9Z99/companions")
    assert (nobody["passages"], nobody["items"]) == (0, [])
    assert (await acts(database, "detections.companions"))[0].details["plates"] == 2


async def test_vehicles_an_hour(served: Served, database: Database) -> None:
    await add(database, placed("north", None, None))
    await add(
        database,
        *(detection("ABC1D23", minutes, camera_id="north", color="red") for minutes in (0, 1, 59, 60)),
        detection(None, 61, vehicle_type="bus"), detection("ABC1D24", 150, vehicle_type=None),
        detection("ABC1D25", -361), detection("ABC1D26", 360),
    )  # fmt: skip
    found = await asked(served, f"{URL}/stats", by="type", **HALF_A_DAY)
    assert (found["total"], found["with_plate"], found["time_zone"]) == (6, 5, "America/Sao_Paulo")
    assert [(key["key"], key["count"]) for key in found["keys"]] == [("car", 4), (None, 1), ("bus", 1)]
    assert len(found["hours"]) == 12
    noon = next(hour for hour in found["hours"] if hour["at"] == "2026-05-04T12:00:00Z")
    assert noon == {"at": "2026-05-04T12:00:00Z", "local": "2026-05-04 09:00", "count": 3, "counts": {"car": 3}}
    assert [hour["count"] for hour in found["busiest"]] == [3, 2, 1]
    assert found["busiest"][1]["counts"] == {"bus": 1, "car": 1}
    assert found["hour_of_day"][9:12] == [3.0, 2.0, 1.0]
    by_camera = await asked(served, f"{URL}/stats", by="camera", camera_id="north", **HALF_A_DAY)
    assert by_camera["keys"] == [{"key": "north", "name": "North", "count": 4}]
    assert [each["camera_id"] for each in by_camera["blind"]] == ["north"]
    by_color = await asked(served, f"{URL}/stats", by="color", time_zone="Asia/Kolkata", **HALF_A_DAY)
    assert [hour["local"] for hour in by_color["hours"] if hour["count"]] == [
        "2026-05-04 17:00", "2026-05-04 18:00", "2026-05-04 20:00",
    ]  # fmt: skip
    assert by_color["hours"][6]["counts"] == {"red": 2}
    plain = await asked(served, f"{URL}/stats", **HALF_A_DAY)
    assert (plain["keys"], plain["hours"][6]["counts"]) == ([], {})
    assert (await asked(served, f"{URL}/stats"))["total"] == 0, "of the last day"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-05-04T00:00:00Z"}, "from"),
        ({"from": "2020-01-01T00:00:00Z"}, "from"), ({"time_zone": "Mars/Base"}, "time_zone"), ({"by": "plate"}, "by"),
    ],
)  # fmt: skip
async def test_wrong_questions_of_statistics(served: Served, params: dict[str, str], field: str) -> None:
    answer = await served.client.get(f"{URL}/stats", params=params)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["error"]["message"]
