"""The console shows what is wrong with a camera, what to do, and its last day; a view is accepted by a click."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from functions.shared.contracts import CameraState, new_id, now
from functions.shared.tables import Camera, Detection
from functions.shared.topology import CAMERAS_KV
from tests.e2e.seat import seated
from tests.functions.console.stack import Stack, eventually

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def with_past(stack: Stack) -> None:
    """Eight days with more by day than by night, then a day on which fewer plates are read."""
    top = now().replace(minute=0, second=0, microsecond=0)
    async with stack.context.db.transaction() as session:
        camera = await session.get(Camera, "gate-1")
        assert camera is not None
        camera.created_at = top - timedelta(days=9)
        for back in range(1, 9 * 24):
            at = top - timedelta(hours=back)
            for number in range(5 + 4 * (at.hour // 8)):
                plate = "ABC1D23" if number % 5 and (back > 24 or number < 2) else None
                session.add(
                    Detection(
                        id=new_id(), camera_id="gate-1", started_at=at + timedelta(minutes=number), ended_at=at,
                        final=True, plate=plate, candidates=[], correlation_id="c", created_at=at, updated_at=at,
                    )
                )  # fmt: skip


@pytest.mark.parametrize("language", ["pt-BR", "en"])
async def test_what_is_wrong_is_shown_and_a_view_is_accepted(stack: Stack, browser: Browser, language: str) -> None:
    await stack.add_camera("gate-1", "Gate One")
    await with_past(stack)
    picture = {"brightness": 101.0, "contrast": 40.0, "sharpness": 60.0, "usual_sharpness": 80.0, "view_match": 0.21}
    await stack.report(
        "gate-1", CameraState.DEGRADED, reason_code="moved", reason="r", faults=("moved",), picture=picture
    )
    words = {"pt-BR": ("Saúde", "outra cena", "está certo"), "en": ("Health", "another scene", "is right")}[language]
    async with seated(browser, stack, locale=language, viewport={"width": 1100, "height": 900}) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        await seat.page.get_by_role("button", name=f"{words[0]}: Gate One").click()
        await seat.has(".health-faults li", 2)
        assert words[1] in await seat.text('.health-faults [data-code="moved"]')
        await seat.has('.health-faults [data-code="few_plates"]', 1)
        await seat.has(".health-chart g", 24)
        assert "75" in await seat.text(".health .facts")
        await seat.page.get_by_role("button", name=words[2]).click()

        async def accepted() -> bool:
            value = await (await stack.context.bus()).kv_get(CAMERAS_KV, "gate-1")
            return b'"view_epoch":1' in (value or b"")

        await eventually(accepted)
        assert seat.complaints.found == []
