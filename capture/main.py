"""Wiring of a capture pod: settings, bus, vault, metrics, signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from capture.metrics import page_of
from capture.pod import Pod, pod_name
from functions.shared import logs
from functions.shared.bus import Bus, connect, ensure_topology
from functions.shared.camera_networks import networks
from functions.shared.config import CaptureSettings, load
from functions.shared.errors import BusUnavailable, GTVisionError
from functions.shared.exits import OK, exit_code
from functions.shared.vault import Vault

log = logs.get("capture.main")


async def run(settings: CaptureSettings, stop: asyncio.Event) -> None:
    """Hold cameras until `stop`. Raises Misconfigured; waits for a bus that is away."""
    vault = Vault.open(settings)
    bus = await _bus(settings, stop)
    if bus is None:
        return
    try:
        pod = Pod(settings, bus, vault)
        server = page_of(pod, settings.metrics_host, settings.metrics_port) if settings.metrics_port else None
        try:
            await pod.run(stop)
        finally:
            if server is not None:
                await asyncio.to_thread(server.close)
    finally:
        await bus.close()


async def _bus(settings: CaptureSettings, stop: asyncio.Event) -> Bus | None:
    """The bus with its topology, however long NATS takes to appear; None when `stop` came first."""
    bus: Bus | None = None
    while not stop.is_set():
        try:
            if bus is None:
                bus = await connect(settings, f"capture {pod_name(settings)}", wait_s=5.0)
            await ensure_topology(bus)
            return bus
        except BusUnavailable as error:
            log.warning("bus_away", reason=error.message)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
    if bus is not None:
        await bus.close()
    return None


async def _until_signal(settings: CaptureSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def main() -> int:
    logs.configure()
    try:
        settings = load(CaptureSettings)
        logs.configure(settings.log_level, settings.log_format)
        # Asked at each opening, where a wrong one would look like a fault of the camera.
        networks(settings.camera_networks)
        asyncio.run(_until_signal(settings))
    except GTVisionError as error:
        log.error("capture_failed", reason=error.message, mend=error.details.get("mend", ""))
        return exit_code(error)
    return OK
