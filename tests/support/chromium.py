"""A real headless Chromium by Playwright, and what it complained about."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.require import require

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

EXECUTABLE = Path("/usr/bin/chromium")
ARGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium_binary() -> str | None:
    return str(EXECUTABLE) if EXECUTABLE.exists() else shutil.which("chromium") or shutil.which("chromium-browser")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser; skips (fails in CI) where Chromium or Playwright is not installed."""
    binary = chromium_binary()
    require(binary, "chromium is not installed (apt-get install chromium)")
    require(find_spec("playwright"), "playwright is not installed (pip install playwright)")
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=binary, args=list(ARGS))
        try:
            yield browser
        finally:
            await browser.close()


class Complaints:
    """Errors of a page's console: script errors, refused by the policy, files that are not there."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def except_for(self, *parts: str) -> list[str]:
        """Those that hold none of `parts`."""
        return [line for line in self.found if not any(part in line for part in parts)]
