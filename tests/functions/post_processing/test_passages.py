"""Which observations become one detection: whole scenes through the service, on both databases."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from functions.post_processing.service import FrameService, Outcome
from functions.post_processing.sightings import MAX_SIGHTINGS
from functions.shared.contracts import now
from functions.shared.errors import Rejected
from functions.shared.inference import Box, Observation, VehicleSighting, VehicleType
from functions.shared.store import FolderStore
from functions.shared.tables import ProcessedFrame
from tests.functions.post_processing.conftest import Memory, Show
from tests.functions.post_processing.scenes import Film, GivenClock, ScriptedInference, box, car, plate


async def test_a_vehicle_that_drives_through_is_one_detection(show: Show, memory: Memory) -> None:
    await show(
        (0, car(50, 20, size=60)),
        (1, car(120, 60, "ABC1D23", 0.6, size=80)),
        (2, car(200, 110, "ABC1D23", 0.95, size=110)),
        (3, car(300, 180, "ABC1D23", 0.9, size=150)),
    )
    (found,) = await memory.detections()
    assert found.plate == "ABC1D23"
    assert found.plate_reversed == "32D1CBA"
    assert found.plate_format == "br_mercosul"
    assert found.vehicle_type == "car"
    assert (found.ended_at - found.started_at).total_seconds() == 3
    assert found.observation_count == 4
    assert not found.uncertain
    assert not found.final
    assert len(await memory.observations()) == 4


async def test_two_cars_side_by_side_stay_two(show: Show, memory: Memory) -> None:
    await show(
        (0, car(50, 50, "ABC1D23"), car(350, 50, "XYZ9K88")),
        (1, car(360, 90, "XYZ9K88"), car(60, 90, "ABC1D23")),
        (2, car(70, 130, "ABC1D23"), car(370, 130, "XYZ9K88")),
    )
    assert sorted(str(text) for text in await memory.plates()) == ["ABC1D23", "XYZ9K88"]
    assert [row.observation_count for row in await memory.detections()] == [3, 3]


async def test_alike_plates_in_one_frame_are_two_vehicles(show: Show, memory: Memory) -> None:
    """Two cars of one fleet: their numbers differ by one."""
    await show(
        (0, car(50, 50, "ABC1D23", 0.95), car(350, 50, "ABC1D24", 0.95)),
        (1, car(60, 80, "ABC1D23", 0.95), car(360, 80, "ABC1D24", 0.95)),
    )
    assert sorted(str(text) for text in await memory.plates()) == ["ABC1D23", "ABC1D24"]


async def test_a_car_behind_another_at_the_same_place_is_another(show: Show, memory: Memory) -> None:
    await show((0, car(50, 50, "ABC1D23")), (1, car(50, 50, "QWE5R66")), (2, car(55, 52, "QWE5R66")))
    assert await memory.plates() == ["ABC1D23", "QWE5R66"]


async def test_misread_frames_are_outvoted(show: Show, memory: Memory) -> None:
    await show(
        (0, car(50, 50, "A8C1O23", 0.55)),
        (1, car(80, 70, "ABC1D23", 0.92)),
        (2, car(110, 90, "ABC1D28", 0.6)),
        (3, car(140, 110, "ABC1D23", 0.9)),
    )
    (found,) = await memory.detections()
    assert found.plate == "ABC1D23"
    assert found.candidates[0]["text"] == "ABC1D23"
    assert {item["text"] for item in found.candidates} >= {"ABC1D28", "A8C1O23"}


async def test_a_wholly_wrong_doubtful_reading_of_a_standing_car_joins_it(show: Show, memory: Memory) -> None:
    await show((0, car(50, 50, "ABC1D23", 0.9)), (1, car(51, 50, "IIJ1F17", 0.32)), (2, car(50, 51, "ABC1D23", 0.9)))
    assert await memory.plates() == ["ABC1D23"]


async def test_a_slip_of_the_reader_on_the_way_joins_it(show: Show, memory: Memory) -> None:
    """Two places wrong, with some doubt, between sure readings of a car that keeps its way."""
    way = (
        ("EKP9O63", 0.93, (359, 80, 54, 38)),
        ("EXP2O63", 0.41, (267, 104, 90, 69)),
        ("EKP9O63", 0.93, (215, 118, 113, 83)),
    )
    await show((0, car(401, 68, size=37)), *((1 + index, _seen("car", *item)) for index, item in enumerate(way)))
    assert await memory.plates() == ["EKP9O63"]


async def test_a_bus_that_leaves_slowly_does_not_stand(show: Show, memory: Memory) -> None:
    """At the edge its boxes of a second apart all but coincide; a little later it comes by again."""
    way = ((138, 17, 158, 99), (69, 11, 212, 134), (43, 9, 233, 147), (3, 6, 265, 167), (0, 4, 262, 190))
    drive = [_seen("bus", "KWA2I49", 0.99, item) for item in way]
    await show(*enumerate(drive))
    await show(*((second,) for second in range(5, 12)))
    await show(*((15 + second, seen) for second, seen in enumerate(drive)))
    assert await memory.plates() == ["KWA2I49", "KWA2I49"]


async def test_what_is_written_on_a_bus_is_neither_another_vehicle_nor_its_plate(show: Show, memory: Memory) -> None:
    """Read at the edge, when the plate is out of the picture. Where it is all that was read it stays, of no format."""
    way = ((521, 1, 118, 110), (383, 1, 257, 170), (215, 3, 418, 237), (7, 38, 463, 288))
    drive = [_seen("bus", "QWA2082", 0.99, item) for item in way]
    written = _seen("bus", "EMISIONES", 0.75, (1, 110, 272, 247), of_format=False)
    await show(*enumerate([*drive, written]))
    await show(*((second,) for second in range(5, 12)))
    await show((15, _seen("car", "EMISIONES", 0.75, (200, 100, 200, 140), of_format=False)))
    found = [(row.plate, row.plate_format, row.observation_count) for row in await memory.detections()]
    assert sorted(found, key=str) == [("EMISIONES", None, 1), ("QWA2082", "br_old", 5)]
    assert {row.plate: row.plate_confidence for row in await memory.detections()}["QWA2082"] == pytest.approx(
        0.99, abs=0.01
    )


def _seen(
    kind: VehicleType, text: str, confidence: float, place: tuple[int, int, int, int], *, of_format: bool = True
) -> Observation:
    x, y, width, height = place
    read = plate(text, confidence, box(x + 10, y + height - 14, 24, 10))
    read = read if of_format else read.model_copy(update={"format": None})
    return Observation(vehicle=VehicleSighting(type=kind, confidence=0.9, box=box(x, y, width, height)), plate=read)


async def test_an_unread_vehicle_joins_the_passage_near_it(show: Show, memory: Memory) -> None:
    await show(
        (0, car(50, 50, "ABC1D23"), car(350, 50, "XYZ9K88")),
        (1, car(60, 90), car(360, 90)),
        (2, car(70, 130, "ABC1D23"), car(370, 130)),
    )
    found = {row.plate: row.observation_count for row in await memory.detections()}
    assert found == {"ABC1D23": 3, "XYZ9K88": 3}


async def test_after_the_gap_the_same_plate_is_a_new_passage(show: Show, memory: Memory) -> None:
    """Frames in between show the street without it."""
    await show((0, car(50, 50, "ABC1D23")), (1,), (2,), (3,), (6, car(300, 50, "ABC1D23")))
    assert await memory.plates() == ["ABC1D23", "ABC1D23"]


async def test_a_silence_of_the_camera_is_no_gap(show: Show, memory: Memory) -> None:
    """Stopped at a red light: nothing moves, so capture sends no frame for longer than the gap."""
    await show((0, car(50, 50, "ABC1D23")), (1, car(52, 50, "ABC1D23")), (7, car(60, 50, "ABC1D23")))
    assert await memory.plates() == ["ABC1D23"]


async def test_a_parked_car_is_one_detection(service: FrameService, film: Film, memory: Memory) -> None:
    """Seen only by the heartbeat of a still camera, every 30 s, without a plate; closed in between."""
    film.start = now() - timedelta(seconds=5)
    for second in range(0, 300, 30):
        film.start = now() - timedelta(seconds=5 + second)
        await service.read(*film.frame(second, car(50, 50)))
        await service.sweep(idle=True)
    assert len(await memory.detections()) == 1


async def test_a_moving_car_before_a_parked_one_is_its_own(show: Show, memory: Memory) -> None:
    await show(
        (0, car(50, 50)), (1, car(50, 50)), (2, car(50, 50), car(300, 40, "ABC1D23")),
        (3, car(51, 50), car(200, 45, "ABC1D23")), (4, car(50, 50), car(100, 50, "ABC1D23")), (5, car(50, 50)),
    )  # fmt: skip
    found = {row.plate: row.observation_count for row in await memory.detections()}
    assert found == {None: 6, "ABC1D23": 3}


async def test_a_frame_that_comes_late_joins_its_passage(show: Show, memory: Memory) -> None:
    await show((0, car(50, 50, "ABC1D23")), (2, car(110, 90, "ABC1D23")), (1, car(80, 70, "ABC1D23")))
    (found,) = await memory.detections()
    assert found.observation_count == 3
    assert (found.ended_at - found.started_at).total_seconds() == 2
    assert found.last_box == [110, 90, 210, 160]


async def test_a_late_frame_from_before_moves_the_start(show: Show, memory: Memory, film: Film) -> None:
    await show((3, car(110, 90, "ABC1D23")), (1, car(50, 50, "ABC1D23")))
    (found,) = await memory.detections()
    assert found.started_at == film.start + timedelta(seconds=1)
    assert found.ended_at == film.start + timedelta(seconds=3)


async def test_a_late_frame_joins_a_passage_that_was_closed(
    service: FrameService, film: Film, memory: Memory, show: Show
) -> None:
    await show((0, car(50, 50, "ABC1D23", 0.5)), (8, car(400, 200, "QWE5R66")))
    assert [row.final for row in await memory.detections()] == [True, False]
    await show((1, car(60, 55, "ABC1D23", 0.95)))
    assert await memory.plates() == ["ABC1D23", "QWE5R66"]


async def test_one_vehicle_seen_twice_in_a_frame_is_one(show: Show, memory: Memory) -> None:
    """The detector takes a car for a truck too, and lettering on it for a second plate."""
    double = car(52, 51, "OFERTAS", 0.4, kind="truck", seen=0.5)
    await show((0, car(50, 50, "ABC1D23", 0.9), double), (1, double, car(55, 60, "ABC1D23", 0.9)))
    assert await memory.plates() == ["ABC1D23"]
    assert len(await memory.observations()) == 2


async def test_the_halves_of_a_vehicle_are_no_vehicles(show: Show, memory: Memory) -> None:
    """Boxes that a detector drew at 54.5 s of a demo scene: the car, its roof, and both together."""

    def seen(confidence: float, *edges: float) -> Observation:
        found = Box(x1=edges[0], y1=edges[1], x2=edges[2], y2=edges[3])
        return Observation(vehicle=VehicleSighting(type="car", confidence=confidence, box=found), plate=None)

    whole = car(335, 146, "DOR5A19", size=114)
    await show((0, whole, seen(0.48, 320, 120, 420, 182), seen(0.27, 319, 118, 448, 226)), (1, whole))
    assert await memory.plates() == ["DOR5A19"]


async def test_a_fragment_of_a_plate_at_the_edge_is_not_read(show: Show, memory: Memory) -> None:
    """The plate leaves the picture before its vehicle does; what is left of it reads as another."""
    fragment = plate("D0DO", 0.9, box(600, 250, 40, 20)).model_copy(update={"format": None})
    leaving = car(530, 180, size=110).model_copy(update={"plate": fragment})
    await show((0, car(350, 100, "DOR5A19", size=90)), (1, car(440, 140, "DOR5A19", size=100)), (2, leaving))
    (found,) = await memory.detections()
    assert (found.plate, found.observation_count) == ("DOR5A19", 3)


async def test_a_new_vehicle_far_away_is_not_the_one_that_left(show: Show, memory: Memory) -> None:
    """Positions of a demo scene: one car leaves near the camera, four seconds later another appears far away."""
    await show(
        (0, car(325, 145, "GLT4210", size=180)), (1, car(285, 165, "GLT4210", size=220)), (2, car(215, 200, size=290)),
        (3,), (4,), (5,), (6, car(464, 77, size=38)), (7, car(446, 78, size=57)), (8, car(405, 100, "OZD1S73")),
    )  # fmt: skip
    found = {row.plate: row.observation_count for row in await memory.detections()}
    assert found == {"GLT4210": 3, "OZD1S73": 3}


async def test_a_plate_alone_finds_its_vehicle(show: Show, memory: Memory) -> None:
    alone = car(50, 50).model_copy(update={"vehicle": None, "plate": plate("ABC1D23", 0.9, box(85, 100, 30, 10))})
    await show((0, car(50, 50), alone), (1, alone), (2, car(52, 52, "ABC1D23")))
    (found,) = await memory.detections()
    assert (found.plate, found.observation_count, found.vehicle_type) == ("ABC1D23", 3, "car")


@pytest.mark.parametrize(("seen", "count"), [(0.45, 0), (0.55, 1)])
async def test_a_faint_vehicle_without_a_plate_opens_nothing(
    show: Show, memory: Memory, seen: float, count: int
) -> None:
    await show((0, car(50, 50, seen=seen)))
    assert len(await memory.detections()) == count


async def test_a_fast_car_keeps_its_one_detection(show: Show, memory: Memory) -> None:
    """No overlap from frame to frame, the first two without a plate."""
    await show((0, car(10, 40)), (1, car(180, 60)), (2, car(350, 80, "ABC1D23")), (3, car(520, 100)))
    assert await memory.plates() == ["ABC1D23"]


async def test_a_follower_is_not_taken_for_the_one_that_left(show: Show, memory: Memory) -> None:
    await show(
        (0, car(100, 10, "ABC1D23")), (1, car(100, 110, "ABC1D23")), (2, car(100, 210, "ABC1D23"), car(100, 10)),
        (3, car(100, 110)), (4, car(100, 210, "QWE5R66")),
    )  # fmt: skip
    found = {row.plate: row.observation_count for row in await memory.detections()}
    assert found == {"ABC1D23": 3, "QWE5R66": 3}


async def test_a_passage_keeps_a_bounded_number_of_observations(
    memory: Memory, show: Show, store: FolderStore, clock: GivenClock
) -> None:
    """What it does not remember is deleted as soon as no frame from before can come any more."""
    await show(*((second / 10, car(50, 50, "ABC1D23", 0.5 + second / 200)) for second in range(70)))
    assert len(await memory.observations()) == 70
    clock.at += timedelta(seconds=60)
    await show((66, car(50, 50, "ABC1D23", 0.5)))
    (found,) = await memory.detections()
    assert found.observation_count == 71
    kept = await memory.observations()
    # The one that the last frame crowded out may still be told otherwise by an earlier frame.
    assert len(kept) == MAX_SIGHTINGS + 1
    kept_keys = {key for row in kept for key in (row.snapshot_key, row.plate_snapshot_key) if key}
    assert {found.snapshot_key, found.plate_snapshot_key} <= kept_keys
    assert kept_keys == {str(path.relative_to(store.root)) for path in store.root.rglob("*.jpg")}


async def test_cameras_do_not_share_passages(
    service: FrameService, inference: ScriptedInference, memory: Memory
) -> None:
    for name in ("north", "south"):
        await service.read(*Film(inference, name).frame(0, car(50, 50, "ABC1D23")))
    assert [row.camera_id for row in await memory.detections()] == ["north", "south"]


async def test_what_stands_there_unchanged_is_not_pictured_again(
    show: Show, memory: Memory, store: FolderStore
) -> None:
    """Each picture costs time, and one that shows no more than another of a second before is of no use."""
    await show(*((second, car(50, 50, "ABC1D23"), car(300, 50, "QWE5R66", 0.7 + 0.05 * second)) for second in range(5)))
    kept = [row.plate for row in await memory.observations() if row.snapshot_key is not None]
    assert sorted(map(str, kept)) == ["ABC1D23"] + ["QWE5R66"] * 5
    assert len([path for path in store.root.rglob("*.jpg")]) == 2 * len(kept)


async def test_two_that_a_late_frame_parts_have_both_their_pictures(
    show: Show, memory: Memory, store: FolderStore
) -> None:
    """Read first, the two seem one, of which the first is the clearer; the bare frames between tell that it left."""
    parked, back = car(50, 150, "ABC1D23", 0.95), car(50, 150, "ABC1D23", 0.8)
    await show(*((second, parked) for second in range(5)), (60, back))
    assert await memory.plates() == ["ABC1D23"]
    await show(*((second,) for second in range(10, 60, 5)))
    rows = await memory.detections()
    assert [row.plate for row in rows] == ["ABC1D23"] * 2
    for row in rows:
        assert row.snapshot_key is not None
        assert row.plate_snapshot_key is not None
        assert hashlib.sha256(await store.get(row.snapshot_key)).hexdigest() == row.snapshot_sha256
        assert hashlib.sha256(await store.get(row.plate_snapshot_key)).hexdigest() == row.plate_snapshot_sha256


async def test_the_pictures_are_those_of_the_clearest_reading(
    show: Show, memory: Memory, store: FolderStore, service: FrameService, clock: GivenClock
) -> None:
    await show(
        (0, car(50, 50, "ABC1D28", 0.5)), (1, car(80, 70, "ABC1D23", 0.95, size=160)), (2, car(110, 90, "ABC1D23", 0.7))
    )
    (found,) = await memory.detections()
    seen = next(row for row in await memory.observations() if row.plate_confidence == 0.95)
    assert found.box == seen.vehicle_box == [80, 70, 240, 182]
    assert (found.snapshot_key, found.plate_snapshot_key) == (seen.snapshot_key, seen.plate_snapshot_key)
    assert found.snapshot_key is not None
    assert found.plate_snapshot_key is not None
    assert (await store.get(found.snapshot_key))[:3] == b"\xff\xd8\xff"
    assert (await store.get(found.plate_snapshot_key))[:3] == b"\xff\xd8\xff"
    # Until no frame can come that parts them, each may come to stand for a passage of its own.
    assert len([path for path in store.root.rglob("*.jpg")]) == 6
    async with service.db.transaction() as session:
        later = found.ended_at + timedelta(seconds=30)
        session.add(ProcessedFrame(id="gate:later", camera_id="gate", captured_at=later, processed_at=later))
    assert await service.sweep(idle=False) == 1
    clock.at = found.ended_at + timedelta(seconds=40)
    assert await service.settle() == 0
    clock.at = found.ended_at + timedelta(seconds=45)
    assert await service.settle() == 1
    assert await service.settle() == 0
    left = {str(path.relative_to(store.root)) for path in store.root.rglob("*.jpg")}
    assert left == {found.snapshot_key, found.plate_snapshot_key}


async def test_a_frame_too_old_is_not_read(service: FrameService, inference: ScriptedInference) -> None:
    film = Film(inference, start=now() - timedelta(seconds=60))
    assert await service.read(*film.frame(0, car(50, 50))) is Outcome.TOO_OLD
    assert inference.calls == 0


async def test_a_frame_from_the_future_is_not_read(service: FrameService, inference: ScriptedInference) -> None:
    film = Film(inference, start=now() + timedelta(minutes=5))
    assert await service.read(*film.frame(0, car(50, 50))) is Outcome.IN_FUTURE
    assert inference.calls == 0


@pytest.mark.parametrize(
    "wrong", [{"id": "x" * 101}, {"id": "a\0b"}, {"captured_at": datetime(1, 1, 1, tzinfo=UTC), "source": "ingest"}]
)
async def test_a_frame_that_cannot_be_recorded_is_refused(
    service: FrameService, film: Film, wrong: dict[str, object]
) -> None:
    meta, jpeg = film.frame(0, car(50, 50))
    with pytest.raises(Rejected, match="id has at most"):
        await service.read(meta.model_copy(update=wrong), jpeg)


async def test_an_old_picture_given_by_http_is_read(
    service: FrameService, inference: ScriptedInference, memory: Memory
) -> None:
    meta, jpeg = Film(inference, start=now() - timedelta(days=2)).frame(0, car(50, 50, "ABC1D23"))
    assert await service.read(meta.model_copy(update={"source": "ingest"}), jpeg) is Outcome.RECORDED
    assert await memory.plates() == ["ABC1D23"]
