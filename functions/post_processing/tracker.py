"""Which sightings are one passage: the frames of a camera in order of time, each held against the tracks so far.

A pure function of the set of frames. Each frame is assigned by what lies before it alone, so a frame that comes late
changes nothing before it; and all that an assignment goes by follows from the tracks' remembered sightings and the
frames before. The state before any frame can therefore be taken from what is stored, and only what lies behind a late
frame is derived anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from functions.post_processing.joining import MEMORY_S, MISSES, SIGN_MEMORY_S, Look, Rules, Track, gain
from functions.post_processing.matching import match
from functions.post_processing.sightings import Sighting, remembered


@dataclass(frozen=True)
class Frame:
    """A frame that was read, with all that it showed; one that showed nothing tells of absence."""

    id: str
    at: datetime
    sightings: tuple[Sighting, ...] = ()

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.id

    @property
    def look(self) -> Look:
        return Look(self.at, tuple(item.place for item in self.sightings if item.place is not None))


@dataclass
class Followed:
    """A track with the sightings that the frames at hand gave it."""

    track: Track
    gained: list[Sighting] = field(default_factory=list)

    @property
    def key(self) -> str | None:
        return self.track.key

    def join(self, sighting: Sighting) -> None:
        self.gained.append(sighting)
        kept, _ = remembered((*self.track.sightings, sighting))
        self.track = Track(self.track.key, kept)


class Tracker:
    """Follows the passages of one camera through its frames, which must be given in order.

    `before`: the times of the last frames read before the first one given, more than MISSES of them. `looks`: what
    those frames showed, as far back as needed.
    """

    def __init__(
        self, tracks: Iterable[Track], gap_s: float, before: Sequence[datetime] = (), looks: Sequence[Look] = ()
    ) -> None:
        # The order of the tracks decides between pairings that cost the same.
        by_age = sorted(tracks, key=lambda track: track.sightings[0].order)
        self.tracks = [Followed(track) for track in by_age]
        self.rest: dict[str, tuple[Sighting, ...]] = {}
        self._gap_s = gap_s
        self._times = sorted(before)
        self._looks = sorted(looks, key=lambda look: look.at)

    def step(self, frame: Frame) -> None:
        """Give each sighting of a frame to a track, open one for it, or leave it over in `rest`."""
        sightings = sorted(frame.sightings, key=lambda item: item.order)
        rules = Rules(self._gap_s, self._since(frame.at), self._looks)
        near = [item for item in self.tracks if (frame.at - item.track.end).total_seconds() <= SIGN_MEMORY_S]
        columns = [(item, [gain(item.track, sighting, rules) for sighting in sightings]) for item in near]
        # Tracks that nothing may join are left out, so that they cannot decide between equal pairings.
        live = [(item, column) for item, column in columns if any(column)]
        gains = [[column[row] for _, column in live] for row in range(len(sightings))]
        rest = []
        for sighting, column in zip(sightings, match(gains), strict=True):
            if column is not None:
                live[column][0].join(sighting)
            elif sighting.worth_opening:
                self.tracks.append(Followed(Track(None, (sighting,)), [sighting]))
            else:
                rest.append(sighting)
        self.rest[frame.id] = tuple(rest)
        self._times.append(frame.at)
        self._looks.append(frame.look)

    def _since(self, at: datetime) -> datetime:
        """The time before which a vehicle was last seen that more than MISSES frames before `at` have missed."""
        earlier = [time for time in self._times if time < at]
        return earlier[-1 - MISSES] if len(earlier) > MISSES else at - timedelta(seconds=MEMORY_S)
