"""What the reader counts, for /metrics."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0)

READ = Counter("gtv_reader_frames_read_total", "Frames read and recorded")
DROPPED = Counter("gtv_reader_frames_dropped_total", "Frames not read, by reason", ["reason"])
FAILED = Counter("gtv_reader_frames_failed_total", "Frames whose reading failed, by the error's code", ["code"])
OBSERVATIONS = Counter("gtv_reader_observations_total", "Observations, by what became of them", ["outcome"])
PASSAGES = Counter("gtv_reader_passages_ended_total", "Passages that ended, by whether a plate was read", ["plate"])
CLOSED = Counter("gtv_reader_passages_closed_total", "Passages that ended, by how they did", ["how"])
REDERIVED = Counter("gtv_reader_rederivations_total", "Frames that came after later ones, whose passages were redone")
REGROUPED = Counter("gtv_reader_regrouped_total", "What late frames moved or merged", ["what"])
INFERENCE_SECONDS = Histogram("gtv_reader_inference_seconds", "Time that inference took for a frame", buckets=_SECONDS)
STORED_SECONDS = Histogram(
    "gtv_reader_capture_to_stored_seconds", "From the capture of a frame to its commit", buckets=_SECONDS
)
PREVIEW_SECONDS = Histogram(
    "gtv_reader_capture_to_preview_seconds", "From the capture of the first plate to the commit of its preview",
    buckets=_SECONDS,
)  # fmt: skip
FINAL_SECONDS = Histogram(
    "gtv_reader_last_seen_to_final_seconds", "From the last sighting to the commit of the final event", ["how"],
    buckets=_SECONDS,
)  # fmt: skip
WAITING = Gauge("gtv_reader_frames_waiting", "Frames that no reader has finished: the lag that scales the readers")
STEP_SECONDS = Counter(
    "gtv_reader_step_seconds_total",
    "Seconds that frames spent in each step; frames overlap",
    ["step"],
)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Count the time of the block, waiting included, as that of a step."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STEP_SECONDS.labels(name).inc(time.perf_counter() - started)
