"""People and API keys in a real headless Chromium: what an admin does there, and the other way to sign in."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr

from functions.shared.access import Role
from functions.shared.contracts import now
from functions.shared.tables import Group
from tests.e2e.seat import BAD_INPUT, NAMELESS, REFUSED, Seat, seated
from tests.functions.console.stack import PASSWORD, Stack, running
from tests.support.oidc import OidcServer
from tests.support.ports import free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def add_groups(stack: Stack) -> None:
    async with stack.context.db.transaction() as session:
        for one, name in (("north", "Zona Norte"), ("south", "Zona Sul")):
            session.add(Group(id=one, name=name, plate_formats=["br_old"], created_at=now(), updated_at=now()))


def button(seat: Seat, name: str) -> Locator:
    return seat.page.get_by_role("button", name=name, exact=True)


async def test_an_admin_makes_a_user_narrows_it_and_switches_it_off(stack: Stack, browser: Browser) -> None:
    await add_groups(stack)
    async with seated(browser, stack) as seat, seated(browser, stack) as other:
        await seat.sign_in()
        await seat.go("people")
        await seat.shows(".people-table tbody tr .cell-name strong", "admin")
        await button(seat, "Add user").click()
        await seat.page.fill("#p-username", "Carla")
        await seat.page.fill("#p-full", "Carla Souza")
        await seat.page.fill("#p-password", "senha1234567")
        await seat.page.select_option("#p-role", "operator")
        await seat.page.get_by_label("these groups").check()
        await seat.page.get_by_label("Zona Norte").check()
        await button(seat, "Save").click()
        await seat.shows(".field-error", re.compile("^Lower-case letters"))
        await seat.page.fill("#p-username", "carla")
        await button(seat, "Save").click()
        await seat.shows(".field-error", re.compile("^Too easy to guess"))
        await seat.page.fill("#p-password", PASSWORD)
        await button(seat, "Save").click()
        await seat.has("dialog", 0)
        row = 'tr:has-text("carla")'
        await seat.shows(f"{row} td:nth-child(3)", "Zona Norte")
        assert await seat.page.evaluate(NAMELESS) == []
        # Who is signed in sees the change at once: the page is the users' own proof.
        await other.sign_in("carla")
        assert await other.page.locator('nav a[href="#/people"]').count() == 0
        await button(seat, "Edit: carla").click()
        await seat.page.select_option("#p-role", "admin")
        assert await seat.page.get_by_label("these groups").is_disabled()
        await seat.page.select_option("#p-role", "viewer")
        await seat.page.get_by_label("these groups").check()
        await seat.page.get_by_label("Zona Sul").check()
        await button(seat, "Save").click()
        await seat.shows(f"{row} td:nth-child(3)", "Zona Norte, Zona Sul")
        await button(seat, "Sessions: carla").click()
        await seat.has("ul.sessions li[data-id]", 1)
        await seat.page.locator("dialog .actions").get_by_role("button", name="Close").click()
        await button(seat, "Switch off: carla").click()
        await seat.page.locator("dialog").get_by_role("button", name="Switch off").click()
        await seat.shows(f"{row} .badge", "switched off")
        # The open page of theirs is at the sign-in within seconds.
        await other.page.wait_for_selector("#username", timeout=20_000)
        await button(seat, "Let in again: carla").click()
        await seat.shows(f"{row} .badge", "active")
        await other.sign_in("carla")
        assert [one for one in seat.complaints.found if BAD_INPUT not in one] == []


async def test_an_api_key_is_shown_once_and_revoked(stack: Stack, browser: Browser) -> None:
    async with await stack.client() as client:
        body = {"username": "radares", "role": "integrator", "sign_in": "keys"}
        assert (await client.post("/api/auth/users", json=body)).status_code == 201
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.page.goto(f"{stack.url}/#/keys")
        await seat.shows(".empty h2", "No API keys yet")
        await button(seat, "New API key").click()
        await seat.page.fill("#k-name", "Leituras")
        assert await seat.page.locator("#k-user option").first.inner_text() == "radares (integrator)"
        await button(seat, "Make key").click()
        await seat.shows("dialog .form-error:visible", "Choose at least one.")
        await seat.page.get_by_label("read detections").check()
        await button(seat, "Make key").click()
        key = await seat.page.locator("#k-key").input_value()
        assert re.fullmatch(r"gtv_[\w-]{43}", key)
        async with httpx.AsyncClient(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}) as machine:
            assert (await machine.get("/api/detections")).status_code == 200
            assert (await machine.get("/api/cameras")).status_code == 403
            await button(seat, "I have kept it").click()
            await seat.has("dialog", 0)
            await seat.shows(".cell-name code", f"{key[:12]}…")
            assert key not in await seat.page.content()
            assert await seat.page.evaluate(NAMELESS) == []
            await button(seat, "Revoke: Leituras").click()
            await seat.page.locator("dialog").get_by_role("button", name="Revoke").click()
            await seat.shows(".people-table .badge", "revoked")
            assert (await machine.get("/api/detections")).status_code == 401
        assert seat.complaints.found == []


async def test_ones_own_sessions_from_the_account_menu(stack: Stack, browser: Browser) -> None:
    async with seated(browser, stack) as seat, seated(browser, stack) as other:
        await seat.sign_in()
        await other.sign_in()
        await seat.page.click("button.account")
        await button(seat, "Sessions").click()
        await seat.has("ul.sessions li[data-id]", 2)
        await seat.has("ul.sessions .badge.active", 1)
        await button(seat, "Sign out everywhere else").click()
        await seat.has("ul.sessions li[data-id]", 1)
        await other.page.wait_for_selector("#username", timeout=20_000)
        assert await seat.page.locator(".signal.live").count() == 1


async def test_the_button_of_the_sign_in_service(tmp_path: Path, browser: Browser) -> None:
    with OidcServer() as provider:
        port = free_port()
        back = f"http://127.0.0.1:{port}"
        client_id, secret = await asyncio.to_thread(provider.register, f"{back}/api/auth/oidc/callback")
        await asyncio.to_thread(provider.add, "s-1", preferred_username="ana", name="Ana Souza")
        await asyncio.to_thread(provider.add, "s-2", preferred_username="admin")
        given = {
            "oidc_issuer": provider.issuer, "oidc_client_id": client_id, "oidc_client_secret": SecretStr(secret),
            "oidc_name": "Login da Prefeitura", "oidc_default_role": Role.VIEWER,
        }  # fmt: skip
        async with running(tmp_path, port=port, **given) as stack, seated(browser, stack) as seat:
            page = seat.page
            await page.get_by_role("link", name="Login da Prefeitura").click()
            await page.fill("input[name=sub]", "s-2")
            await page.click("button[type=submit] >> nth=0")
            await seat.shows(".form-error", "An account with your name is there already. Ask an administrator.")
            await page.get_by_role("link", name="Login da Prefeitura").click()
            await page.fill("input[name=sub]", "s-1")
            await page.click("button[type=submit] >> nth=0")
            await page.wait_for_selector(".signal.live")
            await seat.shows(".account-name", "ana")
            await page.click("button.account")
            assert await page.get_by_role("button", name="Change password").count() == 0
            # The session is one like any other: it outlives a reload, and ends with the sign-out.
            await page.reload()
            await page.wait_for_selector(".signal.live")
            await page.click("button.account")
            await page.get_by_role("button", name="Sign out").click()
            await page.wait_for_selector("#username")
            # What the provider's own page asks of the world is not ours.
            assert [one for one in seat.complaints.except_for(REFUSED) if back in one] == []
