"""What one more frame makes of a camera's passages: the change from what is stored to what the tracker says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from functions.post_processing.joining import Look, Track
from functions.post_processing.sightings import Sighting, remembered
from functions.post_processing.tracker import Followed, Frame, Tracker


@dataclass(frozen=True)
class Known:
    """A stored passage with all of its stored sightings. `rank` orders ids: the first of those that turn out to be one
    passage survives."""

    id: str
    rank: tuple[bool, str]
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True)
class Scene:
    """What is stored of a camera around a new frame.

    `later`: the frames that were read before this one though they were captured after it, with the sightings that no
    passage holds as well. `known`: passages that the new frame or a later one may belong to or belongs to. `before`
    and `looks`: as Tracker takes them.
    """

    frame: Frame
    later: tuple[Frame, ...] = ()
    known: tuple[Known, ...] = ()
    before: tuple[datetime, ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def newest(self) -> datetime:
        return self.newest_frame.at

    @property
    def newest_frame(self) -> Frame:
        return max((self.frame, *self.later), key=lambda frame: frame.order)


@dataclass(frozen=True)
class Passage:
    """A passage as it is to be stored. `id` None: a new one. `sightings` are all that are stored of it, `gained` those
    of them that it did not hold before, `lost` whether others left it."""

    id: str | None
    sightings: tuple[Sighting, ...]
    gained: tuple[Sighting, ...] = ()
    lost: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.gained) or self.lost


@dataclass(frozen=True)
class Derived:
    """`passages`: those of the scene, changed or not. `merged`: ids that are no passage of their own any more, with the
    passage (its place in `passages`) that took their place. `rest`: sightings that no passage holds, by the frame."""

    passages: tuple[Passage, ...]
    merged: Mapping[str, int] = field(default_factory=dict)
    rest: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)


def derive(scene: Scene, gap_s: float) -> Derived:
    """Bring the passages to what the frames together say."""
    at = scene.frame.order
    prefixes = {known.id: tuple(item for item in known.sightings if (item.at, item.frame_id) < at)
                for known in scene.known}  # fmt: skip
    tracks = [Track(key, remembered(before)[0]) for key, before in prefixes.items() if before]
    tracker = Tracker(tracks, gap_s, scene.before, scene.looks)
    for frame in sorted((scene.frame, *scene.later), key=lambda item: item.order):
        tracker.step(frame)
    owners = {item.id: known.id for known in scene.known for item in known.sightings}
    names = _names(tracker.tracks, owners, scene.known, {key for key, before in prefixes.items() if before})
    passages = [_passage(followed, names.get(index), prefixes, scene.known, owners)
                for index, followed in enumerate(tracker.tracks)]  # fmt: skip
    return Derived(tuple(passages), _merged(passages, scene.known), tracker.rest)


def _merged(passages: Sequence[Passage], known: Iterable[Known]) -> dict[str, int]:
    """A passage that is none any more is told of with the one that took its earliest sighting."""
    kept = {passage.id for passage in passages}
    holders = {item.id: index for index, passage in enumerate(passages) for item in passage.gained}
    found = {}
    for each in known:
        if each.id not in kept and (heirs := [holders[item.id] for item in each.sightings if item.id in holders]):
            found[each.id] = heirs[0]
    return found


def _names(
    tracks: Sequence[Followed], owners: Mapping[str, str], known: Iterable[Known], taken: set[str]
) -> dict[int, str]:
    """Ids by the index of the track. A track that goes on keeps its own; of the others, each id goes to the track that
    holds the most of its sightings (the earliest of equals), the first in rank first."""
    names = {index: item.key for index, item in enumerate(tracks) if item.key is not None}
    for each in sorted((item for item in known if item.id not in taken), key=lambda item: item.rank):
        held = {
            index: sum(owners.get(sighting.id) == each.id for sighting in item.gained)
            for index, item in enumerate(tracks)
            if index not in names
        }
        best = max(held, key=lambda index: (held[index], -index), default=None)
        if best is not None and held[best] > 0:
            names[best] = each.id
    return names


def _passage(
    followed: Followed, name: str | None, prefixes: Mapping[str, tuple[Sighting, ...]], known: Iterable[Known],
    owners: Mapping[str, str],
) -> Passage:  # fmt: skip
    before = prefixes.get(name, ()) if followed.key is not None and name is not None else ()
    sightings = (*before, *followed.gained)
    gained = tuple(item for item in followed.gained if name is None or owners.get(item.id) != name)
    held = {item.id for each in known if each.id == name for item in each.sightings}
    return Passage(name, sightings, gained, lost=not held <= {item.id for item in sightings})
