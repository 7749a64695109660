"""What those see who see plates masked: never a plate in a text or a picture, until one is revealed with a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from functions.auth import handler as auth
from functions.post_processing import snapshots
from functions.search import blurred, handler
from functions.shared.access import Role
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import new_id
from functions.shared.inference import Box
from functions.shared.tables import AuditRow, PassageObservation
from tests.functions.search.conftest import NOON, PASSWORD, URL, add, detection
from tests.functions.serving import Served, serve

WIDTH, HEIGHT = 1920, 1080
VEHICLE, PLATE = (600.0, 300.0, 1400.0, 900.0), (900.0, 750.0, 1100.0, 810.0)


def frame(*plates: tuple[float, float, float, float]) -> np.ndarray[Any, Any]:
    """A grey street whose plates are black and white in turn, pixel by pixel: what is left of one is seen at once."""
    image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for x1, y1, x2, y2 in plates:
        part = image[int(y1) : int(y2), int(x1) : int(x2)]
        part[:, ::8], part[:, 4::8] = 255, 0
    return image


def contrast(jpeg: bytes) -> float:
    """The greatest step between neighbours: a plate's text makes one of more than a hundred."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return float(np.abs(np.diff(image.astype(int), axis=1)).max())


def picture(image: np.ndarray[Any, Any], box: tuple[float, float, float, float]) -> bytes:
    x1, y1, x2, y2 = box
    cut = snapshots.crop(image.astype(np.uint8), Box(x1=x1, y1=y1, x2=x2, y2=y2), snapshots.MARGIN)
    return snapshots.encode(snapshots.shrunk(cut), snapshots.VEHICLE_QUALITY)


def test_the_picture_is_cut_as_the_reader_cuts_it() -> None:
    assert (blurred.MARGIN, blurred.LONGEST_SIDE) == (snapshots.MARGIN, snapshots.LONGEST_SIDE)


@pytest.mark.parametrize(
    ("vehicle", "plate"),
    [
        (VEHICLE, PLATE),
        # At the frame's edges, which cut the picture; and so large that it was shrunk.
        ((0.0, 200.0, 500.0, 700.0), (10.0, 600.0, 150.0, 650.0)),
        ((1500.0, 600.0, 1920.0, 1080.0), (1700.0, 1000.0, 1850.0, 1050.0)),
        ((50.0, 20.0, 1900.0, 1070.0), (800.0, 900.0, 1100.0, 1000.0)),
        # A plate without a vehicle around it.
        (PLATE, PLATE),
    ],
)
def test_nothing_of_a_plate_is_left(vehicle: Any, plate: Any) -> None:
    jpeg = picture(frame(plate), vehicle)
    assert contrast(jpeg) > 100
    assert contrast(blurred.without_plates(jpeg, vehicle, plate, [])) < 40


def test_the_neighbours_plate_goes_too_and_the_rest_stays() -> None:
    other = (620.0, 400.0, 760.0, 440.0)
    jpeg = picture(frame(PLATE, other), VEHICLE)
    assert contrast(blurred.without_plates(jpeg, VEHICLE, PLATE, [])) > 100
    shown = blurred.without_plates(jpeg, VEHICLE, PLATE, [other, (0.0, 0.0, 5.0, 5.0)])
    assert contrast(shown) < 40
    before, after = (cv2.imdecode(np.frombuffer(each, np.uint8), 1) for each in (jpeg, shown))
    assert before is not None
    assert after is not None
    assert before.shape == after.shape
    assert np.abs(before[:60].astype(int) - after[:60]).max() < 12


def test_where_no_plate_was_found_all_of_it_is_coarse() -> None:
    jpeg = picture(frame(PLATE), VEHICLE)
    assert contrast(blurred.without_plates(jpeg, VEHICLE, None, [])) < 40
    assert contrast(blurred.without_plates(jpeg, None, None, [])) < 40


@pytest.fixture
async def masked(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Served]:
    settings = FunctionSettings(
        data_dir=tmp_path / "data", database_url=sqlite_url, nats_url="nats://127.0.0.1:9", database_wait_s=0.0,
        admin_password=SecretStr(PASSWORD), mask_plates_for=(Role.VIEWER,),
    )  # fmt: skip
    async with serve(
        "search", [auth.router, handler.router], settings, startup=auth.startup, workers=handler.workers
    ) as made:
        admin = await made.login("admin", PASSWORD)
        body = {"username": "vera", "password": PASSWORD, "role": "viewer"}
        assert (await made.client.post("/api/auth/users", json=body, headers=admin)).status_code == 201
        made.client.headers.update(await made.login("vera", PASSWORD))
        yield made


