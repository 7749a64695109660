"""The process that opens a stream for a probe: `python -m functions.cameras.probe_child SECONDS NETWORKS`.

The URL comes by stdin, where no list of processes shows it; one line of JSON goes out. The library may hang in here
for as long as it likes: the parent ends the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from functions.shared import rtsp
from functions.shared.errors import CameraUnavailable

# Rates that a stream may announce by mistake, e.g. its 90 kHz clock.
_CREDIBLE_FPS = 120.0
_MEASURED_PACKETS = 12


def probe(url: str, timeout_s: float, networks: Sequence[str]) -> dict[str, Any]:
    """Facts of a stream whose first picture has arrived. Raises CameraUnavailable."""
    container = rtsp.open_stream(url, timeout_s, networks)
    try:
        facts = rtsp.stream_facts(container)
        try:
            times = _times(container, 1 if facts.fps and facts.fps <= _CREDIBLE_FPS else _MEASURED_PACKETS)
        except Exception as error:
            raise rtsp.explain(error) from None
        fps = facts.fps if facts.fps and facts.fps <= _CREDIBLE_FPS else _measured(times)
        return {"codec": facts.codec, "width": facts.width, "height": facts.height, "fps": fps}
    finally:
        container.close()


def _times(container: Any, wanted: int) -> list[float]:
    """The times, in seconds, of the first packets. Raises CameraUnavailable when not one comes."""
    times: list[float] = []
    packets = 0
    for packet in container.demux(container.streams.video[0]):
        if packet.size == 0:
            break
        packets += 1
        if packet.pts is not None:
            times.append(float(packet.pts * packet.time_base))
        if packets >= wanted:
            break
    if not packets:
        raise rtsp.failure("ended")
    return times


def _measured(times: list[float]) -> float | None:
    steps = sorted(later - earlier for earlier, later in pairwise(times) if later > earlier)
    return round(1 / steps[len(steps) // 2], 2) if len(steps) >= 4 else None


def main() -> None:
    url = sys.stdin.readline().strip()
    try:
        answer = probe(url, float(sys.argv[1]), sys.argv[2].split(","))
    except CameraUnavailable as error:
        answer = {"reason": error.details["reason"]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
