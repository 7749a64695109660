"""What stands still is one detection however long it stays: parked cars, signs. What left and came back is another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from functions.post_processing.service import FrameService
from functions.shared.config import ReaderSettings
from functions.shared.db import Database
from functions.shared.inference import Observation
from functions.shared.store import FolderStore
from tests.functions.post_processing.conftest import Memory
from tests.functions.post_processing.scenes import Film, GivenClock, ScriptedInference, box, car, plate

Watch = Callable[..., Awaitable[None]]
PARKED = car(50, 150, "ABC1D23")


@pytest.fixture
def watch(service: FrameService, film: Film, clock: GivenClock) -> Watch:
    """`await watch((second, observation...), ...)`: frames read a moment after they were captured, and sweeps."""

    async def given(*frames: Sequence[object], by: FrameService | None = None) -> None:
        reader = by or service
        for second, *observations in frames:
            meta, jpeg = film.frame(second, *observations)  # type: ignore[arg-type]  # seconds, observations
            clock.at = meta.captured_at + timedelta(seconds=0.3)
            await reader.read(meta, jpeg)
            await reader.sweep(idle=True)

    return given


async def test_a_parked_car_seen_by_the_heartbeat_alone(watch: Watch, memory: Memory) -> None:
    await watch((0, PARKED), (1, PARKED), (4, PARKED), *((second, PARKED) for second in range(30, 1800, 30)))
    (found,) = await memory.detections()
    assert found.observation_count == 3 + 59


async def test_the_same_after_a_restart(
    watch: Watch, memory: Memory, reader_settings: ReaderSettings, database_url: str, store: FolderStore,
    inference: ScriptedInference,
    clock: GivenClock,
) -> None:  # fmt: skip
    await watch((0, PARKED), (1, PARKED), (4, PARKED))
    again = Database(database_url)
    later = FrameService(reader_settings, again, store, inference, clock)
    await watch((60, PARKED), (90, PARKED), by=later)
    await again.close()
    assert len(await memory.detections()) == 1


async def test_a_parked_car_behind_one_that_stops_before_it(watch: Watch, memory: Memory) -> None:
    """Hidden for half a minute by a van that waits before it, then seen again."""

    def van(x: float) -> Observation:
        return car(x, 130, "QWE5R66", kind="truck", size=150)

    before = [(second, PARKED) for second in range(6)]
    comes = [(6, PARKED, van(350)), (7, PARKED, van(180))]
    hidden = [(second, van(40)) for second in range(8, 38)]
    goes = [(38, van(200), PARKED), (39, van(400), PARKED)]
    await watch(*before, *comes, *hidden, *goes, (40, PARKED), (41, PARKED))
    found = {row.plate: row.observation_count for row in await memory.detections()}
    assert found == {"ABC1D23": 12, "QWE5R66": 34}


async def test_a_parked_car_that_left_unseen_and_came_back_is_a_new_passage(watch: Watch, memory: Memory) -> None:
    bare: list[tuple[int]] = [(second,) for second in range(5, 60, 5)]
    await watch(*((second, PARKED) for second in range(5)), *bare, (60, PARKED), (61, PARKED))
    assert await memory.plates() == ["ABC1D23", "ABC1D23"]


async def test_a_parked_car_that_drove_off_and_came_back_is_a_new_passage(watch: Watch, memory: Memory) -> None:
    drives = [(5 + step, car(50 + 120 * step, 150 - 10 * step, "ABC1D23")) for step in range(5)]
    back = [(20 - step, car(50 + 120 * step, 150 - 10 * step, "ABC1D23")) for step in (4, 3, 2, 1, 0)]
    await watch(*((second, PARKED) for second in range(5)), *drives, (10,), (11,), (12,), (13,), *back)
    assert await memory.plates() == ["ABC1D23", "ABC1D23"]


async def test_another_car_on_the_same_place_is_another_passage(watch: Watch, memory: Memory) -> None:
    other = car(50, 150, "QWE5R66")
    await watch(*((second, PARKED) for second in range(5)), (40, other), (41, other))
    assert await memory.plates() == ["ABC1D23", "QWE5R66"]


async def test_a_worn_sign_that_reads_otherwise_each_time_is_one(watch: Watch, memory: Memory) -> None:
    texts = ("ALUGA5E", "ALUGASE", "AIUGASE", "ALUGA5F", "ALVGASE", "ALUGASE")

    def sign(text: str) -> Observation:
        read = plate(text, 0.35, box(300, 50, 40, 14)).model_copy(update={"format": None})
        return Observation(vehicle=None, plate=read)

    close = [(second, sign(texts[second])) for second in range(6)]
    beats = [(30 * beat, sign(texts[beat % 6])) for beat in range(1, 20)]
    await watch(*close, *beats)
    assert len(await memory.detections()) == 1
