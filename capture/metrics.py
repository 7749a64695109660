"""/metrics and /_/health of a capture pod, read from it at each scrape; labels carry camera ids, never addresses."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from capture.keeper import Keeper
from capture.pod import Pod
from capture.sight import CODES
from functions.shared.contracts import CameraState
from functions.shared.side_page import SidePage

STUCK_S = 10.0
DROPS = ("still", "late", "bus", "stale", "encode", "lease")


class PodCollector(Collector):
    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def collect(self) -> Iterator[Metric]:
        keepers = list(self._pod.keepers.values())
        leases = len(self._pod.leases.held)
        yield GaugeMetricFamily("gtv_capture_leases_held", "cameras that this pod holds", value=leases)
        yield GaugeMetricFamily("gtv_capture_workers", "worker processes", value=len(self._pod.crew.pids))
        yield from _counters(keepers)
        yield from _gauges(keepers)


def _counters(keepers: list[Keeper]) -> Iterator[Metric]:
    published = CounterMetricFamily("gtv_capture_frames_published", "frames that the bus took", labels=["camera_id"])
    dropped = CounterMetricFamily(
        "gtv_capture_frames_dropped", "sampled frames not published", labels=["camera_id", "reason"]
    )
    restarts = CounterMetricFamily("gtv_capture_restarts", "streams opened again", labels=["camera_id"])
    watchdog = CounterMetricFamily(
        "gtv_capture_watchdog_restarts", "streams opened again since no frame came", labels=["camera_id"]
    )
    for keeper in keepers:
        camera = [keeper.spec.camera_id]
        published.add_metric(camera, keeper.outlet.published)
        counts = keeper.dropped()
        for reason in DROPS:
            dropped.add_metric([*camera, reason], counts.get(reason, 0))
        restarts.add_metric(camera, keeper.restarts)
        watchdog.add_metric(camera, keeper.watchdog_restarts)
    yield from (published, dropped, restarts, watchdog)


def _gauges(keepers: list[Keeper]) -> Iterator[Metric]:
    up = GaugeMetricFamily("gtv_capture_camera_up", "1 when the camera is online", labels=["camera_id"])
    age = GaugeMetricFamily("gtv_capture_last_frame_age_seconds", "since the last decoded frame", labels=["camera_id"])
    mode = GaugeMetricFamily("gtv_capture_decode_mode", "1 for the mode in use", labels=["camera_id", "mode"])
    faults = GaugeMetricFamily("gtv_capture_picture_fault", "1 while it lasts", labels=["camera_id", "fault"])
    for keeper in keepers:
        camera = [keeper.spec.camera_id]
        for code in CODES:
            faults.add_metric([*camera, code], float(code in keeper.faults))
        up.add_metric(camera, float(keeper.machine.verdict.state is CameraState.ONLINE))
        if keeper.last_frame is not None:
            age.add_metric(camera, max(0.0, time.time() - keeper.last_frame.timestamp()))
        for name in ("keyframes", "all"):
            mode.add_metric([*camera, name], float(keeper.decode == name))
    yield from (up, age, mode, faults)


def page_of(pod: Pod, host: str, port: int) -> SidePage:
    """What a pod says of itself, until `close`. Raises Misconfigured when the port is in use."""
    registry = CollectorRegistry()
    registry.register(PodCollector(pod))

    def health() -> tuple[bool, str]:
        well = time.monotonic() - pod.watched_at < STUCK_S
        return well, "ok" if well else "the event loop hangs"

    def ready() -> tuple[bool, str]:
        return pod.bus.connected, "ok" if pod.bus.connected else "the bus is away"

    return SidePage(registry, {"/_/health": health, "/_/ready": ready}, (host, port), "GTV_METRICS_PORT")
