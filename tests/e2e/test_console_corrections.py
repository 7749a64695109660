"""Plates that people set right in the console, in a real headless Chromium."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from functions.shared.contracts import new_id
from tests.e2e.seat import BAD_INPUT, NAMELESS, seated
from tests.functions.console.stack import Stack

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
# What reaches past the right edge of an element, for the message of a failing test.
STICKING_OUT = """selector => {
  const edge = document.querySelector(selector).getBoundingClientRect().right;
  return [...document.querySelectorAll(`${selector} *`)].filter(one => one.getBoundingClientRect().right > edge)
    .map(one => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`);
}"""
TWO = [{"text": "ABC1D28", "confidence": 0.41}, {"text": "ABC1D23", "confidence": 0.37}]


async def test_a_plate_is_set_right_from_its_candidates(stack: Stack, browser: Browser) -> None:
    await stack.passage("gate-1", "ABC1D28", uncertain=True, plate_confidence=0.41, candidates=TWO)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.shows(".results .mark.uncertain", "uncertain")
        await seat.page.click(".results tbody tr")
        await seat.page.wait_for_selector("dialog .facts")
        await seat.shows("dialog .mark.uncertain", "uncertain")
        assert "41%" in await seat.text("dialog .plain")
        await seat.page.get_by_role("button", name="Use ABC1D23").click()
        assert await seat.page.input_value("#correct-plate") == "ABC1D23"
        assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.fill("#correct-reason", "dirt on the last digit")
        await seat.page.get_by_role("button", name="Save correction").click()
        await seat.shows("dialog .detail-plate .plate-text", "ABC1D23")
        await seat.shows("dialog .mark", "corrected")
        line = await seat.text("dialog .corrections")
        assert line.startswith("Read: ABC1D28, corrected to ABC1D23 by admin, ")
        assert "dirt on the last digit" in line
        assert "ABC1D28" in await seat.text("dialog .facts")
        await seat.page.keyboard.press("Escape")
        # The list behind has followed, and finds it by the mark.
        await seat.shows(".results .plate-text", "ABC1D23")
        await seat.page.select_option("#mark", "corrected")
        await seat.page.click(".search-form .primary")
        await seat.has(".results tbody tr", 1)
        await seat.shows(".results .mark", "corrected")
        await seat.page.select_option("#mark", "uncertain")
        await seat.page.click(".search-form .primary")
        await seat.shows(".empty h2", "Nothing found")
        assert seat.complaints.found == []


async def test_confirmed_and_no_plate(stack: Stack, browser: Browser) -> None:
    await stack.passage("gate-1", "ABC1D23")
    async with seated(browser, stack, locale="pt-BR") as seat:
        await seat.sign_in()
        await seat.page.click(".card-open")
        await seat.page.get_by_text("Corrigir ou conferir").click()
        await seat.page.get_by_role("button", name="Está certa").click()
        await seat.shows(".toast", "ABC1D23 foi conferida.")
        await seat.shows("dialog .mark", "conferida")
        await seat.page.get_by_text("Corrigir ou conferir").click()
        await seat.page.get_by_role("button", name="Não há placa").click()
        await seat.shows("dialog .detail-plate .plate", "sem placa")
        await seat.has("dialog .corrections li", 2)
        assert "Lido: ABC1D23, corrigido para sem placa por admin" in await seat.text("dialog .corrections")
        assert seat.complaints.found == []


async def test_what_is_wrong_or_changed_meanwhile_is_said(stack: Stack, browser: Browser) -> None:
    seen = await stack.passage("gate-1", "ABC1D28")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.page.click(".card-open")
        await seat.page.get_by_text("Correct or confirm").click()
        await seat.page.fill("#correct-plate", "ÇÇÇ")
        await seat.page.get_by_role("button", name="Save correction").click()
        await seat.shows(".field-error", "Only letters A to Z and digits, 10 at the most.")
        async with await stack.client() as other:
            answer = await other.patch(f"/api/detections/{seen.detection_id}", json={"plate": "ABC1D20"})
            assert answer.status_code == 200, answer.text
        await seat.page.fill("#correct-plate", "ABC1D23")
        await seat.page.get_by_role("button", name="Save correction").click()
        await seat.shows(
            "dialog .form-error",
            "The plate was changed meanwhile: it is ABC1D20 now. Close this, look again and repeat it.",
        )
        assert seat.complaints.except_for(BAD_INPUT, "409 (Conflict)") == []


async def test_colour_and_type_without_a_word_on_the_plate(stack: Stack, browser: Browser) -> None:
    seen = await stack.passage("gate-1", "ABC1D23")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.page.click(".card-open")
        await seat.page.get_by_text("Correct or confirm").click()
        await seat.page.select_option("#correct-color", "red")
        await seat.page.select_option("#correct-type", "truck")
        await seat.page.get_by_role("button", name="Save correction").click()
        await seat.shows(".toast", "The passage was changed.")
        facts = await seat.text("dialog .facts")
        assert "red" in facts
        assert "Truck" in facts
        async with await stack.client() as other:
            found = (await other.get(f"/api/detections/{seen.detection_id}")).json()
        assert (found["color"], found["type"], found["corrected"]) == ("red", "truck", False)
        assert seat.complaints.found == []


async def test_the_live_list_follows(stack: Stack, browser: Browser) -> None:
    seen = await stack.passage("gate-1", "ABC1D28")
    gone = await stack.passage("gate-1", "XYZ7K89")
    past = await stack.passage("gate-1", "OLD1A11", ago=timedelta(days=2))
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.has(".card", 3)
        await seat.page.reload()
        await seat.page.wait_for_selector(".signal.live")
        async with await stack.client() as other:
            for row, plate in ((seen, "ABC1D23"), (past, "OLD1A12")):
                answer = await other.patch(f"/api/detections/{row.detection_id}", json={"plate": plate})
                assert answer.status_code == 200, answer.text
        card = f'.card[data-id="{seen.detection_id}"]'
        await seat.shows(f"{card} .plate-text", "ABC1D23")
        await seat.shows(f"{card} .mark", "corrected")
        # Another passage turned out to be part of this one.
        await stack.publish(gone.model_copy(update={"id": new_id(), "final": False, "replaced_by": seen.detection_id}))
        await seat.has(f'.card[data-id="{gone.detection_id}"]', 0)
        # What passed long ago and was not shown does not come up as if it had just passed.
        await stack.publish(past.model_copy(update={"id": new_id(), "detection_id": new_id()}))
        await stack.passage("gate-1", "NEW1A11")
        await seat.has(".card", 3)
        assert seat.complaints.found == []


async def test_a_viewer_sees_and_cannot_correct(stack: Stack, browser: Browser) -> None:
    await stack.add_user("vera", "viewer")
    seen = await stack.passage("gate-1", "ABC1D28", candidates=TWO)
    async with await stack.client() as other:
        await other.patch(f"/api/detections/{seen.detection_id}", json={"plate": "ABC1D23"})
    async with seated(browser, stack) as seat:
        await seat.sign_in("vera")
        await seat.page.click(".card-open")
        await seat.page.wait_for_selector("dialog .facts")
        await seat.shows("dialog .mark", "corrected")
        await seat.has("dialog .corrections li", 1)
        await seat.has("dialog .correct", 0)
        await seat.has("dialog table.plain button", 0)
        assert seat.complaints.found == []


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (320, 640)])
async def test_the_dialog_is_not_cut_off(stack: Stack, browser: Browser, size: tuple[int, int]) -> None:
    await stack.passage("gate-1", "ABC1D28", uncertain=True, candidates=TWO)
    viewport = {"width": size[0], "height": size[1]}
    async with seated(browser, stack, viewport=viewport, locale="pt-BR") as seat:
        await seat.sign_in()
        await seat.go("search")
        await seat.page.click(".results tbody tr")
        await seat.page.get_by_text("Corrigir ou conferir").click()
        for selector in ("html", "dialog"):
            wide = await seat.page.eval_on_selector(selector, "one => one.scrollWidth - one.clientWidth")
            assert wide <= 0, f"{selector}: {await seat.page.evaluate(STICKING_OUT, selector)}"
        assert seat.complaints.found == []
