"""The console's cameras in a real headless Chromium: how they fare, and what each role may do with them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from functions.shared.contracts import CameraState, CameraStatusChanged, FrameMeta, frame_id, now
from tests.e2e.seat import BAD_INPUT, seated
from tests.functions.console.stack import Stack, picture
from tests.support.rtsp import make_clip, silent_listener, start_rtsp

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_cameras_show_their_state_and_follow_it(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_camera("gate-2", "Gate Two")
    facts = {"codec": "h264", "width": 1920, "height": 1080, "fps": 25.0, "decode": "keyframes"}
    # A report is believed for 15 s: this one does not grow old while a slow browser starts.
    later = now() + timedelta(minutes=5)
    seen = {"last_frame_at": later, "keyframe_interval_s": 1.0, "updated_at": later}
    await stack.report("gate-1", CameraState.ONLINE, **seen, **facts)
    await stack.report("gate-2", CameraState.OFFLINE, reason_code="unauthorized", reason="refused", updated_at=later)
    at = now()
    meta = FrameMeta(id=frame_id("gate-1", at), camera_id="gate-1", captured_at=at, sequence=0, width=64, height=40)
    await (await stack.context.bus()).publish_frame(meta, picture(64, 40, (0, 99, 0)))
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.shows(".count.offline", "1 offline")
        await seat.go("cameras")
        assert await seat.page.locator(".camera-table tbody tr").first.get_attribute("data-id") == "gate-2"
        await seat.shows('[data-id="gate-2"] .state', "Offline")
        await seat.shows('[data-id="gate-2"] .why', "The camera refused user name or password (401)")
        await seat.shows('[data-id="gate-2"] .mend', re.compile("^Check user and password"))
        await seat.shows('[data-id="gate-1"] .state', "Online")
        row = await seat.text('[data-id="gate-1"]')
        for words in ("H.264", "25 fps", "1920 × 1080", "keyframes alone (one each 1 s)"):
            assert words in row
        await seat.pictured('[data-id="gate-1"] .shot img', 64)
        status = await stack.report("gate-2", CameraState.ONLINE, updated_at=later)
        await stack.publish(CameraStatusChanged(camera_id="gate-2", previous=CameraState.OFFLINE, status=status))
        await seat.shows('[data-id="gate-2"] .state', "Online")
        await seat.has(".count.offline", 0)
        await seat.page.fill("#camera-q", "two")
        await seat.has(".camera-table tbody tr", 1)
        assert seat.complaints.found == []


async def test_an_operator_adds_changes_and_deletes_a_camera(stack: Stack, browser: Browser) -> None:
    await stack.add_user("otto", "operator")
    async with seated(browser, stack) as seat:
        await seat.sign_in("otto")
        await seat.go("cameras")
        await seat.shows(".empty h2", "No cameras yet")
        await seat.page.get_by_role("button", name="Add camera").click()
        await seat.page.fill("#f-name", "Gate One")
        await seat.page.fill("#f-rtsp_url", "http://10.0.0.7/live")
        await seat.page.get_by_role("button", name="Save").click()
        await seat.page.wait_for_selector(".field-error")
        assert await seat.page.get_attribute("#f-rtsp_url", "aria-invalid") == "true"
        assert await seat.text(".field-error") == "It must begin with rtsp:// or rtsps://."
        await seat.page.fill("#f-rtsp_url", "rtsp://u:s3cret-pass@127.0.0.1:9/live")
        await seat.page.locator("dialog").get_by_role("button", name="Test").click()
        await seat.shows(".probe-result strong", "Nothing listens at this address and port")
        assert "Check the port (554 is usual)" in await seat.text(".probe-result")
        await seat.page.get_by_role("button", name="Save").click()
        await seat.has("dialog", 0)
        await seat.shows(".cell-name strong", "Gate One")
        await seat.page.get_by_role("button", name="Edit: Gate One").click()
        assert await seat.page.input_value("#f-rtsp_url") == ""
        await seat.page.fill("#f-name", "Gate Two")
        await seat.page.get_by_role("button", name="Save").click()
        await seat.shows(".cell-name strong", "Gate Two")
        await seat.page.get_by_role("button", name="Switch off: Gate Two").click()
        await seat.shows(".camera-table .state", "Switched off")
        await seat.page.get_by_role("button", name="Delete: Gate Two").click()
        await seat.page.locator("dialog .danger").click()
        await seat.shows(".empty h2", "No cameras yet")
        assert "s3cret-pass" not in await seat.page.content()
        assert seat.complaints.except_for(BAD_INPUT, "502 (Bad Gateway)") == []


async def test_a_test_of_an_address_says_what_is_wrong_and_what_to_do(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    clips = {
        "locked": make_clip(tmp_path / "h264.mp4", seconds=2),
        "hevc": make_clip(tmp_path / "hevc.mp4", 640, 480, seconds=2, codec="hevc"),
        "sound": make_clip(tmp_path / "sound.mp4", seconds=2, audio_only=True),
    }
    with start_rtsp(clips, auth={"locked": ("op", "s3cret")}) as server, silent_listener() as silent:
        shown = {
            server.urls["locked"]: ("The camera refused user name or password (401)", "Check user and password"),
            server.urls["sound"]: ("The stream has no video", "Choose a stream with video"),
            silent: ("The camera sends no frames", "Restart the camera"),
            server.urls["hevc"]: ("H.265 · 640 × 480 · 25 fps", "H.264 shows everywhere"),
        }
        async with seated(browser, stack) as seat:
            await seat.sign_in()
            await seat.go("cameras")
            await seat.page.get_by_role("button", name="Add camera").click()
            for address, (what, mend) in shown.items():
                await seat.page.fill("#f-rtsp_url", address)
                await seat.page.locator("dialog").get_by_role("button", name="Test").click()
                await seat.shows(".probe-result strong", what)
                assert mend in await seat.text(".probe-result")
            assert seat.complaints.except_for("502 (Bad Gateway)") == []


async def test_a_file_of_20_mb_is_refused_in_words(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_bytes(b"name,rtsp_url\n" + b"x" * 20 * 1024 * 1024)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        await seat.page.get_by_role("button", name="Import CSV").click()
        await seat.page.set_input_files("#csv-file", file)
        await seat.page.get_by_role("button", name="Try", exact=True).click()
        await seat.shows(".report .form-error", "The file is too large. Divide it, then try again.")
        assert seat.complaints.except_for("413 (") == []


async def test_cameras_from_a_file(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,rtsp_url\nGate One,rtsp://127.0.0.1:9/one\nGate Two,ftp://127.0.0.1/two\n")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        await seat.page.get_by_role("button", name="Import CSV").click()
        await seat.page.set_input_files("#csv-file", file)
        await seat.page.select_option("#csv-mode", "valid")
        await seat.page.get_by_role("button", name="Try", exact=True).click()
        await seat.shows(".report strong", "1 cameras would be added and 0 changed from 2 lines; 1 lines are wrong.")
        assert (await seat.text(".report tbody tr")).split("\t")[:2] == ["3", "rtsp_url"]
        await seat.page.uncheck("#csv-dry")
        await seat.page.select_option("#csv-mode", "all")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report strong", "0 cameras added and 0 changed from 2 lines; 1 lines are wrong.")
        await seat.page.select_option("#csv-mode", "valid")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report strong", "1 cameras added and 0 changed from 2 lines; 1 lines are wrong.")
        await seat.page.locator(".actions").get_by_role("button", name="Close").click()
        await seat.has(".camera-table tbody tr", 1)
        assert seat.complaints.except_for(BAD_INPUT) == []


async def test_a_viewer_looks_and_changes_nothing(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_user("vera", "viewer")
    async with seated(browser, stack) as seat:
        await seat.sign_in("vera")
        await seat.go("cameras")
        await seat.has(".camera-table tbody tr", 1)
        # How it fares may be read by everybody.
        assert await seat.page.locator("main button").all_inner_texts() == ["Health"]
        await seat.page.goto(f"{stack.url}/#/cameras?add=1")
        await seat.has(".camera-table tbody tr", 1)
        assert await seat.page.locator("dialog").count() == 0
        assert seat.complaints.found == []
