"""Searching for somebody in the console, in a real headless Chromium: likeness, reasons, blind times, route, files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from functions.shared.contracts import new_id, now
from functions.shared.tables import CameraSpan
from tests.e2e.seat import NAMELESS, seated
from tests.functions.console.stack import Stack, running

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def city(stack: Stack) -> None:
    """Three cameras with places, of which one was down for a while, and a plate that passed them."""
    places = {
        "north": ("Av. Brasil, norte", -23.50, -46.62),
        "south": ("Ponte Sul", -23.56, -46.60),
        "east": ("Leste", -23.53, -46.54),
    }
    for name, (title, latitude, longitude) in places.items():
        await stack.add_camera(name, title, enabled=False, latitude=latitude, longitude=longitude, location="Centro")
    at = now()
    spans = [
        ("north", "online", 300, None),
        ("east", "online", 300, None),
        ("south", "online", 300, 120),
        ("south", "online", 30, None),
    ]
    async with stack.context.db.transaction() as session:
        for name, state, start, end in spans:
            ended = None if end is None else at - timedelta(minutes=end)
            session.add(CameraSpan(
                id=new_id(), camera_id=name, state=state, started_at=at - timedelta(minutes=start), ended_at=ended
            ))  # fmt: skip
    for minutes, name, plate in (
        (55, "north", "ABC1234"), (40, "east", "ABC1C34"), (20, "south", "ABC1234"), (10, "north", "A8C1234"),
        (54, "north", "XYZ9K88"), (39, "east", "XYZ9K88"), (19, "south", "XYZ9K88"), (5, "east", "QRS5T67"),
    ):  # fmt: skip
        await stack.passage(name, plate, ago=timedelta(minutes=minutes))


async def test_a_plate_that_somebody_half_remembers(stack: Stack, browser: Browser) -> None:
    await city(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.has(".results tbody tr", 8)
        await seat.page.fill("#plate", "abc 1234")
        await seat.page.select_option("#match", "fuzzy")
        await seat.page.fill("#reason", "case 77")
        await seat.page.click(".search-form .primary")
        await seat.has(".results tbody tr", 4)
        assert await seat.page.locator(".results .plate-text").all_inner_texts() == [
            "ABC1234", "ABC1C34", "ABC1234", "A8C1234",
        ]  # fmt: skip
        await seat.shows(".results .mark.alike", "96% alike")
        assert "reason" not in seat.page.url, "an address is shared; a reason is the asker's own"
        await seat.page.click(".blind summary")
        assert "Ponte Sul" in await seat.text(".blind ul")
        assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.select_option("#match", "exact")
        await seat.page.uncheck("#twins")
        await seat.page.click(".search-form .primary")
        await seat.has(".results tbody tr", 2)
        async with stack.context.db.read() as session:
            from sqlalchemy import select

            from functions.shared.tables import AuditRow

            asked = select(AuditRow.reason).where(AuditRow.action == "detections.search")
            assert set(await session.scalars(asked)) == {"case 77"}
        assert seat.complaints.found == []


async def test_the_way_of_a_plate_and_its_company(stack: Stack, browser: Browser) -> None:
    await city(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.page.fill("#plate", "ABC1234")
        await seat.page.click(".search-form .primary")
        await seat.has(".results tbody tr", 3)
        await seat.page.get_by_role("link", name="Route").click()
        await seat.has(".route-stop", 3)
        assert await seat.page.locator(".route-place > strong").all_inner_texts() == [
            "Av. Brasil, norte",
            "Leste",
            "Ponte Sul",
        ]
        await seat.has(".route-map .map-stop", 3)
        assert "at least" in await seat.text(".route-gap")
        await seat.page.get_by_role("button", name="Look for companions").click()
        await seat.shows(".companions .plate-text", "XYZ9K88")
        assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.click(".route-stop")
        await seat.page.wait_for_selector("dialog .facts")
        assert seat.complaints.found == []


async def test_files_are_saved(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    await city(stack)
    async with seated(browser, stack, locale="pt-BR") as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.has(".results tbody tr", 8)
        async with seat.page.expect_download() as waiting:
            await seat.page.get_by_role("button", name="Exportar CSV").click()
        saved = await waiting.value
        await saved.save_as(tmp_path / "list.csv")
        assert saved.suggested_filename == "detections.csv"
        assert (tmp_path / "list.csv").read_text().count("ABC1234") == 4
        await seat.shows(".toast", "8 linhas foram salvas.")
        await seat.page.click(".results tbody tr")
        async with seat.page.expect_download() as waiting:
            await seat.page.get_by_role("button", name="PDF com evidências").click()
        saved = await waiting.value
        await saved.save_as(tmp_path / "one.pdf")
        assert "Registro de passagem" in PdfReader(tmp_path / "one.pdf").pages[0].extract_text()
        assert seat.complaints.found == []


async def test_statistics(stack: Stack, browser: Browser) -> None:
    await city(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("stats")
        await seat.shows(".big-number strong", "8")
        assert "Car" in await seat.text(".bars")
        await seat.page.select_option("#by", "camera")
        await seat.page.click(".search-form .primary")
        await seat.shows(".bars th", "Leste")
        await seat.has(".chart-key li", 3)
        assert "America/Sao_Paulo" in await seat.text(".stats")
        assert await seat.page.evaluate(NAMELESS) == []
        assert seat.complaints.found == []


async def test_where_a_reason_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, search_reason="plate") as stack, seated(browser, stack) as seat:
        await stack.passage("gate", "ABC1D23")
        await seat.sign_in()
        await seat.go("search")
        await seat.has(".results tbody tr", 1)
        await seat.page.fill("#plate", "ABC1D23")
        await seat.page.click(".search-form .primary")
        assert await seat.page.evaluate("document.activeElement.id") == "reason", "the browser asks for it"
        await seat.page.fill("#reason", "case 77")
        await seat.page.click(".search-form .primary")
        await seat.shows(".result-count", "1 passage")
        assert seat.complaints.found == []
