"""The model repository in this process: the plate reader of `alpr` over ONNX Runtime sessions, in worker threads.

Several frames side by side, each on its own core, are read with less CPU than one frame on all cores: the cores then
wait for each other at no operator, and while one worker cuts and decodes the other's model computes.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

from functions.shared.errors import BrokenImage, InferenceUnavailable, Misconfigured
from functions.shared.inference import Ask, Effort, FrameReading, probe_picture

MODELS = ("vehicle_detector", "plate_detector", "plate_corners", "plate_ocr", "plate_reader")
MOST_TOGETHER = 2
"""Frames joined into one batch: on a CPU more of them gain nothing, and wait for each other."""
MEND = "run: gtvision models fetch"


class _Job:
    """One frame that waits for a worker."""

    def __init__(self, frame: bytes, ask: Ask) -> None:
        self.frame = frame
        self.ask = ask
        self.answer: Future[FrameReading] = Future()


class EmbeddedInference:
    """Reads frames with the models of a repository: as many at once as there are cores. A few of those that wait are
    read as one batch.
    """

    def __init__(
        self, repository: Path, *, max_in_flight: int, timeout_s: float, threads: int, effort: Effort | None = None
    ) -> None:
        self._paths = model_paths(repository)
        self._reader = load_reader(repository)
        self._timeout_s = timeout_s
        workers, self._threads_each = shared_out(threads or len(os.sched_getaffinity(0)), max_in_flight)
        self._effort = effort or Effort()
        self._places = asyncio.Semaphore(max_in_flight)
        self._jobs: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._idle = 0
        self._sessions: dict[str, Any] = {}
        self._loading = threading.Lock()
        self._workers = [
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True) for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        """See Inference.read. A frame that is not begun when its time is over is never begun."""
        job = _Job(jpeg, ask or Ask())
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                with self._wake:
                    if self._closing:
                        raise InferenceUnavailable("the embedded engine is closed")
                    self._jobs.append(job)
                    self._wake.notify()
                return await asyncio.wrap_future(job.answer)
        except TimeoutError:
            raise InferenceUnavailable(
                f"a frame was not read within {self._timeout_s:g} s: more frames come than this machine can read"
            ) from None

    async def check(self) -> None:
        """See Inference.check."""
        await self.read(probe_picture())

    async def close(self) -> None:
        """See Inference.close. Frames that wait get InferenceUnavailable."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        for worker in self._workers:
            await asyncio.to_thread(worker.join)
        while self._jobs:
            _fail(self._jobs.popleft(), InferenceUnavailable("the embedded engine is closed"))

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            while jobs := self._next_jobs():
                self._answer(loop, jobs)
        finally:
            loop.close()

    def _next_jobs(self) -> list[_Job]:
        """This worker's share of the frames that wait, at most MOST_TOGETHER; empty when the engine closes."""
        while True:
            with self._wake:
                self._idle += 1
                self._wake.wait_for(lambda: self._jobs or self._closing)
                share = math.ceil(len(self._jobs) / self._idle)
                self._idle -= 1
                if self._closing:
                    return []
                taken = [self._jobs.popleft() for _ in range(min(share, MOST_TOGETHER))]
            alive = [job for job in taken if job.answer.set_running_or_notify_cancel()]
            if alive:
                return alive

    def _answer(self, loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
        try:
            self._load()
            options = [self._options(job.ask) for job in jobs]
            read = self._reader.pipeline.read_frames([job.frame for job in jobs], self._infer, options)
            results = [_result(answer) for answer in loop.run_until_complete(read)]
        except Misconfigured as error:
            for job in jobs:
                _fail(job, error)
            return
        except Exception as error:
            # Whatever the models or OpenCV raise, the frames get an answer and the thread lives on.
            for job in jobs:
                _fail(job, InferenceUnavailable(f"the models failed: {type(error).__name__}: {error}"))
            return
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, BrokenImage):
                _fail(job, result)
            else:
                job.answer.set_result(result)

    def _options(self, ask: Ask) -> Any:
        return self._reader.pipeline.Options(
            views=self._effort.views,
            fallback=self._effort.fallback,
            formats=ask.formats,
            min_plate_height=ask.min_plate_height,
        )

    async def _infer(self, model: str, images: Any) -> Any:
        return self._sessions[model].run(list(self._reader.pipeline.OUTPUTS[model]), {"images": images})

    def _load(self) -> None:
        """Make the sessions, once, in the first thread that uses them."""
        with self._loading:
            if len(self._sessions) < len(self._paths):
                self._make_sessions()

    def _make_sessions(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads_each
        options.inter_op_num_threads = 1
        # Idle threads must not spin: other parts of the stack want the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        for name, path in self._paths.items():
            try:
                self._sessions[name] = onnxruntime.InferenceSession(
                    str(path), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:
                # ONNX Runtime's errors have no common base but Exception.
                raise Misconfigured(f"{path} cannot be loaded: {error}", mend=MEND) from error


def shared_out(cores: int, most: int) -> tuple[int, int]:
    """(workers, cores of each) for at most so many frames at once."""
    workers = max(1, min(cores, most))
    return workers, max(1, cores // workers)


def _result(answer: object) -> FrameReading | BrokenImage:
    """The plate reader's answer for one frame, in the kernel's types."""
    return BrokenImage(str(answer)) if isinstance(answer, Exception) else FrameReading.model_validate(answer)


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)


def model_paths(repository: Path) -> dict[str, Path]:
    """Each model's file. Raises Misconfigured naming what is missing."""
    paths = {name: repository / name / "1" / "model.onnx" for name in MODELS}
    reader = repository / "alpr" / "1" / "platereader" / "__init__.py"
    missing = [str(path) for path in (*paths.values(), reader) if not path.is_file()]
    if missing:
        raise Misconfigured(f"model file missing: {', '.join(missing)}", mend=MEND)
    return paths


def load_reader(repository: Path) -> ModuleType:
    """The plate reader's package from the repository, with its `pipeline`. It is loaded once per repository."""
    folder = (repository / "alpr" / "1" / "platereader").resolve()
    name = f"_platereader_{abs(hash(str(folder))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise Misconfigured(f"{folder} cannot be loaded", mend=MEND)
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    try:
        spec.loader.exec_module(package)
        importlib.import_module(f"{name}.pipeline")
    except ImportError as error:
        del sys.modules[name]
        raise Misconfigured(
            f"the plate reader needs the package {error.name}", mend="pip install 'gt-vision[embedded]'"
        ) from error
    return package
