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


async def test_a_parked_car_that_frames_miss_for_half_of_each_minute_is_one(watch: Watch, memory: Memory) -> None:
    """Detectors waver over what is far: it is there for 35 s and then not for 25, while frames come each second."""
    await watch(*((second, PARKED) if second % 60 < 35 else (second,) for second in range(300)))
    (found,) = await memory.detections()
    assert found.observation_count == 5 * 35


async def test_a_parked_car_whose_plate_is_not_always_read_is_one(watch: Watch, memory: Memory) -> None:
    mute = car(50, 150)
    await watch(
        *((second, PARKED) for second in range(5)), *((30 * beat, mute) for beat in range(1, 10)), (300, PARKED)
    )
    assert await memory.plates() == ["ABC1D23"]


async def test_a_parked_car_while_no_frames_come_for_long(watch: Watch, memory: Memory) -> None:
    await watch(*((second, PARKED) for second in range(5)), *((2400 + second, PARKED) for second in range(3)))
    assert await memory.plates() == ["ABC1D23"]


def sign(text: str, confidence: float = 0.35, shift: tuple[float, float, float, float] = (0, 0, 0, 0)) -> Observation:
    x, y, wider, higher = shift
    read = plate(text, confidence, box(300 + x, 50 + y, 40 + wider, 14 + higher))
    return Observation(vehicle=None, plate=read.model_copy(update={"format": None}))


# Of another length and meaning each time, in boxes that are some pixels off.
UNLIKE = ("ALUGA5E", "AL0GASE", "AIUGA", "LUGA5F", "4LVGASE", "GA5E77")
WAVERING = ((0, 1, 3, -2), (-2, 0, -3, 1), (1, -1, 0, 2), (3, 2, -2, 0), (-1, -2, 2, 1))


async def test_a_sign_in_wavering_boxes_and_unlike_texts_is_one(watch: Watch, memory: Memory) -> None:
    beats = [*range(6), *range(30, 600, 30)]
    await watch(
        *((second, sign(UNLIKE[number % 6], shift=WAVERING[number % 5])) for number, second in enumerate(beats))
    )
    assert len(await memory.detections()) == 1


@pytest.mark.parametrize("texts", [("ALUGASE",), UNLIKE])
async def test_a_sign_that_frames_miss_for_half_of_each_minute_is_one(
    watch: Watch, memory: Memory, texts: tuple[str, ...]
) -> None:
    shown = [(second, sign(texts[second % len(texts)], shift=WAVERING[second % 5])) for second in range(180)]
    await watch(*(each if each[0] % 60 < 35 else (each[0],) for each in shown))
    assert len(await memory.detections()) == 1


async def test_a_sign_is_known_again_in_the_morning(watch: Watch, memory: Memory) -> None:
    """Too dark to be read for hours, in which frames that show nothing come all the same."""
    night = [(second,) for second in range(60, 36_000, 1800)]
    await watch(*((second, sign("ALUGASE", 0.6)) for second in range(5)), *night, (36_000, sign("ALUGA5E", 0.6)))
    assert len(await memory.detections()) == 1


async def test_another_plate_without_a_vehicle_at_the_same_place_is_another(watch: Watch, memory: Memory) -> None:
    other = [(second, sign("QWE5R66", 0.9)) for second in (40, 41)]
    await watch(*((second, sign("ABC1D23", 0.9)) for second in range(5)), *other)
    assert await memory.plates() == ["ABC1D23", "QWE5R66"]


async def test_a_worn_sign_that_reads_otherwise_each_time_is_one(watch: Watch, memory: Memory) -> None:
    texts = ("ALUGA5E", "ALUGASE", "AIUGASE", "ALUGA5F", "ALVGASE", "ALUGASE")

    close = [(second, sign(texts[second])) for second in range(6)]
    beats = [(30 * beat, sign(texts[beat % 6])) for beat in range(1, 20)]
    await watch(*close, *beats)
    assert len(await memory.detections()) == 1
