"""Draws a camera's frames, writes them as H.264, and writes the truth of every passage beside the video."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from cli.demo.cutouts import Cutout, flipped, painted, with_plate
from cli.demo.glyphs import Image
from cli.demo.plates import Plate
from cli.demo.scenes import FPS, CameraSpec, Lane, Trip, plates_of
from cli.demo.sprites import Sprite
from cli.demo.street import paint_street

# A plate counts as readable from this height: in pixels for the reader, and as a part of the picture's height for the
# detector, which sees the picture reduced.
READABLE_PIXELS, READABLE_PART = 18.0, 0.026
_SHUTTER = 0.22  # of a frame's time
_NOISES = 10
_FADE_FRAMES = 12


@dataclass(frozen=True)
class Seen:
    """Where one vehicle is in one frame: its ground point, the scale, and its path since the frame before."""

    at: tuple[float, float]
    ppm: float
    moved: tuple[float, float]
    fade: float


class Passage:
    """One trip with its sprite and its place in every frame."""

    def __init__(self, spec: CameraSpec, trip: Trip, plate: Plate, sprite: Sprite) -> None:
        self.trip, self.plate, self.sprite = trip, plate, sprite
        self.lane: Lane = spec.lanes[trip.lane]
        self.first = round(trip.start * FPS)
        self._spots = list(self._course(spec))
        self.last = self.first + len(self._spots) - 1

    def _course(self, spec: CameraSpec) -> Iterator[Seen]:
        base = spec.view.ppm_at(spec.view.height_px)
        before: tuple[float, float] | None = None
        course = self.lane.course()
        for number, w in enumerate(course):
            ppm = base / w
            x, y = spec.view.project(self.lane.across, 0, ppm)
            at = (x, y + 0.6 * np.sin(number / 3.1) * ppm / base)
            moved = (0.0, 0.0) if before is None else ((at[0] - before[0]) * _SHUTTER, (at[1] - before[1]) * _SHUTTER)
            before = at
            far = len(course) - 1 - number if self.lane.away else number
            yield Seen(at, ppm, moved, min(1.0, (far + 1) / _FADE_FRAMES) if self.lane.far > 3 else 1.0)

    def at(self, frame: int) -> Seen | None:
        return self._spots[frame - self.first] if self.first <= frame <= self.last else None


def build_passages(spec: CameraSpec, cutouts: dict[str, Cutout]) -> list[Passage]:
    passages = []
    for number, (trip, plate) in enumerate(zip(spec.trips, plates_of(spec), strict=True)):
        cutout = cutouts[trip.vehicle]
        if trip.grey or trip.hue is not None:
            cutout = painted(cutout, None if trip.grey else trip.hue, trip.light)
        if spec.flip:
            cutout = flipped(cutout)
        passages.append(Passage(spec, trip, plate, Sprite(with_plate(cutout, plate, number), spec.light)))
    return passages


def _lit(picture: Image, spec: CameraSpec) -> Image:
    lit = picture.astype(np.float32) * np.array(spec.light.gain, np.float32)
    if spec.light.lamps:
        rng = np.random.default_rng(spec.street.seed)
        glow = np.zeros(picture.shape[:2], np.float32)
        for across, ppm in ((spec.street.road[0] - 0.8, k) for k in (150.0, 70.0, 34.0)):
            x, y = spec.view.project(across, 4.6, ppm)
            cv2.circle(glow, (int(x), int(y)), max(2, int(0.10 * ppm)), 1.0, -1)
            foot = spec.view.project(across + 2, 0, ppm)
            pool = np.zeros_like(glow)
            cv2.ellipse(pool, (int(foot[0]), int(foot[1])), (int(1.9 * ppm), int(0.6 * ppm)), 0, 0, 360, 0.16, -1)
            glow += cv2.GaussianBlur(pool, (0, 0), 0.42 * ppm)
        soft = cv2.GaussianBlur(glow, (0, 0), 9) + cv2.GaussianBlur(glow, (0, 0), 40) * 1.5
        lit += soft[..., None] * np.array((120, 190, 235), np.float32) * float(rng.uniform(0.9, 1.0))
    return np.clip(lit, 0, 255).astype(np.uint8)


def frames(spec: CameraSpec, passages: Sequence[Passage]) -> Iterator[Image]:
    """Every frame of one round, BGR uint8."""
    background = _lit(paint_street(spec.view, spec.street), spec)
    rng = np.random.default_rng(spec.street.seed)
    shape = (_NOISES, spec.view.height_px, spec.view.width)
    # Noise as an unsigned offset around `middle`, taken off again by one saturating subtraction.
    middle = 3 * spec.noise
    noises = np.clip(rng.normal(middle, spec.noise, shape), 0, 255).astype(np.uint8)
    for number in range(round(spec.duration * FPS)):
        frame = background.copy()
        present = [(seen, each) for each in passages if (seen := each.at(number)) is not None]
        for seen, each in sorted(present, key=lambda pair: pair[0].ppm):
            each.sprite.draw(frame, seen.at, seen.ppm, seen.moved, seen.fade)
        gain = spec.gain_at(number / FPS)
        grain = cv2.cvtColor(noises[int(rng.integers(_NOISES))], cv2.COLOR_GRAY2BGR)
        yield cv2.addWeighted(frame, gain, grain, 1.0, -middle).astype(np.uint8)


def _box(corners: tuple[float, float, float, float], spec: CameraSpec) -> list[float]:
    left, top, right, bottom = corners
    width, height = spec.view.width, spec.view.height_px
    clipped = (
        min(max(left, 0), width),
        min(max(top, 0), height),
        min(max(right, 0), width),
        min(max(bottom, 0), height),
    )
    return [round(value, 1) for value in clipped]


def _visible(box: list[float]) -> bool:
    return box[2] - box[0] > 8 and box[3] - box[1] > 8


def _plate_box(passage: Passage, seen: Seen) -> tuple[float, float, float, float]:
    corners = passage.sprite.plate_at(seen.at, seen.ppm)
    return (*map(float, corners.min(0)), *map(float, corners.max(0)))  # type: ignore[return-value]  # two and two


def plate_height(passage: Passage, seen: Seen) -> float:
    corners = passage.sprite.plate_at(seen.at, seen.ppm)
    return float((np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2)


def readable(spec: CameraSpec, passages: list[Passage], passage: Passage, frame: int) -> bool:
    """The plate is large enough, wholly in the picture, and no nearer vehicle covers it."""
    seen = passage.at(frame)
    least = max(READABLE_PIXELS, READABLE_PART * spec.view.height_px)
    if seen is None or plate_height(passage, seen) < least or seen.fade < 1:
        return False
    left, top, right, bottom = _plate_box(passage, seen)
    if left < 4 or top < 4 or right > spec.view.width - 4 or bottom > spec.view.height_px - 4:
        return False
    for other in passages:
        spot = other.at(frame)
        if other is passage or spot is None or spot.ppm <= seen.ppm:
            continue
        x0, y0, x1, y1 = other.sprite.box(spot.at, spot.ppm)
        if x0 < right and left < x1 and y0 < bottom and top < y1:
            return False
    return True


def truth_of(spec: CameraSpec, passages: list[Passage]) -> dict[str, object]:
    """What happens in the video: times in seconds of the video, boxes in pixels."""
    return {
        "version": 1,
        "camera": spec.name,
        "title": spec.title,
        "duration": float(spec.duration),
        "fps": FPS,
        "gop": spec.gop,
        "width": spec.view.width,
        "height": spec.view.height_px,
        "passages": [_passage_truth(spec, passages, number) for number in range(len(passages))],
    }


def _passage_truth(spec: CameraSpec, passages: list[Passage], number: int) -> dict[str, object]:
    passage = passages[number]
    visible, good, boxes = [], [], []
    for frame in range(passage.first, passage.last + 1):
        seen = passage.at(frame)
        assert seen is not None
        box = _box(passage.sprite.box(seen.at, seen.ppm), spec)
        if not _visible(box):
            continue
        visible.append(frame)
        if readable(spec, passages, passage, frame):
            good.append((plate_height(passage, seen), frame))
        if frame % FPS == 0:
            plate = _box(_plate_box(passage, seen), spec)
            boxes.append({"t": frame / FPS, "box": box, "plate_box": plate if _visible(plate) else None})
    times = [frame / FPS for _, frame in good]
    return {
        "id": f"{spec.name}-{number + 1:02d}",
        "plate": passage.plate.text,
        "plate_format": passage.plate.style.plate_format,
        "plate_style": passage.plate.style.value,
        "type": passage.sprite.kind,
        "t_enter": visible[0] / FPS,
        "t_exit": visible[-1] / FPS,
        "t_readable": [min(times), max(times)] if times else None,
        "t_plate": max(good)[1] / FPS if good else None,
        "plate_height": round(max(good)[0], 1) if good else 0.0,
        "boxes": boxes,
    }


def _encoder_options(gop: int, quality: int) -> dict[str, object]:
    params = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:sliced-threads=0:slices=1:threads=1"
    return {"preset": "veryfast", "crf": str(quality), "maxrate": "5M", "bufsize": "5M", "x264-params": params}


def write_video(
    path: Path,
    pictures: Iterator[Image],
    size: tuple[int, int],
    gop: int,
    on_frame: Callable[[int], None] | None = None,
    quality: int = 23,
) -> int:
    """H.264 at 25 frames/s, closed GOPs, no B-frames, one slice a picture. Returns the number of frames.

    `quality` is x264's constant rate factor: lower is better and larger.
    """
    count = 0
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 0
        stream.options = _encoder_options(gop, quality)
        for picture in pictures:
            planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")))
            count += 1
            if on_frame is not None and count % FPS == 0:
                on_frame(count)
        container.mux(stream.encode(None))
    return count


def render_camera(
    spec: CameraSpec, cutouts: dict[str, Cutout], video: Path, on_frame: Callable[[int], None] | None = None
) -> None:
    """Writes `video` and its truth (same name, .json). Either both appear or none."""
    partial = video.with_suffix(".partial.mp4")
    passages = build_passages(spec, cutouts)
    write_video(partial, frames(spec, passages), (spec.view.width, spec.view.height_px), spec.gop, on_frame)
    truth = truth_of(spec, passages)
    video.with_suffix(".json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    partial.replace(video)