async def passed(context: Context) -> str:
    other = (620.0, 400.0, 760.0, 440.0)
    jpeg = picture(frame(PLATE, other), VEHICLE)
    keys = ("vehicles/2026/05/04/gate/a.jpg", "plates/2026/05/04/gate/a.jpg")
    for key in keys:
        await context.store.put(key, jpeg)
    row = detection("ABC1D23", snapshot_key=keys[0], plate_snapshot_key=keys[1], box=list(VEHICLE))
    near = detection("XYZ9A99")

    def seen(of: Any, plate: Any, **more: Any) -> PassageObservation:
        return PassageObservation(
            id=new_id(), detection_id=of.id, frame_id="gate:1", captured_at=NOON + timedelta(seconds=1),
            plate=of.plate, plate_box=list(plate), vehicle_box=list(VEHICLE), candidates=[], **more,
        )  # fmt: skip

    await add(context.db, row, near)
    mine = {"snapshot_key": keys[0], "plate_snapshot_key": keys[1]}
    await add(context.db, seen(row, PLATE, **mine), seen(near, other))
    return str(row.id)


async def test_a_masked_role_never_gets_a_plate(masked: Served) -> None:
    row = await passed(masked.context)
    page = await masked.client.get(URL, params={"plate": "ABC1D23"})
    whole = await masked.client.get(f"{URL}/{row}")
    for answer in (page, whole):
        assert "ABC1D23" not in answer.text
        assert "AB*****" in answer.text
        assert "/api/images/" not in answer.text
    item = page.json()["items"][0]
    assert (item["masked"], item["plate_snapshot_url"]) == (True, None)
    assert item["snapshot_url"] == f"/api/detections/{row}/snapshot.jpg"
    shown = await masked.client.get(item["snapshot_url"])
    assert shown.status_code == 200
    # Neither its own plate nor that of the vehicle beside it.
    assert contrast(shown.content) < 40
    refused = await masked.client.get(item["snapshot_url"], params={"kind": "plate"})
    assert refused.status_code == 403
    assert "reveal" in refused.json()["error"]["details"]["mend"]
    assert (await masked.client.get(f"{URL}/{'0' * 32}/snapshot.jpg")).status_code == 404


async def test_a_plate_is_revealed_with_a_reason_that_is_kept(masked: Served) -> None:
    row = await passed(masked.context)
    for body in ({}, {"reason": "  "}, {"reason": "case 1", "more": 1}):
        assert (await masked.client.post(f"{URL}/{row}/reveal", json=body)).status_code == 422, body
    async with masked.context.db.read() as session:
        assert (await session.scalars(select(AuditRow).where(AuditRow.action == "detections.reveal"))).all() == []
    answer = await masked.client.post(f"{URL}/{row}/reveal", json={"reason": "case 9/2026"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["plate"], found["candidates"][0]["text"]) == ("ABC1D23", "ABC1D23")
    picture_of_plate = await masked.client.get(found["plate_snapshot_url"])
    assert contrast(picture_of_plate.content) > 100
    async with masked.context.db.read() as session:
        kept = (await session.scalars(select(AuditRow).where(AuditRow.action == "detections.reveal"))).one()
    assert (kept.actor, kept.subject, kept.reason) == ("vera", "ABC1D23", "case 9/2026")
    assert kept.details["detection_id"] == row
    assert (await masked.client.post(f"{URL}/{'0' * 32}/reveal", json={"reason": "case 9"})).status_code == 404


async def test_a_change_that_is_refused_tells_no_masked_plate(masked: Served) -> None:
    row = await passed(masked.context)
    object.__setattr__(
        masked.context, "settings", masked.context.settings.model_copy(update={"mask_plates_for": (Role.ADMIN,)})
    )
    admin = await masked.login("admin", PASSWORD)
    change = {"plate": "XYZ1A11", "expected_plate": "AAA1A11"}
    refused = await masked.client.patch(f"{URL}/{row}", json=change, headers=admin)
    assert (refused.status_code, refused.json()["error"]["details"]["plate"]) == (409, "AB*****")
    item = {"detection_id": row, "expected_plate": "AAA1A11", "plate": "AAA1A12", "confidence": 0.9}
    again = await masked.client.post(f"{URL}/reread", json={"model": "m", "items": [item]}, headers=admin)
    assert again.json()["items"] == [{"detection_id": row, "outcome": "conflict", "plate": "AB*****"}]


async def test_who_is_not_masked_gets_the_picture_as_it_is(masked: Served) -> None:
    row = await passed(masked.context)
    admin = await masked.login("admin", PASSWORD)
    for kind in ("vehicle", "plate"):
        shown = await masked.client.get(f"{URL}/{row}/snapshot.jpg", params={"kind": kind}, headers=admin)
        assert contrast(shown.content) > 100
