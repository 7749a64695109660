"""Pictures that a quantised model is calibrated with: a folder's, the running cameras', or the demo's scenes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cli.models.fetch import Progress, silent
from functions.shared.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from cli.client import Client

Image = NDArray[np.uint8]
LEAST, ENOUGH, MOST = 16, 64, 512
SUFFIXES = (".jpg", ".jpeg", ".png")
_PAUSE_S = 2.0
_DEMO_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """One picture: a name for messages and the bytes of its file."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Pictures:
    """What was gathered, in a fixed order, and where it came from."""

    origin: Literal["folder", "cameras", "demo"]
    items: tuple[Picture, ...]

    @property
    def sha256(self) -> str:
        """Of the list of the pictures' hashes, in their order: the same pictures give the same."""
        return hashlib.sha256("".join(f"{item.sha256}\n" for item in self.items).encode()).hexdigest()

    def decoded(self) -> list[Image]:
        """Each as BGR. Raises InvalidInput naming the first that cannot be read."""
        return [_decoded(item) for item in self.items]


def _decoded(item: Picture) -> Image:
    import cv2

    image = cv2.imdecode(np.frombuffer(item.content, np.uint8), cv2.IMREAD_COLOR) if item.content else None
    if image is None:
        raise InvalidInput(f"{item.name} is no picture that can be read; take it out of the folder", field="images")
    return np.asarray(image, np.uint8)


def of_folder(folder: Path, wanted: int = ENOUGH) -> Pictures:
    """At most `wanted` pictures of a folder and its subfolders, evenly spread over their sorted names.

    Raises NotFound without the folder, InvalidInput when it holds fewer than LEAST different pictures.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    chosen = [Picture(str(path.relative_to(folder)), path.read_bytes()) for path in spread(paths, wanted)]
    return Pictures("folder", enough(chosen, str(folder), "put more frames of your cameras there"))


def of_cameras(client: Client, wanted: int = ENOUGH, wait_s: float = 120.0, progress: Progress = silent) -> Pictures:
    """Newest frames of the running platform's cameras, asked for again until there are `wanted` or time is over.

    Raises what the API answers, NotFound without cameras, InvalidInput with fewer than LEAST different pictures.
    """
    cameras = [str(camera["id"]) for camera in client.pages("/api/cameras", None)]
    if not cameras:
        raise NotFound("the platform has no camera: add one, or give --images or --demo")
    found: dict[str, Picture] = {}
    until = time.monotonic() + wait_s
    while len(found) < wanted:
        for camera in cameras:
            picture = _newest(client, camera)
            if picture is not None and len(found) < wanted:
                found.setdefault(picture.sha256, picture)
            progress("frames of the cameras", len(found), wanted)
        if time.monotonic() + _PAUSE_S > until:
            break
        if len(found) < wanted:
            time.sleep(_PAUSE_S)
    where = f"the {len(cameras)} cameras within {wait_s:g} s"
    return Pictures("cameras", enough(list(found.values()), where, "wait for traffic, or give --images"))


def _newest(client: Client, camera: str) -> Picture | None:
    """None when the camera has no frame now."""
    try:
        return Picture(f"camera {camera}", client.content(f"/api/cameras/{camera}/snapshot.jpg"))
    except NotFound:
        return None


def of_demo(wanted: int = ENOUGH, progress: Progress = silent, wheels: Path | None = None) -> Pictures:
    """Frames of the demo's scenes, drawn anew: evenly spread over the time in which vehicles pass.

    Raises Unavailable when the photographs that the scenes are made of cannot be fetched.
    """
    from cli.demo.scenes import CAMERAS

    share = -(-wanted // len(CAMERAS))
    items: list[Picture] = []
    for done, spec in enumerate(CAMERAS):
        progress(f"draw {spec.title}", done, len(CAMERAS))
        items.extend(_drawn(spec, share, wheels))
    return Pictures("demo", tuple(items[:wanted]))


def _drawn(spec: Any, count: int, wheels: Path | None) -> Iterator[Picture]:
    import cv2

    from cli.demo.cutouts import load_cutouts
    from cli.demo.render import build_passages, frames, plate_height

    passages = build_passages(spec, load_cutouts(wheels))
    moments = range(min(p.first for p in passages), max(p.last for p in passages) + 1)
    busy = [n for n in moments if any(plate_height(p, seen) > 12 for p in passages if (seen := p.at(n)) is not None)]
    wanted = set(spread(busy, count))
    for number, frame in enumerate(frames(spec, passages)):
        if number in wanted:
            done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _DEMO_QUALITY])
            assert done
            yield Picture(f"{spec.name}-{number:05d}", bytes(data.tobytes()))
        if number >= max(wanted):
            return


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly apart, in their order."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def enough(found: Sequence[Picture], where: str, mend: str) -> tuple[Picture, ...]:
    """The pictures without repeats. Raises InvalidInput for fewer than LEAST."""
    different = {item.sha256: item for item in found}
    if len(different) < LEAST:
        raise InvalidInput(
            f"{where}: {len(different)} different pictures, and a calibration needs at least {LEAST}; {mend}",
            field="images",
        )
    return tuple(different.values())
