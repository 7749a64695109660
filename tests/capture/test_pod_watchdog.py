"""Streams that stall, hang, die and come back."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

from cli.demo.rtsp import RtspServer
from tests.capture.rig import Rig, until
from tests.support.ports import free_port
from tests.support.rtsp import start_rtsp


def counted(port: int, name: str, camera: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        found = re.search(rf'{name}{{camera_id="{camera}"}} (\d+)', answer.read().decode())
    return int(found[1]) if found else -1


async def test_a_stall_degrades_takes_offline_and_comes_back(
    rig: Rig, clips: dict[str, Path], cameras: RtspServer
) -> None:
    with start_rtsp({"one": clips["moving"]}) as server:
        await rig.put("one", server.urls["one"])
        await rig.put("other", cameras.urls["a"])
        rig.pod()
        await rig.reaches("one", "online")
        await rig.more_frames("other", 1)
        server.pause()
        await rig.reaches("one", "degraded")
        away = await rig.reaches("one", "offline")
        assert away.reason
        assert away.last_frame_at is not None
        server.resume()
        back = await rig.reaches("one", "online", within_s=30)
        assert back.restarts >= 1
        assert back.last_frame_at is not None
        assert back.last_frame_at > away.last_frame_at
        await rig.more_frames("one")
    states = [event.status.state for event in rig.events if event.camera_id == "one"]
    assert states[-1] == "online"
    assert len(states) <= 8, states
    assert {event.status.state for event in rig.events if event.camera_id == "other"} <= {"provisioning", "online"}
    assert rig.sequences("other") == list(range(len(rig.frames["other"])))


async def test_the_watchdog_restarts_a_reader_that_hangs_in_the_library(rig: Rig, clips: dict[str, Path]) -> None:
    """With a time-out of minutes the library call itself never returns: the thread is left behind."""
    port, camera_port = free_port(), free_port()
    with start_rtsp({"one": clips["moving"]}, port=camera_port) as server:
        await rig.put("one", server.urls["one"])
        pod = rig.pod(GTV_OPEN_TIMEOUT_S="300", GTV_METRICS_PORT=str(port), GTV_HUNG_READERS="2")
        await rig.reaches("one", "online")
        first = {worker.pid for worker in pod.workers()}
        server.pause()

        async def restarted() -> bool:
            return await asyncio.to_thread(counted, port, "gtv_capture_watchdog_restarts_total", "one") >= 2

        await until(restarted, 25, "the watchdog restarted it twice")

        async def replaced() -> bool:
            return not first & {worker.pid for worker in pod.workers()}

        await until(replaced, 25, "the clogged process was replaced")
        # A camera that hung so is power-cycled: gst-rtsp-server does not always answer again when it merely goes on.
        server.kill()
    with start_rtsp({"one": clips["moving"]}, port=camera_port):
        await rig.reaches("one", "online", within_s=60)
        await rig.more_frames("one")
    assert await asyncio.to_thread(pod.stop) == 0


async def test_a_server_that_dies_is_asked_again_until_it_is_back(rig: Rig, clips: dict[str, Path]) -> None:
    port = free_port()
    with start_rtsp({"one": clips["moving"]}, port=port) as server:
        await rig.put("one", server.urls["one"])
        rig.pod()
        await rig.reaches("one", "online")
        server.kill()
    down = await rig.reaches("one", "offline", code="refused")

    async def circuit() -> bool:
        status = await rig.status("one")
        return status is not None and "next try in" in status.reason

    await until(circuit, 20, "the circuit opens")
    assert "refused" in down.reason
    with start_rtsp({"one": clips["moving"]}, port=port):
        await rig.reaches("one", "online", within_s=30)
        await rig.more_frames("one")
