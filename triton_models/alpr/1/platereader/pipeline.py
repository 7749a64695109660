"""Frames to observations. Every step runs once for all frames of a batch: vehicles and plates, corners, characters.

The models are called through one function, so the same file serves Triton (requests to its own server)
and the embedded engine (sessions in process).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import dark, finding, pictures, reading, sifting
from .describe import VEHICLE_TYPES, described
from .frame import MAX_BATCH, OUTPUTS, Clock, Frame, Infer, Options

SMALL = 480
"""Pixels on the long side; a camera's frame has more."""

__all__ = ["MAX_BATCH", "OUTPUTS", "VEHICLE_TYPES", "Infer", "Options", "read_frames"]


async def read_frames(
    frames: Sequence[bytes], infer: Infer, options: Options | Sequence[Options] | None = None
) -> list[dict[str, Any] | pictures.UnreadablePicture]:
    """Each frame's observations as a JSON-ready dict, or the error of that frame alone, in order.

    Errors of `infer` are errors of the whole batch and go to the caller.
    """
    settings = _spread(options, len(frames))
    clock = Clock()
    results: list[dict[str, Any] | pictures.UnreadablePicture] = []
    opened: list[tuple[int, Frame]] = []
    for index, data in enumerate(frames):
        try:
            picture = pictures.decode(data)
        except pictures.UnreadablePicture as error:
            results.append(error)
            continue
        opened.append((index, Frame(picture, pictures.fit_for_detection(*picture.shape[:2]), settings[index])))
        results.append({})
    clock.lap("decode")
    await _read([frame for _, frame in opened], infer, clock)
    share = {name: round(spent / max(1, len(opened)), 2) for name, spent in clock.spent.items()}
    for index, frame in opened:
        results[index] = described(frame, share)
    return results


async def _read(frames: Sequence[Frame], infer: Infer, clock: Clock) -> None:
    await finding.detect(frames, infer)
    clock.lap("detect")
    thorough = [frame for frame in frames if frame.options.fallback]
    await finding.look_again(thorough, infer)
    await sifting.sift(thorough, infer)
    await finding.find_corners(frames, infer)
    await finding.corners_in_vehicles([frame for frame in thorough if not frame.plates], infer)
    clock.lap("corners")
    await reading.read_plates(frames, infer)
    await _read_dim([frame for frame in thorough if _is_unread(frame) and dark.is_dim(frame.picture)], infer)
    await _read_close_ups([frame for frame in thorough if _may_be_a_plate(frame)], infer)
    clock.lap("read")


async def _read_dim(frames: Sequence[Frame], infer: Infer) -> None:
    await dark.look(frames, infer)
    await _read_further(frames, infer)


async def _read_close_ups(frames: Sequence[Frame], infer: Infer) -> None:
    near = await sifting.close_ups(frames, infer)
    await finding.look_at_close_ups(near, infer)
    await _read_further(near, infer)


async def _read_further(frames: Sequence[Frame], infer: Infer) -> None:
    await sifting.sift(frames, infer)
    await finding.find_corners(frames, infer)
    await reading.read_plates(frames, infer)


def _is_unread(frame: Frame) -> bool:
    return not any(plate.convincing for plate in frame.plates)


def _may_be_a_plate(frame: Frame) -> bool:
    """Whether the picture may be the crop of a plate: nothing was read in it, and it is small or shows no vehicle."""
    if not _is_unread(frame):
        return False
    return not len(frame.vehicles) or max(frame.size) <= SMALL


def _spread(options: Options | Sequence[Options] | None, count: int) -> list[Options]:
    if options is None or isinstance(options, Options):
        return [options or Options()] * count
    return list(options)
