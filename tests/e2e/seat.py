"""Somebody at the console's page: what they click and see, and what their browser complains of."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.functions.console.stack import PASSWORD, Stack
from tests.support.chromium import Complaints

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

# Inputs, buttons and links that no reader aloud could name.
NAMELESS = """[...document.querySelectorAll('input, select, textarea, button, a, summary')]
    .filter(one => one.checkVisibility())
    .filter(one => !(one.getAttribute('aria-label') || one.textContent.trim() || [...(one.labels ?? [])]
        .map(label => label.textContent.trim()).join('')) || (one.matches('select') && !one.labels.length))
    .map(one => one.outerHTML.slice(0, 120))"""
# What a browser writes by itself for an answer that the test provokes.
REFUSED, BAD_INPUT, GONE = "401 (Unauthorized)", "422 (", "ERR_"


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
