"""A camera that is up but blind: the real pod says so, and what it knows of a scene outlives it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path

from functions.shared.topology import SIGHT_KV
from tests.capture.rig import Rig, until
from tests.support.ports import free_port
from tests.support.rtsp import make_clip, start_rtsp


def metrics_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


async def test_a_dark_camera_is_degraded_with_the_reason_and_goes_on_publishing(rig: Rig, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "dark.mp4", scene="night")
    with start_rtsp({"night": clip}) as server:
        await rig.put("night", server.urls["night"], motion_gate=False)
        port = free_port()
        rig.pod(GTV_PICTURE_FAULT_S="2", GTV_METRICS_PORT=str(port))
        status = await rig.reaches("night", "degraded", code="dark")
        await rig.more_frames("night")
        told_to_prometheus = await asyncio.to_thread(metrics_of, port)
    assert 'gtv_capture_picture_fault{camera_id="night",fault="dark"} 1.0' in told_to_prometheus
    assert 'gtv_capture_picture_fault{camera_id="night",fault="moved"} 0.0' in told_to_prometheus
    assert status.faults == ("dark",)
    assert status.picture is not None
    assert status.picture["brightness"] < 24
    told = [event.status for event in rig.events if event.status.reason_code == "dark"]
    assert [(one.state, one.faults) for one in told] == [("degraded", ("dark",))], "one event, not one a look"


async def test_what_is_known_of_a_scene_is_kept_until_the_view_is_accepted(rig: Rig, tmp_path: Path) -> None:
    wanted = 0

    async def kept() -> bool:
        value = await rig.bus.kv_get(SIGHT_KV, "one")
        return bool(value) and json.loads(value or b"{}")["epoch"] == wanted

    async def gone() -> bool:
        return not await rig.bus.kv_get(SIGHT_KV, "one")

    with start_rtsp({"one": make_clip(tmp_path / "houses.mp4", scene="houses", moving=False)}) as server:
        await rig.put("one", server.urls["one"], motion_gate=False)
        rig.pod(GTV_PICTURE_FAULT_S="1")
        await until(kept, 30, "the scene is kept")
        wanted = 1
        await rig.put("one", server.urls["one"], motion_gate=False, view_epoch=1)
        await until(kept, 30, "the scene is learnt anew")
        await rig.delete("one")
        await until(gone, 10, "a deleted camera's scene is forgotten")
