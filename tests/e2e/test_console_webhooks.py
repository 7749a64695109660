"""The console's webhooks in a real headless Chromium: add one, keep its secret, see deliveries, send again."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests.e2e.seat import BAD_INPUT, NAMELESS, seated
from tests.functions.console.stack import Stack, eventually
from tests.support.hooks import HookServer, Received, Reply

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def show(page: Page, name: str) -> None:
    """A picture for people who ask for it: SHOTS=DIR."""
    if folder := os.environ.get("SHOTS"):
        await page.screenshot(path=f"{folder}/{name}.png")


@pytest.mark.parametrize("locale", ["en-US", "pt-BR"])
async def test_an_operator_adds_tests_and_replays_a_webhook(stack: Stack, browser: Browser, locale: str) -> None:
    await stack.add_user("otto", "operator")
    await stack.add_camera("gate-1", "Gate One")
    status = 200

    async def respond(request: Received) -> Reply:
        return Reply(status, b"thank you")

    async with HookServer(respond) as hooks, seated(browser, stack, locale=locale) as seat:
        page = seat.page
        await seat.sign_in("otto")
        await seat.go("webhooks")
        await page.wait_for_selector(".empty h2")
        await page.click(".toolbar .primary")
        await page.fill("#w-name", "Polícia")
        await page.fill("#w-url", "https://10.9.8.7/hook")
        await page.check('input[value="gtv.detection.recorded.v1"]')
        await page.select_option("#w-cameras", "gate-1")
        await page.click("dialog form .primary")
        await seat.shows(".field-error", re.compile("private or reserved" if locale == "en-US" else "rede privada"))
        await show(page, f"form-{locale}")
        await page.fill("#w-url", hooks.url)
        await page.click("dialog form .primary")
        secret = await page.input_value("#w-secret")
        assert secret.startswith("whsec_")
        await show(page, f"secret-{locale}")
        await page.click("dialog .primary")
        await page.wait_for_selector(".webhook-table tbody tr")
        await page.wait_for_selector("dialog", state="detached")
        assert secret not in await page.content()
        seen = await stack.passage("gate-1", "BRA2E19")

        async def arrived() -> bool:
            return len(hooks.received) == 1

        await eventually(arrived)
        (got,) = hooks.received
        body = Verifier(secret).verify(got.body, got.headers)
        assert (body["data"]["id"], body["data"]["plate"]) == (seen.detection_id, "BRA2E19")
        # The receiver breaks: the test says so, and the endpoint's state follows once a delivery fails.
        status = 500
        await page.click(".webhook-actions button >> nth=0")
        await page.wait_for_selector(".toast.bad")
        await stack.passage("gate-1", "BRA2E20")
        await page.wait_for_selector(".webhook-table .state.degraded", timeout=20_000)
        await show(page, f"webhooks-{locale}")
        await page.click(".webhook-actions button >> nth=1")
        await page.wait_for_selector(".webhook-deliveries tbody tr:nth-child(3)")
        assert await page.locator(".webhook-deliveries .state.online").count() == 1
        await show(page, f"deliveries-{locale}")
        assert await page.evaluate(NAMELESS) == []
        status = 200
        await page.click(".webhook-deliveries tr:has(.state.online) button >> nth=0")

        async def sent_again() -> bool:
            return [one.headers["webhook-id"] for one in hooks.received].count(got.headers["webhook-id"]) == 2

        await eventually(sent_again)
        assert [text for text in seat.complaints.found if BAD_INPUT not in text] == []
        assert json.loads(hooks.received[-1].body)["id"] == seen.id


async def test_a_viewer_has_no_webhooks(stack: Stack, browser: Browser) -> None:
    await stack.add_user("vera", "viewer")
    async with seated(browser, stack) as seat:
        await seat.sign_in("vera")
        await seat.has('nav a[href="#/webhooks"]', 0)
