"""Privacy and audit in the console, in a real headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.shared.access import Role
from tests.e2e.seat import NAMELESS, seated
from tests.functions.console.stack import PASSWORD, Stack, running

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_a_hold_a_report_and_an_erasure(stack: Stack, browser: Browser) -> None:
    await stack.passage("gate-1", "ABC1C34")
    async with seated(browser, stack, viewport={"width": 1280, "height": 1600}) as seat:
        await seat.sign_in()
        await seat.go("privacy")
        await seat.shows('tr[data-name="detections"] td:nth-child(2)', "30 days")
        assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.get_by_role("button", name="Edit: Passages").click()
        await seat.page.fill("#p-days", "45")
        await seat.page.fill("#p-reason", "decree 12/2026")
        await seat.page.get_by_role("button", name="Save", exact=True).click()
        await seat.shows('tr[data-name="detections"] td:nth-child(2)', "45 days")
        await seat.page.get_by_role("button", name="Add a hold").click()
        await seat.page.fill("#h-case_number", "IP 77/2026")
        await seat.page.fill("#h-reason", "robbery")
        await seat.page.fill("#h-plate", "abc-1234")
        await seat.page.get_by_role("button", name="Save", exact=True).click()
        await seat.shows(".privacy-part .cell-name strong", "IP 77/2026")
        await seat.page.fill("#subject-plate", "ABC1C34")
        await seat.page.fill("#subject-reason", "request 15/2026")
        await seat.page.get_by_role("button", name="Report", exact=True).click()
        await seat.shows(".privacy-result strong", "ABC1C34 / ABC1234")
        # A hold keeps it, and the page says which.
        await seat.page.get_by_role("button", name="Erase", exact=True).click()
        await seat.page.wait_for_selector(".form-error:has-text('IP 77/2026')")
        await seat.page.get_by_role("button", name="Release: IP 77/2026").click()
        await seat.page.fill("#p-reason", "case closed")
        await seat.page.get_by_role("dialog").get_by_role("button", name="Release").click()
        await seat.page.wait_for_selector("text=Nothing is held.")
        await seat.page.get_by_role("button", name="Erase", exact=True).click()
        await seat.page.get_by_role("dialog").get_by_role("button", name="Erase").click()
        await seat.shows(".privacy-result p", "ABC1C34 / ABC1234 was erased.")
        await seat.page.get_by_role("button", name="Count what is due").click()
        await seat.shows("dialog h2", "What would go")
        await seat.page.keyboard.press("Escape")
        await seat.go("live")
        await seat.go("search")
        await seat.shows(".empty h2", "Nothing found")
        assert seat.complaints.except_for("409 (Conflict)") == []


async def test_the_log_is_read_and_proven(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack, locale="pt-BR") as seat:
        await seat.sign_in()
        await seat.go("privacy")
        await seat.page.get_by_role("link", name="Auditoria").click()
        await seat.page.get_by_role("button", name="Verificar").click()
        await seat.page.wait_for_selector(".audit-proof.good")
        assert "O registro está íntegro" in await seat.text(".audit-proof")
        await seat.page.fill("#a-action", "audit.*")
        await seat.page.get_by_role("button", name="Mostrar").click()
        await seat.page.wait_for_selector("tr[data-seq] code:has-text('audit.verify')")
        assert await seat.page.evaluate(NAMELESS) == []
        assert seat.complaints.found == []


async def test_who_may_not_does_not_see_it(stack: Stack, browser: Browser) -> None:
    async with await stack.client() as client:
        body = {"username": "vera", "password": PASSWORD, "role": "viewer"}
        assert (await client.post("/api/auth/users", json=body)).status_code == 201
    async with seated(browser, stack) as seat:
        await seat.sign_in("vera")
        await seat.has('nav a[href="#/privacy"]', 0)
        assert seat.complaints.found == []


async def test_a_masked_plate_is_revealed_with_a_reason(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path, mask_plates_for=(Role.ADMIN,)) as stack:
        await stack.passage("gate-1", "ABC1D23")
        async with seated(browser, stack) as seat:
            await seat.sign_in()
            await seat.shows(".card .plate-text", "AB*****")
            await seat.page.click(".card-open")
            await seat.page.fill("#reveal-reason", "case 9/2026")
            await seat.page.get_by_role("button", name="Reveal the plate").click()
            await seat.shows("dialog .detail-plate .plate-text", "ABC1D23")
            await seat.has("dialog .crop img", 1)
            assert seat.complaints.found == []
