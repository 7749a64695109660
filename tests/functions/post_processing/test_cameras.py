"""What the register says of a camera is heeded: zones, formats, the least height, the threshold."""

from __future__ import annotations

from functions.post_processing.cameras import KEPT_S, CameraRules, Cameras
from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.inference import Ask
from functions.shared.tables import Camera, Group
from tests.functions.post_processing.conftest import Memory, Show
from tests.functions.post_processing.scenes import ScriptedInference, car


async def registered(database: Database, **settings: object) -> None:
    at = now()
    async with database.transaction() as session:
        session.add(
            Group(
                id="border", name="Border", plate_formats=["ar_mercosul", "br_mercosul"], created_at=at, updated_at=at
            )
        )
        given = {"id": "gate", "name": "Gate", "url_encrypted": "-", "created_at": at, "updated_at": at, **settings}
        session.add(Camera(**given))


async def test_what_lies_outside_is_not_recorded(show: Show, memory: Memory, database: Database) -> None:
    await registered(
        database, regions=[[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]], ignore_zones=[[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]]
    )
    await show((0, car(50, 100, "ABC1D23"), car(400, 100, "QWE5R66"), car(50, 10, "XYZ9K88", size=60)))
    assert await memory.plates() == ["ABC1D23"]


async def test_formats_of_the_group_and_the_least_height_are_asked_for(
    show: Show, inference: ScriptedInference, database: Database
) -> None:
    await registered(database, group_id="border", min_plate_height=14)
    await show((0, car(50, 100)))
    assert inference.asked == [Ask(formats=("ar_mercosul", "br_mercosul"), min_plate_height=14)]


async def test_a_camera_without_a_known_group_has_the_default_formats(
    show: Show, inference: ScriptedInference, database: Database
) -> None:
    await registered(database, group_id="no-such-group")
    await show((0, car(50, 100)))
    assert inference.asked == [Ask()]


async def test_a_change_is_heeded_after_a_few_seconds(database: Database) -> None:
    seconds = 0.0
    cameras = Cameras(database, lambda: seconds)
    assert await cameras.of("gate") == CameraRules()
    await registered(database, min_confidence=0.9)
    assert (await cameras.of("gate")).threshold is None
    seconds = KEPT_S + 0.1
    assert (await cameras.of("gate")).threshold == 0.9
