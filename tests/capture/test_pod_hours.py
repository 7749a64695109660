"""A camera with hours is read within them, and says why it is not outside of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from capture.register import Camera
from cli.demo.rtsp import RtspServer
from functions.shared.contracts import DAYS, CameraSpec, CameraState, Hours
from tests.capture.rig import Rig, until

CITY = ZoneInfo("America/Sao_Paulo")


def on(days: int) -> list[dict[str, object]]:
    """The whole of the day that is so many days from now, by the city's clock."""
    day = DAYS[(datetime.now(CITY) + timedelta(days=days)).weekday()]
    return [{"days": [day], "start": "00:00", "end": "24:00"}]


async def test_hours_begin_and_end_while_the_pod_runs(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("always", cameras.urls["a"])
    await rig.put("today", cameras.urls["b"], schedule=[*on(0), *on(1)], timezone=str(CITY))
    await rig.put("never", cameras.urls["c"], schedule=on(3), timezone=str(CITY))
    rig.pod()
    await rig.reaches("today", "online")
    off = await rig.reaches("never", "disabled", code="schedule")
    assert "hours" in off.reason
    assert rig.frames["never"] == []
    # Its hours end: it is let go of, and another pod may not take it either.
    await rig.put("today", cameras.urls["b"], schedule=on(3), timezone=str(CITY))
    await rig.reaches("today", "disabled", code="schedule")
    assert set(await rig.holders()) == {"always"}
    before = len(rig.frames["today"])
    await rig.more_frames("always", 4)
    assert len(rig.frames["today"]) == before
    told = [(event.status.state, event.status.reason_code) for event in rig.events if event.camera_id == "today"]
    assert told[-1] == (CameraState.DISABLED, "schedule")
    # And they begin.
    await rig.put("today", cameras.urls["b"], schedule=[*on(0), *on(1)], timezone=str(CITY))
    await rig.reaches("today", "online")

    async def held() -> bool:
        return set(await rig.holders()) == {"always", "today"}

    await until(held, 5.0, "the camera is held again")


def test_hours_are_the_citys_and_those_of_an_unknown_zone_bind_nobody() -> None:
    hours = (Hours(days=("mon",), start="06:00", end="07:00"),)
    monday = datetime(2026, 11, 23, 6, 30, tzinfo=CITY)

    def camera(**fields: object) -> Camera:
        facts = {"camera_id": "c", "name": "c", "url_encrypted": "", "revision": 1, "timezone": str(CITY), **fields}
        return Camera(CameraSpec.model_validate(facts), "rtsp://x")

    assert camera(schedule=hours).due(monday)
    assert not camera(schedule=hours).due(monday + timedelta(hours=1))
    assert not camera(schedule=hours, timezone="UTC").due(monday)
    assert not camera(schedule=hours, enabled=False).due(monday)
    assert camera(schedule=None).due(monday + timedelta(hours=1))
    assert camera(schedule=hours, timezone="Nowhere/City").due(monday + timedelta(hours=1))
