"""The frames that a pipeline is measured with: a folder's, or the demo's street, as films of single cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.shared.errors import InvalidInput, NotFound

SUFFIXES = (".jpg", ".jpeg", ".png")
CHUNK = 8
"""Frames of one camera in a round: a film is cut so, that many cameras are at work at once."""
_PER_SCENE, _EVERY, _QUALITY = 32, 12, 85


@dataclass(frozen=True)
class Frame:
    """One picture and its size in pixels."""

    content: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Film:
    """Some frames of one camera, in their order, half a second apart."""

    name: str
    frames: tuple[Frame, ...]


def load_films(folder: Path, limit: int) -> list[Film]:
    """The pictures of a folder, each subfolder a camera; at most `limit`, cut into films of CHUNK.

    Raises NotFound without the folder, InvalidInput without pictures or naming one that cannot be read.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    by_camera: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            by_camera.setdefault(str(path.parent.relative_to(folder)), []).append(path)
    if not by_camera:
        raise InvalidInput(f"{folder} holds no picture ({', '.join(SUFFIXES)})", field="frames")
    share = max(1, limit // len(by_camera))
    films: list[Film] = []
    for paths in by_camera.values():
        chosen = [frame_of(path) for path in paths[:share]]
        films += [Film(f"cam{len(films) + at // CHUNK:03d}", tuple(chosen[at : at + CHUNK]))
                  for at in range(0, len(chosen), CHUNK)]  # fmt: skip
    return films


def frame_of(path: Path) -> Frame:
    import cv2

    image = cv2.imread(str(path))
    if image is None:
        raise InvalidInput(f"{path} is no picture that can be read", field="frames")
    return Frame(path.read_bytes(), image.shape[1], image.shape[0])


def street(folder: Path) -> Path:
    """A folder of frames of the demo's four scenes with passing vehicles, two a second; drawn once and kept.

    Raises Unavailable when the photographs that they are made of cannot be fetched.
    """
    from cli.demo.prepare import fingerprint
    from cli.demo.scenes import CAMERAS

    target = folder / f"street-{fingerprint()}-{_PER_SCENE}"
    if not target.is_dir():
        scratch = folder / f"{target.name}.part"
        for spec in CAMERAS:
            (scratch / spec.name).mkdir(parents=True, exist_ok=True)
            for number, data in _draw(spec):
                (scratch / spec.name / f"{number:05d}.jpg").write_bytes(data)
        scratch.rename(target)
    return target


def _draw(spec: Any) -> Iterator[tuple[int, bytes]]:
    """Frames from when the first plate of a scene can be seen."""
    import cv2

    from cli.demo.cutouts import load_cutouts
    from cli.demo.render import build_passages, frames, readable

    passages = build_passages(spec, load_cutouts())
    spans = [(number, each) for each in passages for number in range(each.first, each.last)]
    start = min(number for number, each in spans if readable(spec, passages, each, number))
    wanted = range(start, start + _PER_SCENE * _EVERY, _EVERY)
    for number, picture in enumerate(frames(spec, passages)):
        if number in wanted:
            done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            assert done
            yield number, bytes(data.tobytes())
        if number >= wanted[-1]:
            return


def in_turn(films: Sequence[Film]) -> list[tuple[Film, int]]:
    """(film, index of the frame) as cameras would give them: the first of each, then the second of each..."""
    longest = max(len(film.frames) for film in films)
    return [(film, index) for index in range(longest) for film in films if index < len(film.frames)]
