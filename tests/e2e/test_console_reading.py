"""What a camera shall read, set in a real headless Chromium: groups with their formats, plate height, areas drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.shared.contracts import CameraState, FrameMeta, frame_id, now
from functions.shared.formats import NAMES
from tests.e2e.seat import BAD_INPUT, NAMELESS, Seat, seated
from tests.functions.console.stack import Stack, eventually, picture

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
DRAWING = ".zones-drawing"
REGION = [[0.1, 0.4], [0.9, 0.4], [0.9, 0.9], [0.1, 0.9]]
WIDTH, HEIGHT = 640, 360


async def seeing(stack: Stack, camera_id: str = "gate-1", **more: Any) -> None:
    """A camera that is online, with a frame of the last seconds; its report does not grow old in a slow test."""
    await stack.add_camera(camera_id, "Gate One", **more)
    at = now()
    later = at + timedelta(minutes=5)
    meta = FrameMeta(
        id=frame_id(camera_id, at), camera_id=camera_id, captured_at=at, sequence=0, width=WIDTH, height=HEIGHT
    )
    await (await stack.context.bus()).publish_frame(meta, picture(WIDTH, HEIGHT, (0, 99, 0)))
    await stack.report(camera_id, CameraState.ONLINE, last_frame_at=later, updated_at=later)


async def group(stack: Stack, group_id: str, name: str, *formats: str) -> None:
    async with await stack.client() as client:
        body = {"id": group_id, "name": name, **({"plate_formats": formats} if formats else {})}
        answer = await client.post("/api/groups", json=body)
        assert answer.status_code == 201, answer.text


async def asked(stack: Stack, path: str) -> Any:
    async with await stack.client() as client:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def edit(seat: Seat, name: str = "Gate One") -> None:
    await seat.go("cameras")
    await seat.page.get_by_role("button", name=f"Edit: {name}").click()
    await seat.page.wait_for_selector(DRAWING)


async def save(seat: Seat) -> None:
    await seat.page.get_by_role("button", name="Save").click()
    await seat.has("dialog", 0)


async def place(seat: Seat, point: Sequence[float]) -> tuple[float, float]:
    """Where a point of the picture is on the page."""
    await seat.page.locator(DRAWING).scroll_into_view_if_needed()
    box = await seat.page.locator(DRAWING).bounding_box()
    assert box is not None
    return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]


async def click(seat: Seat, *points: Sequence[float]) -> None:
    for point in points:
        await seat.page.mouse.click(*await place(seat, point))


def near(found: Any, wanted: Sequence[Sequence[Sequence[float]]]) -> bool:
    """Whether polygons are those that were drawn, but for a pixel of the page."""
    return [len(corners) for corners in found or []] == [len(corners) for corners in wanted] and all(
        abs(one - other) < 0.01
        for corners, drawn in zip(found, wanted, strict=True)
        for corner, point in zip(corners, drawn, strict=True)
        for one, other in zip(corner, point, strict=True)
    )


async def test_an_operator_makes_changes_and_deletes_groups(stack: Stack, browser: Browser) -> None:
    await stack.add_user("otto", "operator")
    async with seated(browser, stack) as seat:
        await seat.sign_in("otto")
        await seat.go("cameras")
        await seat.page.get_by_role("link", name="Groups").click()
        await seat.shows(".empty h2", "No groups yet")
        assert await seat.page.title() == "Camera groups · GT-Vision"
        await seat.page.get_by_role("button", name="Add group").click()
        await seat.page.fill("#g-name", "Fronteira Sul")
        boxes = seat.page.locator(".formats input")
        assert await boxes.count() == len(NAMES)
        for _ in range(2):
            await boxes.first.uncheck()
        await seat.page.get_by_role("button", name="Save").click()
        await seat.shows(".formats-field .form-error", "Choose at least one format.")
        for name in ("Argentina, Mercosul", "Brazil, Mercosul", "Any other text"):
            await seat.page.get_by_role("checkbox", name=re.compile(rf"{name}$")).check()
        await seat.page.get_by_role("button", name="Move up: Brazil, Mercosul").click()
        await save(seat)
        await seat.has(".cell-formats li", 3)
        assert await seat.page.locator(".cell-formats li").all_inner_texts() == [
            "Brazil, Mercosul", "Argentina, Mercosul", "Any other text",
        ]  # fmt: skip
        found = await asked(stack, "/api/groups/fronteira-sul")
        assert found["plate_formats"] == ["br_mercosul", "ar_mercosul", "any"]
        await stack.add_camera("gate-1", "Gate One", group_id="fronteira-sul")
        await seat.page.get_by_role("button", name="Delete: Fronteira Sul").click()
        await seat.page.locator("dialog .danger").click()
        await seat.shows(".toast", "1 camera is in Fronteira Sul: give it another group first.")
        await seat.page.get_by_role("link", name="1 camera").click()
        await seat.shows(".cell-name", re.compile("Group: Fronteira Sul"))
        await edit(seat)
        await seat.shows("#f-group_id + .help", "Brazil, Mercosul · Argentina, Mercosul · Any other text")
        await seat.page.select_option("#f-group_id", "")
        await seat.shows("#f-group_id + .help", "Brazil, old (grey) · Brazil, Mercosul")
        await save(seat)
        await seat.page.get_by_role("link", name="Groups").click()
        await seat.page.get_by_role("button", name="Edit: Fronteira Sul").click()
        await seat.page.fill("#g-name", "Sul")
        await save(seat)
        await seat.shows(".group-table strong", "Sul")
        await seat.page.get_by_role("button", name="Delete: Sul").click()
        await seat.page.locator("dialog .danger").click()
        await seat.shows(".empty h2", "No groups yet")
        assert (await asked(stack, "/api/cameras/gate-1"))["group_id"] is None
        assert seat.complaints.except_for(BAD_INPUT, "409 (") == []


async def test_a_viewer_sees_groups_and_changes_none(stack: Stack, browser: Browser) -> None:
    await group(stack, "norte", "Norte", "uy_mercosul")
    await stack.add_user("vera", "viewer")
    async with seated(browser, stack, locale="pt-BR") as seat:
        await seat.sign_in("vera")
        await seat.page.goto(f"{stack.url}/#/groups")
        await seat.shows(".cell-formats", "Uruguai, Mercosul")
        assert await seat.page.locator("main button").count() == 0
        assert seat.complaints.found == []


async def test_areas_are_drawn_on_the_newest_picture(stack: Stack, browser: Browser) -> None:
    await group(stack, "norte", "Norte")
    await seeing(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await edit(seat)
        await seat.pictured(".zones-picture", WIDTH)
        await click(seat, *REGION, REGION[0])
        await seat.shows(".zones-item", "Region 1")
        await seat.page.get_by_role("button", name="Ignore zones").click()
        # An ignore zone may lie in a region; the edge of the picture is caught.
        await click(seat, [0.3, 0.5], [0.5, 0.5], [0.7, 0.995])
        await seat.page.get_by_role("button", name="Finish area").click()
        await seat.has(".zones-item", 2)
        await seat.page.fill("#f-min_plate_height", "18")
        sample = seat.page.locator(".zones-sample")
        assert [float(await sample.get_attribute(side) or 0) for side in ("height", "width")] == [18, 18 * 400 / 130]
        await seat.page.select_option("#f-group_id", "norte")
        await save(seat)
        kept = await asked(stack, "/api/cameras/gate-1")
        assert near(kept["regions"], [REGION])
        assert near(kept["ignore_zones"], [[[0.3, 0.5], [0.5, 0.5], [0.7, 1]]])
        assert kept["ignore_zones"][0][2][1] == 1
        assert (kept["group_id"], kept["min_plate_height"], kept["revision"]) == ("norte", 18, 2)
        # What was not touched is not sent again.
        await edit(seat)
        await seat.has(".zones-item", 2)
        await save(seat)
        assert (await asked(stack, "/api/cameras/gate-1"))["revision"] == 2
        assert seat.complaints.found == []


async def test_corners_are_dragged_areas_deleted_and_all_of_it_undone(stack: Stack, browser: Browser) -> None:
    await seeing(
        stack, regions=[REGION, [[0, 0], [0.2, 0], [0.2, 0.2]]], ignore_zones=[[[0.4, 0.5], [0.5, 0.5], [0.5, 0.6]]]
    )
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await edit(seat)
        await seat.pictured(".zones-picture", WIDTH)
        await click(seat, [0.7, 0.7])
        await seat.has(".zone-corner", 4)
        await seat.page.mouse.move(*await place(seat, REGION[2]))
        await seat.page.mouse.down()
        await seat.page.mouse.move(*await place(seat, [0.8, 0.8]), steps=4)
        await seat.page.mouse.up()
        await seat.page.get_by_role("button", name="Delete Region 2").click()
        await seat.page.get_by_role("button", name="Delete Ignore zone 1").click()
        await seat.has(".zones-item", 1)
        for _ in range(2):
            await seat.page.get_by_role("button", name="Undo").click()
        await seat.has(".zones-item", 3)
        await seat.page.get_by_role("button", name="Delete Ignore zone 1").click()
        await save(seat)
        kept = await asked(stack, "/api/cameras/gate-1")
        assert near(kept["regions"], [[*REGION[:2], [0.8, 0.8], REGION[3]], [[0, 0], [0.2, 0], [0.2, 0.2]]])
        assert kept["ignore_zones"] is None
        assert seat.complaints.found == []


async def test_areas_are_drawn_with_the_keyboard_alone(stack: Stack, browser: Browser) -> None:
    await seeing(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await edit(seat)
        keys = seat.page.keyboard
        await seat.page.locator(DRAWING).focus()

        async def press(*names: str) -> None:
            for name in names:
                key, _, times = name.partition("*")
                for _ in range(int(times or 1)):
                    await keys.press(key)

        # The aim begins in the middle; Shift goes in larger steps.
        await press("Enter", "Enter", "Shift+ArrowRight*4", "Enter", "Shift+ArrowDown*4", "ArrowDown", "Enter")
        await seat.has(".zone-corner", 3)
        await press("Backspace", "Enter", "Shift+ArrowUp*4", "ArrowUp", "Shift+ArrowLeft*4", "Enter")
        await seat.shows(".zones-item", "Region 1")
        await seat.shows("#announcer", "Region 1 was drawn.")
        # A corner that has the focus is moved, and keeps it.
        await press("Tab", "ArrowLeft*2")
        assert await seat.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Corner 1 of Region 1"
        await seat.page.locator(DRAWING).focus()
        await press("Enter", "Enter")
        await seat.has(".zone.draft", 1)
        await press("Escape")
        await seat.has(".zone.draft", 0)
        await seat.has("dialog", 1)
        await save(seat)
        kept = await asked(stack, "/api/cameras/gate-1")
        assert near(kept["regions"], [[[0.48, 0.5], [0.7, 0.5], [0.7, 0.71]]])
        assert seat.complaints.found == []


async def test_an_area_that_crosses_itself_is_said_and_refused(stack: Stack, browser: Browser) -> None:
    await seeing(stack)
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await edit(seat)
        await click(seat, [0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8], [0.2, 0.2])
        await seat.shows(".zones-note", "Region 1: Its sides cross or touch. Move a corner.")
        await seat.has(".zone.wrong", 1)
        await seat.page.get_by_role("button", name="Save").click()
        await eventually(lambda: refused(seat))
        await seat.shows(".zones-note", "Region 1: Its sides cross or touch. Move a corner.")
        assert (await asked(stack, "/api/cameras/gate-1"))["revision"] == 1
        await seat.page.get_by_role("button", name="Delete Region 1").click()
        await click(seat, [0.2, 0.2], [0.8, 0.8])
        await seat.page.get_by_role("button", name="Save").click()
        await seat.shows(".zones-note", re.compile("fewer than three corners"))
        await seat.has("dialog", 1)
        assert seat.complaints.except_for(BAD_INPUT) == []


async def refused(seat: Seat) -> bool:
    return any(BAD_INPUT in line for line in seat.complaints.found)


async def test_without_a_picture_areas_can_be_drawn_and_a_new_camera_has_none(stack: Stack, browser: Browser) -> None:
    await stack.add_camera("gate-1", "Gate One")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await edit(seat)
        await seat.shows(".zones-note", re.compile("^No picture of the camera at the moment"))
        await click(seat, *REGION, REGION[0])
        await save(seat)
        assert near((await asked(stack, "/api/cameras/gate-1"))["regions"], [REGION])
        await seat.page.get_by_role("button", name="Add camera").click()
        await seat.has(DRAWING, 0)
        assert "save the camera first" in await seat.text("dialog")
        assert seat.complaints.found == []


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (320, 640)])
async def test_nothing_is_cut_off_sideways(stack: Stack, browser: Browser, size: tuple[int, int]) -> None:
    await group(stack, "all", "A group with a name that is rather long, as they are in a city", *NAMES)
    await seeing(stack, group_id="all", regions=[REGION], ignore_zones=[[[0.4, 0.5], [0.5, 0.5], [0.5, 0.6]]] * 16)
    viewport = {"width": size[0], "height": size[1]}
    inside = "(d => d.scrollWidth - d.clientWidth)(document.querySelector('dialog'))"
    async with seated(browser, stack, viewport=viewport, locale="pt-BR", color_scheme="dark") as seat:
        await seat.sign_in()
        await seat.page.goto(f"{stack.url}/#/groups")
        await seat.page.wait_for_selector(".group-table tbody tr")
        assert await seat.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        await seat.page.get_by_role("button", name=re.compile("^Editar: ")).click()
        assert await seat.page.evaluate(inside) <= 0
        assert await seat.page.evaluate(NAMELESS) == []
        await seat.page.keyboard.press("Escape")
        await seat.go("cameras")
        await seat.page.get_by_role("button", name="Editar: Gate One").click()
        await seat.pictured(".zones-picture", WIDTH)
        await seat.has(".zones-item", 17)
        assert await seat.page.evaluate(inside) <= 0
        assert await seat.page.evaluate(NAMELESS) == []
        assert seat.complaints.found == []


async def test_groups_that_a_file_names_are_made_when_asked_for(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,rtsp_url,group_id\nGate One,rtsp://127.0.0.1:9/one,norte\n")
    async with seated(browser, stack) as seat:
        await seat.sign_in()
        await seat.go("cameras")
        await seat.page.get_by_role("button", name="Import CSV").click()
        await seat.page.set_input_files("#csv-file", file)
        await seat.page.get_by_role("button", name="Try", exact=True).click()
        await seat.shows(".report tbody tr", re.compile(r"^2\s+group_id\s+There is no such group\..*$"))
        await seat.page.check("#csv-groups")
        await seat.page.uncheck("#csv-dry")
        await seat.page.get_by_role("button", name="Import", exact=True).click()
        await seat.shows(".report p:nth-of-type(2)", "Groups made: norte")
        assert (await asked(stack, "/api/groups/norte"))["cameras"] == 1
        assert seat.complaints.found == []
