"""The console in a real headless Chromium: signing in, what passes, search; nothing for the browser to complain of."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from functions.shared.contracts import CameraState, now
from tests.e2e.seat import BAD_INPUT, GONE, NAMELESS, REFUSED, seated
from tests.functions.console.stack import PASSWORD, Stack, running

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
XSS = '<img src=x onerror="document.title=1">Praça & "7"'


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
    later = now() + timedelta(minutes=5)
    await stack.report("gate-1", CameraState.OFFLINE, reason="<b>bold</b>", reason_code="", updated_at=later)
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
