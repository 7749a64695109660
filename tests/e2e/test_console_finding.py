"""The console finds a device and adds its stream by a click; hours and tags are set; files go out and in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from functions.cameras import repository
from functions.shared.scope import EVERYTHING
from tests.e2e.seat import BAD_INPUT, seated
from tests.functions.console.stack import Stack
from tests.support.onvif import OnvifDevice

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_a_device_is_found_asked_and_added_by_one_click(stack: Stack, browser: Browser) -> None:
    await stack.add_user("otto", "operator")
    with OnvifDevice(host="127.0.0.8", password="geheim/1", clock_offset_s=600) as device:
        async with seated(browser, stack) as seat:
            await seat.sign_in("otto")
            await seat.go("cameras")
            await seat.page.get_by_role("button", name="Find cameras").click()
            await seat.page.fill("#find-ranges", "8.8.8.8")
            await seat.page.uncheck("#find-multicast")
            await seat.page.get_by_role("button", name="Search", exact=True).click()
            await seat.shows(".field-error", "It is on the internet; GTV_CAMERA_NETWORKS has to name it first.")
            await seat.page.fill("#find-user", "op")
            await seat.page.fill("#find-password", "wrong")
            await seat.page.fill("#find-host", f"127.0.0.8:{device.port}")
            await seat.page.press("#find-host", "Enter")
            await seat.page.wait_for_selector(".probe-result.bad", timeout=20_000)
            assert "refused user or password" in await seat.text(".probe-result.bad")
            await seat.page.fill("#find-password", "geheim/1")
            await seat.page.get_by_role("button", name="Show streams: 127.0.0.8").click()
            await seat.page.wait_for_selector(".stream", timeout=20_000)
            await seat.has(".stream", 2)
            await seat.shows(".stream code", "rtsp://127.0.0.8:554/Streaming/Channels/101")
            assert "s off. Set its time server" in await seat.text(".device")
            await seat.page.get_by_role("button", name="Add: mainStream").click()
            await seat.shows(".stream button", "Added")
            await seat.shows('.camera-table [data-id="ov-2m-127-0-0-8"] strong', "OV-2M 127.0.0.8")
            assert [text for text in seat.complaints.found if BAD_INPUT not in text and "502" not in text] == []
    async with stack.context.db.read() as session:
        row = await repository.camera(session, "ov-2m-127-0-0-8", EVERYTHING)
    assert row is not None
    assert (row.vendor, row.model) == ("Olho Vivo", "OV-2M")
    address = stack.context.vault.decrypt(row.url_encrypted)
    assert address == "rtsp://op:geheim%2F1@127.0.0.8:554/Streaming/Channels/101"


async def test_hours_tags_and_place_are_set_and_found(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_camera("gate-2", "Gate Two")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        await seat.page.get_by_role("button", name="Edit: Gate One").click()
        await seat.page.click("text=Place, maker and tags")
        await seat.page.fill("#f-tags", "Bridge, north")
        await seat.page.fill("#f-heading", "270")
        await seat.page.fill("#f-vendor", "Olho Vivo")
        await seat.page.click("text=More settings")
        await seat.page.get_by_role("button", name="Add hours").click()
        await seat.page.fill('.hours input[type="time"] >> nth=0', "22:00")
        await seat.page.fill('.hours input[type="time"] >> nth=1', "22:00")
        await seat.page.get_by_role("button", name="Save").click()
        await seat.page.wait_for_selector(".hours-field .form-error:visible")
        assert "They end when they begin" in await seat.text(".hours-field .form-error")
        await seat.page.fill('.hours input[type="time"] >> nth=1', "06:00")
        await seat.page.check('.hours input[value="sat"]')
        await seat.page.get_by_role("button", name="Save").click()
        await seat.has("dialog", 0)
        await seat.shows('[data-id="gate-1"] .tags', "Bridge\nnorth")
        await seat.page.fill("#camera-q", "olho")
        await seat.has(".camera-table tbody tr", 1)
        # What is stored is shown again, and a change that somebody else made meanwhile is not written over.
        await seat.page.get_by_role("button", name="Edit: Gate One").click()
        assert await seat.page.input_value("#f-tags") == "Bridge, north"
        assert await seat.page.input_value('.hours input[type="time"] >> nth=1') == "06:00"
        async with stack.context.db.transaction() as session:
            row = await repository.camera(session, "gate-1", EVERYTHING)
            assert row is not None
            assert row.schedule == [
                {"days": ["mon", "tue", "wed", "thu", "fri", "sat"], "start": "22:00", "end": "06:00"}
            ]
            assert (row.tags, row.heading) == (["Bridge", "north"], 270)
            row.revision += 1
        await seat.page.get_by_role("button", name="Save").click()
        await seat.page.wait_for_selector("dialog .form-error:visible")
        assert "somebody else has changed it" in await seat.text("dialog .form-error:visible")
        assert [text for text in seat.complaints.found if BAD_INPUT not in text and "409" not in text] == []


async def test_a_file_goes_out_and_its_changes_are_tried_before_they_are_made(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_camera("gate-2", "Gate Two")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        async with seat.page.expect_download() as coming:
            await seat.page.get_by_role("button", name="Export CSV").click()
        file = tmp_path / "cameras.csv"
        await (await coming.value).save_as(file)
        text = file.read_text("utf-8-sig")
        assert text.count("\n") == 3
        file.write_text(text.replace("Gate Two", "Gate 2"), "utf-8-sig")
        await seat.page.get_by_role("button", name="Import CSV").click()
        await seat.page.set_input_files("#csv-file", file)
        await seat.page.check("#csv-upsert")
        await seat.page.get_by_role("button", name="Try").click()
        await seat.shows('[data-line="3"] td:last-child', "changes name")
        await seat.shows('[data-line="2"] td:last-child', "as it is")
        await seat.page.uncheck("#csv-dry")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report strong", "0 cameras added and 1 changed from 2 lines; 0 lines are wrong.")
        await seat.shows('.camera-table [data-id="gate-2"] strong', "Gate 2")
        assert seat.complaints.found == []
