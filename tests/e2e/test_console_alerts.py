"""Hotlists and alerts in the console, in a real headless Chromium: from a list to an alert that is seen to."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.seat import NAMELESS, Seat, seated
from tests.functions.console.stack import Stack

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def shot(seat: Seat, name: str) -> None:
    """A picture of the page for whoever wants to see it: GTV is no prefix, since that names settings."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        await seat.page.screenshot(path=str(Path(folder) / f"{name}.png"))


async def make_list(stack: Stack, name: str, *plates: str, **fields: object) -> None:
    async with await stack.client() as client:
        made = (await client.post("/api/hotlists", json={"name": name, **fields})).json()
        for plate in plates:
            answer = await client.post(f"/api/hotlists/{made['id']}/entries", json={"pattern": plate})
            assert answer.status_code == 201, answer.text


async def test_an_alert_comes_by_itself_and_is_acknowledged(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Portão 1")
    await make_list(stack, "Roubados", "ABC1D23", reason="BO 12/2026", priority=90)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.page.wait_for_timeout(700)  # what a process holds of the lists is at the most half a second old
        await stack.passage("gate-1", "ABC1D23")
        await seat.shows(".toast", "Alert: ABC1D23 at Portão 1 (Roubados)")
        await seat.shows("nav .badge", "1")
        await shot(seat, "toast")
        await seat.go("alerts")
        await seat.has(".alert", 1)
        assert "BO 12/2026" in await seat.text(".alert")
        await seat.pictured(".alert .shot img", 320)
        assert await seat.page.evaluate(NAMELESS) == []
        await shot(seat, "alerts-en")
        await seat.page.get_by_role("button", name="Acknowledge").click()
        await seat.page.select_option("#alert-outcome", "confirmed")
        await seat.page.fill("#alert-note", "viatura 12 enviada")
        await shot(seat, "acknowledge-en")
        await seat.page.locator("dialog").get_by_role("button", name="Acknowledge").click()
        await seat.shows(".empty h2", "No such alert")
        await seat.has("nav .badge:visible", 0)
        await seat.page.select_option("#alert-state", "acknowledged")
        await seat.has(".alert.acknowledged", 1)
        assert "by admin" in await seat.text(".alert")
        # The next one comes into the list of open ones by itself.
        await seat.page.select_option("#alert-state", "open")
        await stack.passage("gate-1", "ABC1D23", final=False)
        await seat.has(".alert.open", 1)
        assert seat.complaints.found == []


async def test_a_list_is_made_filled_and_looked_back_with(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    await stack.passage("gate-1", "XYZ9K88", ago=timedelta(days=2))
    file = tmp_path / "list.csv"
    file.write_text("plate,note\nQQQ1A11,BO 1\n*,\n")
    async with seated(browser, stack, locale="pt-BR") as seat:
        await seat.sign_in()
        await seat.go("hotlists")
        await seat.shows(".hotlist-table .cell-name strong", "Placas clonadas")
        await seat.page.get_by_role("button", name="Nova lista").click()
        await seat.page.fill("#hl-name", "Procurados")
        await seat.page.fill("#hl-reason", "Ofício 7")
        await seat.page.fill("#hl-emails", "plantao@city.example")
        form = seat.page.locator("dialog form")
        await form.get_by_role("button", name="Prévia").click()
        await seat.shows(".tried .form-error", "Informe uma placa ou um padrão.")
        await seat.page.fill("#hl-try", "xyz-9k88")
        await form.get_by_role("button", name="Prévia").click()
        await seat.shows(".tried strong", "Teria apanhado 1 passagem em 30 dias.")
        await shot(seat, "hotlist-try-pt")
        await seat.page.check("#hl-day-mon")
        await seat.has(".tried strong", 0)
        assert await seat.page.evaluate(NAMELESS) == []
        await shot(seat, "hotlist-form-pt")
        await seat.page.get_by_role("button", name="Salvar").click()
        await seat.shows(".toast", "Procurados foi salva.")
        await seat.page.get_by_role("button", name="Placas: Procurados").click()
        await seat.page.fill("#he-pattern", "xyz-9k88")
        await seat.page.get_by_role("button", name="Incluir placa").click()
        await seat.shows(".entry-table td", "XYZ9K88")
        await seat.page.get_by_text("Importar CSV").click()
        await seat.page.set_input_files("#he-file", str(file))
        await seat.page.check("#he-good")
        await seat.page.uncheck("#he-dry")
        await seat.page.get_by_role("button", name="Enviar arquivo").click()
        await seat.has(".entry-table tbody tr", 2)
        assert "Linha 3" in await seat.text(".report")
        await shot(seat, "entries-pt")
        await seat.page.keyboard.press("Escape")
        async with await stack.client() as client:
            (made,) = [item for item in (await client.get("/api/hotlists")).json()["items"] if item["entries"]]
            await client.patch(f"/api/hotlists/{made['id']}", json={"hours": []})
        await seat.page.get_by_role("button", name="Prévia: Procurados").click()
        await seat.shows("dialog strong", "Teria apanhado 1 passagem em 30 dias.")
        await shot(seat, "preview-pt")
        await seat.page.keyboard.press("Escape")
        await shot(seat, "hotlists-pt")
        # A rule that is being changed, of a list with plates of its own.
        await seat.page.get_by_role("button", name="Editar: Procurados").click()
        await seat.page.check("#hl-direction-away")
        await seat.page.locator("dialog form").get_by_role("button", name="Prévia").click()
        await seat.shows(".tried strong", "Teria apanhado 0 passagem em 30 dias.")
        await shot(seat, "hotlist-try-rule-pt")
        assert seat.complaints.found == []
