"""Real streams of all kinds through a real pod."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import psutil

from capture.metrics import DROPS
from cli.demo.rtsp import RtspServer
from functions.shared.contracts import CameraState, CameraStatus
from tests.capture.rig import Rig, until
from tests.support.ports import free_port
from tests.support.rtsp import refused_url, silent_listener
from tests.support.rtsp_scripted import ScriptedRtsp, redirect


@contextmanager
def web_server() -> Iterator[str]:
    """Something that listens and speaks another protocol."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def answer() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


async def test_frames_come_as_jpeg_with_their_facts(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("one", cameras.urls["a"])
    await rig.put("small", cameras.urls["b"], max_side=320, jpeg_quality=60)
    await rig.put("h265", cameras.urls["hevc"])
    await rig.put("locked", cameras.login_url("locked"))
    rig.pod()
    for camera in ("one", "small", "h265", "locked"):
        await rig.more_frames(camera, 3)
    sizes = {}
    for camera in ("one", "small", "h265", "locked"):
        _, meta, jpeg = rig.frames[camera][-1]
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[:2] == (meta.height, meta.width)
        assert meta.id == f"{camera}:{int(meta.captured_at.timestamp() * 1000)}"
        assert rig.sequences(camera) == list(range(len(rig.frames[camera])))
        sizes[camera] = (meta.width, meta.height)
    assert sizes == {"one": (640, 360), "small": (320, 180), "h265": (640, 360), "locked": (640, 360)}
    status = await rig.reaches("h265", "online")
    assert (status.codec, status.width, status.height, status.fps) == ("hevc", 640, 360, 25.0)
    assert status.holder == "pod-a"


async def test_the_red_box_of_the_clip_is_red_in_the_jpeg(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("one", cameras.urls["a"])
    rig.pod()
    await rig.more_frames("one", 3)
    pictures = [
        np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.int16)
        for _, _, jpeg in rig.frames["one"]
    ]
    most_red = max(int((picture[..., 2] - picture[..., 1]).max()) for picture in pictures)
    assert most_red > 90  # the clip's box is 190 red, 60 green


async def test_no_more_is_decoded_than_the_sampling_needs_and_the_status_says_so(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("short", cameras.urls["a"], sample_fps=1)
    await rig.put("long", cameras.urls["long"], sample_fps=1)
    await rig.put("fast", cameras.urls["b"], sample_fps=5)
    rig.pod()

    statuses: dict[str, CameraStatus] = {}

    async def measured() -> bool:
        for camera, interval in (("short", 1.0), ("long", 4.0), ("fast", 1.0)):
            status = await rig.status(camera)
            if status is None or status.keyframe_interval_s != interval:
                return False
            statuses[camera] = status
        return True

    await until(measured, 30, "the keyframe intervals are measured")
    assert {camera: status.decode for camera, status in statuses.items()} == {
        "short": "keyframes",
        "long": "all",
        "fast": "all",
    }
    assert "every 4 s" in statuses["long"].decode_reason
    await asyncio.sleep(3)
    for camera, fps in (("short", 1.0), ("long", 1.0), ("fast", 5.0)):
        times = [meta.captured_at.timestamp() for _, meta, _ in rig.frames[camera]]
        assert times == sorted(times)
        assert len(times) <= (times[-1] - times[0]) * fps * 1.15 + 2


async def test_the_gate_drops_a_still_scene_and_counts_it_and_a_heartbeat_comes(rig: Rig, cameras: RtspServer) -> None:
    port = free_port()
    await rig.put("still", cameras.urls["still"])
    await rig.put("ungated", cameras.urls["still2"], motion_gate=False)
    rig.pod(GTV_HEARTBEAT_S="3", GTV_METRICS_PORT=str(port))
    await rig.more_frames("still", 5, within_s=30)  # the first, two after it, two heartbeats
    status = await rig.reaches("still", "online")
    beats = [meta.captured_at.timestamp() for _, meta, _ in rig.frames["still"]]
    assert len(beats) < len(rig.frames["ungated"])
    gaps = [later - earlier for earlier, later in itertools.pairwise(beats)]
    assert any(2.5 <= gap <= 5 for gap in gaps), gaps
    assert status.dropped["still"] > 0
    page = await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics")
    counted = re.search(r'gtv_capture_frames_dropped_total\{camera_id="still",reason="still"\} (\d+)', page)
    assert counted is not None
    assert int(counted[1]) >= status.dropped["still"]
    assert all(f'reason="{reason}"' in page for reason in DROPS)
    assert 'gtv_capture_camera_up{camera_id="still"} 1.0' in page
    assert await asyncio.to_thread(read, f"http://127.0.0.1:{port}/_/health") == "ok\n"


async def test_each_kind_of_bad_camera_says_what_is_wrong(rig: Rig, cameras: RtspServer) -> None:
    with silent_listener() as silent, web_server() as web:
        bad = cameras.login_url("locked").replace("S3CRET-MARK", "S3CRET-MARK-wrong")
        urls = {
            "refused": refused_url(), "unauthorized": bad, "not_found": cameras.urls["a"] + "/none", "silent": silent,
            "no_video": cameras.urls["sound"], "not_rtsp": web, "bad_url": "file:///etc/passwd",
            "unknown_host": "rtsp://no-such-camera.invalid/live",
        }  # fmt: skip
        for code, url in urls.items():
            await rig.put(code.replace("_", "-"), url)
        await rig.put("good", cameras.urls["a"])
        rig.pod()
        for code in urls:
            status = await rig.reaches(code.replace("_", "-"), "offline", code=code)
            assert len(status.reason) > 15
            assert status.last_frame_at is None
        await rig.reaches("good", "online")
    told = {event.camera_id: event.status.reason_code for event in rig.events if event.status.state == "offline"}
    assert set(told.values()) >= set(urls)


async def test_what_a_camera_may_not_be_is_told_by_capture_too(rig: Rig, cameras: RtspServer) -> None:
    """The register was asked when the camera was entered; since then its name may have moved, or the setting."""
    with ScriptedRtsp(lambda _: redirect(cameras.urls["a"])) as sends_on:
        await rig.put("near", cameras.urls["a"])
        await rig.put("sends-on", sends_on.url)
        strict = rig.pod(GTV_CAMERA_NETWORKS="10.0.0.0/8")
        assert "GTV_CAMERA_NETWORKS" in (await rig.reaches("near", "offline", code="not_allowed")).reason
        await asyncio.to_thread(strict.stop)
        rig.pod("pod-b")
        await rig.reaches("sends-on", "offline", code="redirected")
        await rig.reaches("near", "online")
    assert not rig.frames["sends-on"]


async def test_a_camera_that_nobody_can_decrypt_says_so_and_harms_no_other(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("good", cameras.urls["a"])
    value = await rig.bus.kv_get("gtv_cameras", "good")
    assert value is not None
    await rig.bus.kv_put(
        "gtv_cameras",
        "foreign",
        re.sub(rb'"url_encrypted":"[^"]*"', b'"url_encrypted":"x"', value).replace(b"good", b"foreign"),
    )
    await rig.bus.kv_put("gtv_cameras", "broken", b"{not json")
    rig.pod()
    assert "GTV_FERNET_KEYS" in (await rig.reaches("foreign", "offline", code="credentials")).reason
    await rig.more_frames("good")


async def test_the_password_appears_nowhere(rig: Rig, cameras: RtspServer) -> None:
    port = free_port()
    await rig.put("locked", cameras.login_url("locked"))
    await rig.put("wrong", cameras.login_url("locked").replace("op:", "other:"))
    await rig.put("refused", refused_url().replace("rtsp://", "rtsp://op:S3CRET-MARK@"))
    await rig.put("path", cameras.login_url("locked") + "/none?key=S3CRET-MARK")
    pod = rig.pod(GTV_METRICS_PORT=str(port))
    await rig.reaches("locked", "online")
    for camera in ("wrong", "refused", "path"):
        await rig.reaches(camera, "offline")
    mark = "S3CRET-MARK"
    for process in psutil.process_iter(["cmdline"]):
        if process.pid == pod.process.pid or process in pod.workers():
            assert mark not in " ".join(process.info["cmdline"] or [])
            assert mark not in str(process.environ())
    assert mark not in await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics")
    for value in (await rig.bus.kv_all("gtv_camera_status")).values():
        assert mark.encode() not in value
    assert rig.raw_events
    assert not [event for event in rig.raw_events if mark.encode() in event]
    for _, meta, _ in rig.frames["locked"]:
        assert mark not in meta.model_dump_json()
    await asyncio.to_thread(pod.stop)
    assert len(pod.workers() if pod.process.poll() is None else []) == 0
    log = pod.log.read_text()
    assert "camera_taken" in log
    assert mark not in log


async def test_states_are_told_once_for_each_change(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("one", cameras.urls["a"])
    rig.pod()
    await rig.reaches("one", "online")
    await rig.more_frames("one", 4)
    states = [event.status.state for event in rig.events if event.camera_id == "one"]
    assert states in ([CameraState.ONLINE], [CameraState.PROVISIONING, CameraState.ONLINE])
    assert rig.events[-1].previous in (None, CameraState.PROVISIONING)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text
