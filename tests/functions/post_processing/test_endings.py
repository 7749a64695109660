"""When a passage ends, and what is told: by a clock that stands until it is set."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from functions.post_processing.looks import Clock, Unseen, is_over
from functions.post_processing.service import FrameService
from functions.shared.contracts import DetectionRecorded
from functions.shared.db import Database
from functions.shared.inference import Observation
from functions.shared.tables import Detection
from tests.functions.post_processing.conftest import Memory, Show
from tests.functions.post_processing.scenes import Film, GivenClock, car

# Drives out of the picture (640 x 360) by its right edge.
LEAVES = ((0, car(300, 100, "ABC1D23")), (1, car(420, 100, "ABC1D23")), (2, car(535, 100, "ABC1D23", size=105)))


async def told(memory: Memory) -> list[DetectionRecorded]:
    return [DetectionRecorded.model_validate_json(row.body) for row in await memory.messages()]


async def test_a_vehicle_that_left_has_passed_with_the_first_frame_without_it(show: Show, memory: Memory) -> None:
    await show(*LEAVES)
    assert [event.final for event in await told(memory)] == [False]
    await show((3,))
    assert [event.final for event in await told(memory)] == [False, True]
    assert len({event.detection_id for event in await told(memory)}) == 1


async def test_a_vehicle_that_left_has_passed_a_second_later_without_a_frame(
    show: Show, memory: Memory, service: FrameService, clock: GivenClock, film: Film
) -> None:
    """Nothing moves once it is gone, so capture sends no frame."""
    clock.at = film.start + timedelta(seconds=2.2)
    await show(*LEAVES)
    clock.at = film.start + timedelta(seconds=2.9)
    assert await service.sweep(idle=True) == 0
    clock.at = film.start + timedelta(seconds=3.05)
    assert await service.sweep(idle=False) == 0, "a frame that waits may still show it"
    assert await service.sweep(idle=True) == 1
    assert [event.final for event in await told(memory)] == [False, True]


@pytest.mark.parametrize(("after", "ended"), [(0.9, False), (1.1, True)])
def test_a_second_after_it_left_is_enough(after: float, ended: bool) -> None:
    last = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
    unseen = Unseen(last, last + timedelta(seconds=0.4), leaving=True)
    assert is_over(unseen, Clock(last + timedelta(seconds=after), last, idle=True), 4.0, 20.0) is ended


@pytest.mark.parametrize(("after", "ended"), [(3.9, False), (4.1, True)])
def test_one_that_vanished_within_the_picture_waits_for_the_gap(after: float, ended: bool) -> None:
    last = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
    unseen = Unseen(last, last, leaving=False)
    clock = Clock(last + timedelta(seconds=after), last + timedelta(seconds=after), idle=True)
    assert is_over(unseen, clock, 4.0, 20.0) is ended


def van(x: float) -> Observation:
    return car(x, 70, "QWE5R66", kind="truck", size=180)


async def test_one_that_drives_away_has_passed_with_the_first_frame_that_misses_it(show: Show, memory: Memory) -> None:
    """Down the road it gets too small to be seen long before it comes to an edge."""
    away = [
        (second, car(300 + 10 * second, 200 - 25 * second, "ABC1D23", size=120 * 0.7**second)) for second in range(5)
    ]
    await show(*away)
    assert [event.final for event in await told(memory)] == [False]
    await show((5,))
    assert [event.final for event in await told(memory)] == [False, True]
    (found,) = await memory.detections()
    assert found.direction == "away"


async def test_a_frame_missed_it_and_a_second_later_none_waits(
    show: Show, memory: Memory, service: FrameService, clock: GivenClock, film: Film
) -> None:
    clock.at = film.start + timedelta(seconds=1.7)
    await show((0, car(300, 150, "ABC1D23")), (1, car(310, 130, "ABC1D23", size=80)), (1.5,))
    clock.at = film.start + timedelta(seconds=1.95)
    assert await service.sweep(idle=True) == 0
    clock.at = film.start + timedelta(seconds=2.05)
    assert await service.sweep(idle=False) == 0, "a frame that waits may still show it"
    assert await service.sweep(idle=True) == 1
    assert [event.final for event in await told(memory)] == [False, True]


async def test_a_busy_neighbour_does_not_keep_a_camera_waiting(
    show: Show, memory: Memory, service: FrameService, clock: GivenClock, film: Film
) -> None:
    clock.at = film.start + timedelta(seconds=2.2)
    await show(*LEAVES)
    clock.at = film.start + timedelta(seconds=3.05)
    asked: list[tuple[str, datetime | None]] = []

    async def busy(camera_id: str, newest: datetime | None) -> bool:
        asked.append((camera_id, newest))
        return False

    async def quiet(_: str, newest: datetime | None) -> bool:
        return newest == film.start + timedelta(seconds=2)

    assert await service.sweep(idle=False, quiet=busy) == 0
    assert asked == [("gate", film.start + timedelta(seconds=2))]
    assert await service.sweep(idle=False, quiet=quiet) == 1


async def test_one_that_another_hides_stays_open(show: Show, memory: Memory) -> None:
    await show(
        (0, car(200, 100, "ABC1D23")), (1, car(240, 100, "ABC1D23"), van(450)), (2, van(230)),
        (3, van(20), car(320, 100, "ABC1D23")),
    )  # fmt: skip
    assert [event.final for event in await told(memory) if event.plate == "ABC1D23"] == [False]
    assert sorted(str(plate) for plate in await memory.plates()) == ["ABC1D23", "QWE5R66"]


async def test_one_that_was_missed_and_goes_on_is_one_and_told_again_at_its_end(show: Show, memory: Memory) -> None:
    await show((0, car(200, 100, "ABC1D23")), (1, car(240, 100, "ABC1D23")), (2,), (3, car(320, 100, "ABC1D23")))
    assert [event.final for event in await told(memory)] == [False, True]
    await show((4,), (5,))
    events = await told(memory)
    assert [(event.final, event.observations) for event in events] == [(False, 1), (True, 2), (True, 3)]
    assert len({event.detection_id for event in events}) == 1


async def test_one_that_stands_is_missed_for_the_gap(
    show: Show, memory: Memory, service: FrameService, clock: GivenClock, film: Film
) -> None:
    await show(*((second, car(200, 100, "ABC1D23")) for second in range(4)), (5,), (6,), (7,))
    assert [event.final for event in await told(memory)] == [False]
    clock.at = film.start + timedelta(seconds=7)
    assert await service.sweep(idle=True) == 0
    await show((7.5,))
    assert await service.sweep(idle=False) == 1
    assert [event.final for event in await told(memory)] == [False, True]


async def test_a_frame_that_comes_late_shows_that_it_had_not_left(show: Show, memory: Memory) -> None:
    """It is one passage all the same, and its true end is told."""
    await show(LEAVES[0], LEAVES[1], (3,), LEAVES[2])
    (found,) = await memory.detections()
    assert (found.observation_count, found.final) == (3, True)
    events = await told(memory)
    assert [event.final for event in events] == [False, True, True]
    assert (events[-1].ended_at, events[-1].snapshot_key) == (found.ended_at, found.snapshot_key)


async def test_a_plate_that_changes_after_the_end_is_told_again(show: Show, memory: Memory) -> None:
    await show(
        (0, car(300, 100, "ABC1D28", 0.5)), (2, car(535, 100, size=105)), (3,), (1, car(420, 100, "ABC1D23", 0.97))
    )
    assert [(event.plate, event.final) for event in await told(memory)] == [
        ("ABC1D28", False), ("ABC1D28", True), ("ABC1D23", True)
    ]  # fmt: skip


async def test_a_mere_guess_is_no_preview(show: Show, memory: Memory) -> None:
    await show((0, car(300, 100, "CON1I11", 0.02)), (1, car(310, 110, "IOI7I18", 0.03)))
    assert await told(memory) == []
    await show((2, car(320, 120, "ABC1D23", 0.9)))
    assert [event.plate for event in await told(memory)] == ["ABC1D23"]


async def test_two_passages_that_a_late_frame_joins_are_told_as_one(show: Show, memory: Memory) -> None:
    """Far apart without the frames between, which come last: the first row's id stays, the other is taken back."""
    way = [(second, car(20 + 100 * second, 60 + 10 * second, "ABC1D23", 0.9)) for second in range(6)]
    await show(way[0], way[5], (4.9,), (4.8,), (4.7,))
    first, second = await memory.detections()
    await show(*way[1:5])
    (found,) = await memory.detections()
    assert (found.id, found.observation_count) == (min(first.id, second.id), 6)
    events = await told(memory)
    (taken_back,) = [event for event in events if event.replaced_by]
    assert (taken_back.detection_id, taken_back.replaced_by) == (max(first.id, second.id), found.id)
    assert not taken_back.final


async def test_what_a_person_corrected_stays_and_the_readers_go_on(
    show: Show, memory: Memory, database: Database
) -> None:
    await show((0, car(300, 100, "ABC1D28", 0.5)))
    async with database.transaction() as session:
        row = await session.get(Detection, (await memory.detections())[0].id)
        assert row is not None
        row.plate, row.plate_reversed, row.corrected, row.color, row.color_confidence = (
            "ABC1D20",
            "02D1CBA",
            True,
            "red",
            None,
        )
    await show((1, car(310, 110, "ABC1D23", 0.97)), (2, car(320, 120, "ABC1D23", 0.97)))
    (found,) = await memory.detections()
    assert (found.plate, found.plate_reversed, found.plate_read, found.corrected) == (
        "ABC1D20",
        "02D1CBA",
        "ABC1D23",
        True,
    )
    assert (found.color, found.uncertain) == ("red", False)
    assert [event.plate for event in await told(memory)] == ["ABC1D28"]
