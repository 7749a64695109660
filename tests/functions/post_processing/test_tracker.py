"""The tracker is a function of the set of frames: whatever their order, re-deriving comes to what all at once say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from functions.post_processing.derivation import Derived, Known, Scene, derive
from functions.post_processing.portrait import portrait
from functions.post_processing.seeing import seen_in
from functions.post_processing.sightings import MAX_SIGHTINGS, Sighting, remembered
from functions.post_processing.tracker import Frame, Tracker
from functions.post_processing.zones import Zones
from functions.shared.contracts import FrameMeta, frame_id
from functions.shared.inference import Box, FrameReading
from tests.functions.post_processing.streets import HEIGHT, WIDTH, Shot, streets

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
GAP_S = 4.0
Members = frozenset[str]


def frame_of(shot: Shot) -> Frame:
    at = START + timedelta(seconds=shot.second)
    name = frame_id("gate", at)
    meta = FrameMeta(id=name, camera_id="gate", captured_at=at, sequence=0, width=WIDTH, height=HEIGHT)
    reading = FrameReading(width=WIDTH, height=HEIGHT, observations=shot.observations, timings_ms={})
    return seen_in(meta, reading, Zones()).frame


def all_at_once(frames: list[Frame]) -> set[Members]:
    tracker = Tracker((), GAP_S)
    for frame in sorted(frames, key=lambda item: item.order):
        tracker.step(frame)
    return {frozenset(item.id for item in track.gained) for track in tracker.tracks}


class Archive:
    """What a database would hold: passages by id, sightings that none holds, frames that were read."""

    def __init__(self) -> None:
        self.frames: dict[str, Frame] = {}
        self.passages: dict[str, tuple[Sighting, ...]] = {}
        self.gone: dict[str, str] = {}
        self._made = 0

    def add(self, frame: Frame) -> None:
        earlier = [item for item in self.frames.values() if item.order < frame.order]
        later = [item for item in self.frames.values() if item.order > frame.order]
        known = tuple(Known(name, (False, name), sightings) for name, sightings in self.passages.items())
        scene = Scene(
            frame, tuple(later), known, tuple(item.at for item in earlier), tuple(item.look for item in earlier)
        )  # fmt: skip
        self._apply(derive(scene, GAP_S))
        self.frames[frame.id] = frame

    def _apply(self, derived: Derived) -> None:
        names = []
        for passage in derived.passages:
            if passage.id is None:
                self._made += 1
            names.append(passage.id or f"{self._made:06d}")
        self.gone |= {name: names[heir] for name, heir in derived.merged.items()}
        for name in derived.merged:
            del self.passages[name]
        self.passages |= {name: each.sightings for name, each in zip(names, derived.passages, strict=True)}

    def members(self) -> set[Members]:
        return {frozenset(item.id for item in sightings) for sightings in self.passages.values()}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_order_of_the_same_frames_comes_to_the_same_passages(data: st.DataObject) -> None:
    frames = [frame_of(shot) for shot in data.draw(streets())]
    arrivals = data.draw(st.permutations(frames))
    lost = data.draw(st.integers(0, 2))
    arrivals = arrivals[lost:]
    archive = Archive()
    for number, frame in enumerate(arrivals):
        archive.add(frame)
        assert archive.members() == all_at_once(arrivals[: number + 1])
    event(f"{len(archive.passages)} passages, {len(archive.gone)} merged")
    sightings = sorted(item.id for each in archive.passages.values() for item in each)
    assert len(sightings) == len(set(sightings)), "a sighting belongs to one passage"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_passage_that_is_none_any_more_left_an_heir(data: st.DataObject) -> None:
    """Following who took whose place always ends at a passage that is there."""
    frames = [frame_of(shot) for shot in data.draw(streets())]
    archive = Archive()
    for frame in data.draw(st.permutations(frames)):
        archive.add(frame)
    for name in archive.gone:
        heir = name
        while heir in archive.gone:
            heir = archive.gone[heir]
        assert heir in archive.passages


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streets(), st.randoms(use_true_random=False))
def test_what_a_passage_tells_does_not_depend_on_the_order_of_its_rows(
    street: list[Shot], chance: random.Random
) -> None:
    tracker = Tracker((), GAP_S)
    for shot in street:
        tracker.step(frame_of(shot))
    for track in tracker.tracks:
        mixed = list(track.gained)
        chance.shuffle(mixed)
        assert portrait(mixed, (WIDTH, HEIGHT)) == portrait(track.gained, (WIDTH, HEIGHT))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3 * MAX_SIGHTINGS), st.integers(0, 3 * MAX_SIGHTINGS))
def test_what_is_remembered_of_a_beginning_and_the_rest_is_what_is_remembered_of_all(
    scores: list[float], cut: int
) -> None:
    every = [
        Sighting(f"{number:04d}", f"f{number:04d}", START + timedelta(seconds=number), vehicle_type="car",
                 vehicle_confidence=score, vehicle_box=Box(x1=0, y1=0, x2=100 * score, y2=100))
        for number, score in enumerate(scores)
    ]  # fmt: skip
    whole, dropped = remembered(every)
    begun, _ = remembered(every[:cut])
    assert remembered((*begun, *every[cut:]))[0] == whole
    assert len(whole) == min(len(every), MAX_SIGHTINGS)
    assert len(whole) + len(dropped) == len(every)
    assert (whole[0], whole[-1]) == (every[0], every[-1])
    assert all(item.at > item.sighting.at for item in dropped)
