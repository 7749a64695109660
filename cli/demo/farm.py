"""Many RTSP cameras for measuring: one clip with traffic, one without, served under any number of names.

with CameraFarm(folder, cameras=25, moving_every=5) as farm:
    farm.urls       # {"cam000": "rtsp://127.0.0.1:...", ...}; cam000, cam005... have moving vehicles
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.demo.rtsp import Mount, RtspServer
from functions.shared.errors import InvalidInput

MOUNTS_PER_SERVER = 50
_VERSION = 2
_QUALITY = 18  # about the 4 Mbit/s of a real 1080p camera


@dataclass(frozen=True)
class FarmClips:
    moving: Path
    still: Path


def make_farm_clips(folder: Path, seconds: int = 20, gop: int = 25, wheels: Path | None = None) -> FarmClips:
    """Two clips of 1080p25: the demo's avenue with vehicles all the time, and the same street empty with slight noise.

    Rendered once and kept: the names carry the version of the drawing.
    """
    from cli.demo.prepare import fingerprint

    mark = f"{fingerprint()}-{seconds}s-g{gop}-{_VERSION}"
    clips = FarmClips(folder / f"farm-moving-{mark}.mp4", folder / f"farm-still-{mark}.mp4")
    folder.mkdir(parents=True, exist_ok=True)
    for path, moving in ((clips.moving, True), (clips.still, False)):
        if not path.exists():
            _render_clip(path, moving, seconds, gop, wheels)
    return clips


def _render_clip(path: Path, moving: bool, seconds: int, gop: int, wheels: Path | None) -> None:
    from dataclasses import replace

    from cli.demo.cutouts import load_cutouts
    from cli.demo.glyphs import Image
    from cli.demo.render import build_passages, frames, write_video
    from cli.demo.scenes import AVENUE, Trip

    # Vehicles that enter all the time; the first ones drive already when the clip begins, so the loop never rests.
    starts = range(-10, seconds, 5) if moving else ()
    kinds = (("roadster", 0), ("coupe", 1), ("sedan", 0))
    trips = tuple(Trip(*kinds[number % 3], start=float(start)) for number, start in enumerate(starts))
    spec = replace(AVENUE, name="farm", trips=trips, duration=float(seconds), gop=gop)

    def pictures() -> Iterator[Image]:
        yield from frames(spec, build_passages(spec, load_cutouts(wheels) if moving else {}))

    partial = path.with_suffix(".partial.mp4")
    write_video(partial, pictures(), (spec.view.width, spec.view.height_px), gop, quality=_QUALITY)
    partial.replace(path)


class CameraFarm:
    """`cameras` mounts over as many server processes as needed; every `moving_every`-th has traffic (0: none)."""

    def __init__(
        self, folder: Path, cameras: int, moving_every: int = 10, *, clips: FarmClips | None = None, seconds: int = 20
    ) -> None:
        if cameras < 1:
            raise InvalidInput("a farm has at least one camera", field="cameras")
        self._folder, self._seconds = folder, seconds
        self._clips = clips
        self._cameras, self._moving_every = cameras, moving_every
        self._servers: list[RtspServer] = []
        self.urls: dict[str, str] = {}

    def moving(self, number: int) -> bool:
        return self._moving_every > 0 and number % self._moving_every == 0

    def start(self) -> dict[str, str]:
        """The URLs by name; raises what RtspServer.start raises, and leaves nothing running then."""
        clips = self._clips or make_farm_clips(self._folder, self._seconds)
        mounts = [
            Mount(f"cam{number:03d}", clips.moving if self.moving(number) else clips.still)
            for number in range(self._cameras)
        ]
        try:
            for first in range(0, len(mounts), MOUNTS_PER_SERVER):
                server = RtspServer()
                self._servers.append(server)
                self.urls.update(server.start(mounts[first : first + MOUNTS_PER_SERVER]))
        except BaseException:
            self.stop()
            raise
        return self.urls

    @property
    def pids(self) -> list[int]:
        """The server processes: their CPU is the cameras' and not GT-Vision's."""
        return [server.pid for server in self._servers if server.pid is not None]

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        self._servers.clear()
        self.urls = {}

    def __enter__(self) -> CameraFarm:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
