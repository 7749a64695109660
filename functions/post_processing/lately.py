"""What this process recorded of its cameras a moment ago: it saves pictures that would only repeat others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from functions.post_processing.portrait import AGAIN_S, is_wanted
from functions.post_processing.sightings import Sighting
from functions.post_processing.tracker import Frame

_CAMERAS = 1000


class Lately:
    """A guess that costs no question to the database; what it leaves out is asked for again under the lock."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Sighting]] = {}

    def wanted(self, camera_id: str, frame: Frame) -> list[Sighting]:
        """The sightings of a frame whose pictures are worth storing before anything is asked."""
        others = self._seen.get(camera_id, ())
        return [item for item in frame.sightings if is_wanted(item, others)]

    def recorded(self, camera_id: str, frame: Frame) -> None:
        """Remember a frame once it is committed."""
        kept = self._near(self._seen.pop(camera_id, []), frame)
        self._seen[camera_id] = [*kept, *frame.sightings]
        while len(self._seen) > _CAMERAS:
            del self._seen[next(iter(self._seen))]

    @staticmethod
    def _near(sightings: Sequence[Sighting], frame: Frame) -> list[Sighting]:
        reach = timedelta(seconds=AGAIN_S)
        return [item for item in sightings if abs(item.at - frame.at) <= reach]
