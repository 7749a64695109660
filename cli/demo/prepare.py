"""The demo's videos and truths: rendered once, kept under the data directory, started as RTSP cameras."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.demo.rtsp import Mount, RtspServer
from cli.demo.scenes import CAMERAS, FPS, CameraSpec
from functions.shared.errors import GTVisionError, Misconfigured, StorageFull

Progress = Callable[[str, int, int], None]
"""Called with a camera's name, the frames done and the frames in all."""
_SOURCES = ("glyphs", "plates", "cutouts", "bus", "street", "sprites", "scenes", "render")
_DEMO_PASSWORD = "demo-camera"
_queue: Any = None


@dataclass(frozen=True)
class DemoCamera:
    """One camera that is ready to be served. `user` and `password` are set where it asks for digest authentication.

    The password protects nothing: the camera answers on the loopback alone and shows a drawing.
    """

    name: str
    title: str
    file: Path
    truth: Path
    size: tuple[int, int]
    fps: int
    gop: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def fingerprint() -> str:
    """Changes with the code that draws and with the scenes."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def demo_folder(data_dir: Path) -> Path:
    return data_dir / "demo"


def _camera(spec: CameraSpec, folder: Path, mark: str) -> DemoCamera:
    video = folder / f"{spec.name}-{mark}.mp4"
    password = _DEMO_PASSWORD if spec.user else None
    size = (spec.view.width, spec.view.height_px)
    return DemoCamera(
        spec.name, spec.title, video, video.with_suffix(".json"), size, FPS, spec.gop, spec.user, password
    )


def prepare_demo(
    data_dir: Path,
    progress: Progress | None = None,
    *,
    wheels: Path | None = None,
    specs: Sequence[CameraSpec] = CAMERAS,
    jobs: int | None = None,
) -> list[DemoCamera]:
    """Renders what is missing or out of date, and answers all cameras. The second call does nothing.

    Raises Unavailable when the photographs cannot be fetched on the first run, StorageFull and Misconfigured when
    the videos cannot be written.
    """
    folder = demo_folder(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    mark = fingerprint()
    cameras = [_camera(spec, folder, mark) for spec in specs]
    due = [
        (spec, camera) for spec, camera in zip(specs, cameras, strict=True)
        if not (camera.file.exists() and camera.truth.exists())
    ]  # fmt: skip
    if due:
        _fetch_photographs(wheels)
        _render_all(due, wheels, progress or (lambda _name, _done, _total: None), jobs or os.cpu_count() or 1)
        _sweep(folder, mark, {spec.name for spec in specs})
    return cameras


def _fetch_photographs(wheels: Path | None) -> None:
    from cli.demo.cutouts import load_cutouts

    load_cutouts(wheels)


def _sweep(folder: Path, mark: str, names: set[str]) -> None:
    """Removes the videos of earlier versions."""
    for file in folder.iterdir():
        stem = file.name.split(".", 1)[0]
        name, _, other = stem.rpartition("-")
        if name in names and other != mark:
            file.unlink(missing_ok=True)


def _render_all(
    due: Sequence[tuple[CameraSpec, DemoCamera]], wheels: Path | None, progress: Progress, jobs: int
) -> None:
    context = multiprocessing.get_context("spawn")
    queue: Any = context.SimpleQueue()
    # The longest work first, so that the processes end together.
    ordered = sorted(due, key=lambda pair: -pair[0].duration * pair[0].view.width * pair[0].view.height_px)
    totals = {spec.name: round(spec.duration * FPS) for spec, _ in ordered}
    with ProcessPoolExecutor(min(jobs, len(ordered)), context, _start_worker, (queue,)) as pool:
        futures = [pool.submit(_render, spec, camera.file, wheels) for spec, camera in ordered]
        try:
            _follow(futures, queue, totals, progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for future in futures:
            future.result()
    for name, total in totals.items():
        progress(name, total, total)


def _follow(futures: list[Future[None]], queue: Any, totals: dict[str, int], progress: Progress) -> None:
    left = set(futures)
    while left:
        _, left = wait(left, timeout=0.2)
        while not queue.empty():
            name, done = queue.get()
            progress(name, done, totals[name])


def _start_worker(queue: Any) -> None:
    global _queue
    _queue = queue
    import cv2

    cv2.setNumThreads(1)


def _render(spec: CameraSpec, video: Path, wheels: Path | None) -> None:
    from cli.demo.cutouts import load_cutouts
    from cli.demo.render import render_camera

    try:
        render_camera(spec, load_cutouts(wheels), video, lambda done: _queue.put((spec.name, done)))
    except OSError as error:  # among them the errors of PyAV, which do not survive the way between processes
        raise _unwritable(video.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> GTVisionError:
    if error.errno == errno.ENOSPC:
        return StorageFull(f"{folder} is full: the demo's videos need about 40 MB", mend="free some space, start again")
    reason = error.strerror or type(error).__name__
    return Misconfigured(f"{folder} cannot be written: {reason}", mend="choose another folder with GTV_DATA_DIR")


def load_truth(file: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return truth


def find_truths(data_dir: Path) -> list[dict[str, Any]]:
    """The truths that belong to the rendered videos, newest version of each camera."""
    mark = fingerprint()
    return [load_truth(file) for file in sorted(demo_folder(data_dir).glob(f"*-{mark}.json"))]


def start_demo_cameras(cameras: Sequence[DemoCamera], port: int = 8554, server: RtspServer | None = None) -> RtspServer:
    """One RTSP server with all cameras, running. `server.login_url(camera.name)` is what a camera is registered with.

    `server.authenticates` is False where the wheel's server stands in for GStreamer's. The caller stops it.
    """
    server = server or RtspServer()
    server.start([Mount(each.name, each.file, each.user, each.password) for each in cameras], port)
    return server
