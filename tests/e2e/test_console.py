"""The console in a real headless Chromium: what an operator does, and that the browser has nothing to complain of."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from functions.shared.contracts import CameraState, CameraStatusChanged, FrameMeta, frame_id, now
from tests.functions.console.stack import PASSWORD, Stack, picture, running
from tests.support.chromium import Complaints, chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
XSS = '<img src=x onerror="document.title=1">Praça & "7"'
# Inputs, buttons and links that no reader aloud could name.
NAMELESS = """[...document.querySelectorAll('input, select, textarea, button, a, summary')]
    .filter(one => one.checkVisibility())
    .filter(one => !(one.getAttribute('aria-label') || one.textContent.trim() || [...(one.labels ?? [])]
        .map(label => label.textContent.trim()).join('')) || (one.matches('select') && !one.labels.length))
    .map(one => one.outerHTML.slice(0, 120))"""
# What a browser writes by itself for an answer that the test provokes.
REFUSED, BAD_INPUT, GONE = "401 (Unauthorized)", "422 (", "ERR_"


@pytest_asyncio.fixture(loop_scope="module")
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running(tmp_path) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@dataclass
class Seat:
    """A reader at the page: clicks, and what the browser complained about."""

    page: Page
    complaints: Complaints

    async def sign_in(self, username: str = "admin") -> None:
        await self.page.fill("#username", username)
        await self.page.fill("#password", PASSWORD)
        await self.page.click("form button[type=submit]")
        await self.page.wait_for_selector(".signal.live")

    async def go(self, name: str) -> None:
        await self.page.click(f'nav a[href="#/{name}"]')

    async def text(self, selector: str) -> str:
        return (await self.page.inner_text(selector)).strip()

    async def shows(self, selector: str, text: str | re.Pattern[str]) -> None:
        from playwright.async_api import expect

        await expect(self.page.locator(selector).first).to_have_text(text, use_inner_text=True, timeout=15_000)

    async def pictured(self, selector: str, width: int) -> None:
        """The picture at `selector` has come and has this width, px."""
        from playwright.async_api import expect

        await expect(self.page.locator(selector).first).to_have_js_property("naturalWidth", width, timeout=15_000)

    async def has(self, selector: str, count: int) -> None:
        from playwright.async_api import expect

        await expect(self.page.locator(selector)).to_have_count(count, timeout=15_000)


@asynccontextmanager
async def seated(browser: Browser, stack: Stack, **options: Any) -> AsyncIterator[Seat]:
    context = await browser.new_context(
        **{"viewport": {"width": 1280, "height": 720}, "locale": "en-US", "timezone_id": "America/Sao_Paulo", **options}
    )
    page = await context.new_page()
    seat = Seat(page, Complaints(page))
    await page.goto(stack.url)
    await page.wait_for_selector("#username")
    try:
        yield seat
    finally:
        await context.close()


async def test_signing_in_wrong_then_right_then_out(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack) as seat:
        await seat.page.fill("#username", "admin")
        await seat.page.fill("#password", "not-the-password-1")
        await seat.page.click("form button[type=submit]")
        await seat.shows(".form-error", "User name or password is wrong.")
        await seat.sign_in()
        assert await seat.page.title() == "Live · GT-Vision"
        # The cookies are not for scripts, and nothing secret is kept where scripts read.
        assert await seat.page.evaluate("document.cookie") == ""
        kept = await seat.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert "eyJ" not in kept
        await seat.page.reload()
        await seat.page.wait_for_selector(".signal.live")
        await seat.page.click(".account")
        await seat.page.get_by_role("button", name="Sign out").click()
        await seat.page.wait_for_selector("#username")
        await seat.page.reload()
        await seat.page.wait_for_selector("#username")
        assert seat.complaints.except_for(REFUSED) == []


async def test_the_keyboard_is_enough(stack: Stack, browser: Browser) -> None:
    await stack.passage("gate-1", "ABC1D23")
    async with seated(browser, stack) as seat:
        keys = seat.page.keyboard
        await keys.type("admin")
        await keys.press("Tab")
        await keys.type(PASSWORD)
        await keys.press("Enter")
        await seat.page.wait_for_selector(".card")
        # From the top: the skip link, then the pages.
        await keys.press("Tab")
        assert await seat.page.evaluate("document.activeElement.className") == "skip"
        await seat.page.locator(".card-open").focus()
        await keys.press("Enter")
        await seat.page.wait_for_selector("dialog[open] .detail-facts")
        await keys.press("Escape")
        await seat.has("dialog", 0)
        await seat.page.locator(".account").focus()
        await keys.press("Enter")
        assert await seat.page.locator("#account-menu").is_visible()
        await keys.press("Escape")
        assert not await seat.page.locator("#account-menu").is_visible()
        assert "account" in await seat.page.evaluate("document.activeElement.className")
        assert seat.complaints.found == []


async def test_a_passage_appears_by_itself_and_is_changed_in_its_place(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.shows(".empty h2", "Nothing has passed yet")
        seen = await stack.passage("gate-1", "ABC1D28", final=False, uncertain=True, plate_confidence=0.41)
        card = f'.card[data-id="{seen.detection_id}"]'
        await seat.shows(f"{card} .card-mark", "reading…")
        await seat.shows(f"{card} .card-camera", "Gate One")
        await seat.shows(f"{card} .confidence", "41%")
        await seat.pictured(f"{card} .shot img", 320)
        await stack.passage("gate-1", "ABC1234", detection_id=seen.detection_id, plate_format="br_old")
        await seat.shows(f"{card} .plate-text", "ABC-1234")
        await seat.shows(f"{card} .card-mark", "")
        await seat.has(".card", 1)
        assert await seat.page.locator(f"{card} .plate-br_old").count() == 1
        newer = await stack.passage("gate-1", "BRA2E19")
        await seat.has(".card", 2)
        assert await seat.page.locator(".card").first.get_attribute("data-id") == newer.detection_id
        assert await seat.page.locator(".card .plate-band").count() == 1
        await seat.shows("#announcer", re.compile("^Plate BRA2E19, Gate One"))
        # A preview that nothing followed for minutes is not being read any more.
        left = await stack.passage("gate-1", "OLD1A11", final=False, ago=timedelta(minutes=5))
        await seat.shows(f'.card[data-id="{left.detection_id}"] .plate-text', "OLD1A11")
        await seat.shows(f'.card[data-id="{left.detection_id}"] .card-mark', "")
        assert seat.complaints.found == []


async def test_pause_and_filter(stack: Stack, browser: Browser) -> None:
    for number in (1, 2):
        await stack.add_camera(f"gate-{number}", f"Gate {number}")
    await stack.passage("gate-1", "AAA1A11")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.has(".card", 1)
        pause = seat.page.locator(".toolbar button")
        await pause.click()
        await stack.passage("gate-2", "BBB2B22")
        await seat.shows(".toolbar button", "Go on (1 new)")
        await seat.has(".card", 1)
        await pause.click()
        await seat.has(".card", 2)
        await seat.page.select_option("#live-camera", "gate-2")
        await seat.shows(".card .plate-text", "BBB2B22")
        await seat.has(".card", 1)
        assert seat.complaints.found == []


async def test_a_name_that_looks_like_markup_stays_text(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", XSS, location="<script>document.title=2</script>")
    await stack.report("gate-1", CameraState.OFFLINE, reason="<b>bold</b>", reason_code="")
    await stack.passage("gate-1", "ABC1D23", vehicle_type="<i>x</i>")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.shows(".card .card-camera", XSS)
        await seat.shows(".card .card-kind", "<i>x</i>")
        await seat.shows(".problem-name", XSS)
        await seat.go("search")
        await seat.shows(".results td[data-camera]", XSS)
        await seat.page.click(".results tbody tr")
        await seat.page.wait_for_selector("dialog .facts")
        assert XSS in await seat.text("dialog .facts")
        await seat.page.keyboard.press("Escape")
        await seat.go("cameras")
        await seat.shows(".cell-name strong", XSS)
        await seat.shows(".why", "<b>bold</b>")
        assert await seat.page.title() == "Cameras · GT-Vision"
        assert seat.complaints.found == []


async def test_search(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_camera("gate-2", "Gate Two")
    for number in range(60):
        await stack.passage(f"gate-{number % 2 + 1}", f"ABC{number:02}99", ago=timedelta(minutes=number))
    await stack.passage("gate-1", "XYZ7K89", ago=timedelta(days=3))
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.has(".results tbody tr", 50)
        await seat.page.get_by_role("button", name="Load more").click()
        await seat.has(".results tbody tr", 61)
        await seat.page.fill("#plate", "xyz-7k89")
        await seat.page.keyboard.press("Enter")
        await seat.has(".results tbody tr", 1)
        await seat.shows(".results .plate-text", "XYZ7K89")
        await seat.shows(".result-count", "1 passage")
        await seat.page.select_option("#match", "wildcard")
        await seat.page.fill("#plate", "?BC1*99")
        await seat.page.keyboard.press("Enter")
        await seat.has(".results tbody tr", 10)
        await seat.page.click("#camera_id")
        await seat.page.get_by_role("checkbox", name="Gate Two").check()
        await seat.page.get_by_role("button", name="Search", exact=True).click()
        await seat.has(".results tbody tr", 5)
        # The question stands in the address: it outlives the page.
        await seat.page.reload()
        await seat.has(".results tbody tr", 5)
        assert seat.complaints.found == []


async def test_a_search_that_cannot_be_is_said_at_its_field(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.page.fill("#from", "2026-11-22T10:00")
        await seat.page.fill("#to", "2026-11-21T10:00")
        await seat.page.click(".search-form .primary")
        await seat.page.wait_for_selector(".field-error")
        assert await seat.page.get_attribute("#from", "aria-invalid") == "true"
        note = await seat.page.get_attribute("#from", "aria-describedby")
        assert await seat.text(f"#{note}") == "From lies after To."
        await seat.page.fill("#to", "")
        await seat.page.click(".search-form .primary")
        await seat.has(".field-error", 0)
        await seat.shows(".empty h2", "Nothing found")
        assert seat.complaints.except_for(BAD_INPUT) == []


async def test_details_of_a_passage(stack: Stack, browser: Browser) -> None:
    await stack.passage(
        "gate-1", "ABC1D23", candidates=[{"text": "ABC1D23", "confidence": 0.9}, {"text": "ABC1O23", "confidence": 0.2}]
    )
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with seated(browser, stack, **options) as seat:
        await seat.sign_in()
        await seat.page.click(".card-open")
        await seat.page.wait_for_selector("dialog .facts")
        assert "ABC1O23" in await seat.text("dialog")
        for selector, width in (("dialog .shot img", 320), ("dialog .crop img", 120)):
            await seat.pictured(selector, width)
        await seat.page.get_by_role("button", name="Copy plate").click()
        await seat.shows(".toast", "ABC1D23 copied.")
        assert await seat.page.evaluate("navigator.clipboard.readText()") == "ABC1D23"
        await seat.page.get_by_role("button", name="All passages of this plate").click()
        await seat.has("dialog", 0)
        await seat.has(".results tbody tr", 1)
        assert await seat.page.input_value("#plate") == "ABC1D23"
        assert seat.complaints.found == []


async def test_cameras_show_their_state_and_follow_it(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await stack.add_camera("gate-2", "Gate Two")
    facts = {"codec": "h264", "width": 1920, "height": 1080, "fps": 25.0, "decode": "keyframes"}
    await stack.report("gate-1", CameraState.ONLINE, last_frame_at=now(), keyframe_interval_s=1.0, **facts)
    await stack.report("gate-2", CameraState.OFFLINE, reason_code="unauthorized", reason="refused")
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
        await seat.shows('[data-id="gate-1"] .state', "Online")
        row = await seat.text('[data-id="gate-1"]')
        for words in ("H.264", "25 fps", "1920 × 1080", "keyframes alone (one each 1 s)"):
            assert words in row
        await seat.pictured('[data-id="gate-1"] .shot img', 64)
        status = await stack.report("gate-2", CameraState.ONLINE)
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
        await seat.shows(".report strong", "1 cameras would be added from 2 lines; 1 lines are wrong.")
        assert (await seat.text(".report tbody tr")).split("\t")[:2] == ["3", "rtsp_url"]
        await seat.page.uncheck("#csv-dry")
        await seat.page.select_option("#csv-mode", "all")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report strong", "0 cameras added from 2 lines; 1 lines are wrong.")
        await seat.page.select_option("#csv-mode", "valid")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report strong", "1 cameras added from 2 lines; 1 lines are wrong.")
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
        assert await seat.page.locator("main button").count() == 0
        await seat.page.goto(f"{stack.url}/#/cameras?add=1")
        await seat.has(".camera-table tbody tr", 1)
        assert await seat.page.locator("dialog").count() == 0
        assert seat.complaints.found == []


async def test_the_language_is_the_browsers_and_can_be_chosen(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack, locale="pt-BR") as seat:
        assert await seat.text("form button") == "Entrar"
        await seat.sign_in()
        assert await seat.page.get_attribute("html", "lang") == "pt-BR"
        await seat.shows(".signal", "Ao vivo")
        await seat.page.click(".account")
        await seat.page.get_by_role("button", name="English").click()
        await seat.shows(".signal", "Live")
        await seat.page.reload()
        await seat.shows(".nav-link[aria-current]", "Live")
        assert await seat.page.get_attribute("html", "lang") == "en"
        assert seat.complaints.found == []
    async with seated(browser, stack, locale="de-DE") as seat:
        assert await seat.text("form button") == "Sign in"


async def test_a_password_is_changed(stack: Stack, browser: Browser) -> None:
    await stack.add_user("ana", "viewer")
    async with seated(browser, stack) as seat:
        await seat.sign_in("ana")
        await seat.page.click(".account")
        await seat.page.get_by_role("button", name="Change password").click()
        await seat.page.fill("#current_password", PASSWORD)
        await seat.page.fill("#new_password", "another-Long-1-word")
        await seat.page.fill("#repeated", "something-else-12")
        await seat.page.locator("dialog .primary").click()
        await seat.shows(".field-error", "The two do not agree.")
        await seat.page.fill("#repeated", "another-Long-1-word")
        await seat.page.locator("dialog .primary").click()
        await seat.shows(".toast", "The password was changed.")
        assert seat.complaints.found == []
    assert await stack.cookies("ana", "another-Long-1-word")


async def test_a_lost_server_is_seen_at_once_and_nothing_is_missed(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await stack.passage("gate-1", "AAA1A11")
        await seat.has(".card", 1)
        stack.nats.kill()
        await seat.page.wait_for_selector(".signal.lost", timeout=40_000)
        assert re.search(r"No connection since .+ What you see is old", await seat.text(".stale-note"))
        assert await seat.page.locator(".cards.stale").count() == 1
        await seat.shows(".banner", re.compile("The message bus"))
        stack.nats.start()
        await seat.page.wait_for_selector(".signal.live", timeout=40_000)
        await seat.page.wait_for_selector(".stale-note", state="hidden")
        await stack.passage("gate-1", "BBB2B22")
        await seat.has(".card", 2)
        assert seat.complaints.except_for("503 (Service Unavailable)", GONE) == []


async def test_a_session_goes_on_past_the_life_of_a_token(tmp_path: Path, browser: Browser) -> None:
    """Access tokens of 30 s: the page renews them ahead, and mends a 401 that comes all the same."""
    async with running(tmp_path, access_ttl_s=30) as stack, seated(browser, stack) as seat:
        await seat.sign_in()
        # As after a night's sleep: the access cookie is gone, the refresh cookie is there.
        await seat.page.context.clear_cookies(name="gtv_access")
        await seat.page.evaluate("localStorage.setItem('gtv.refreshed', JSON.stringify({at: 0, life: 30000}))")
        await seat.go("search")
        await seat.shows(".empty h2", "Nothing found")
        assert any(cookie["name"] == "gtv_access" for cookie in await seat.page.context.cookies())
        await seat.page.context.clear_cookies()
        await seat.page.evaluate("localStorage.setItem('gtv.refreshed', JSON.stringify({at: 0, life: 30000}))")
        await seat.go("live")
        await seat.go("cameras")
        await seat.page.wait_for_selector("#username", timeout=30_000)
        assert seat.complaints.except_for(REFUSED) == []


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (320, 640)])
async def test_nothing_is_cut_off_sideways(stack: Stack, browser: Browser, size: tuple[int, int]) -> None:
    await stack.add_camera("gate-1", "A camera with a name that is rather long, as they are in a city")
    await stack.report("gate-1", CameraState.OFFLINE, reason_code="unauthorized", last_frame_at=now())
    await stack.passage("gate-1", "ABC1D23", uncertain=True)
    viewport = {"width": size[0], "height": size[1]}
    async with seated(browser, stack, viewport=viewport, locale="pt-BR") as seat:
        await seat.sign_in()
        for name, there in (("live", ".card"), ("search", ".results tbody tr"), ("cameras", ".camera-table tbody tr")):
            await seat.go(name)
            await seat.page.wait_for_selector(there)
            wide = await seat.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], name
            assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.get_by_role("button", name="Adicionar câmera").click()
        await seat.page.click("dialog summary")
        assert await seat.page.evaluate(NAMELESS) == []
        inside = await seat.page.evaluate("(d => d.scrollWidth - d.clientWidth)(document.querySelector('dialog'))")
        assert inside <= 0
        assert seat.complaints.found == []
