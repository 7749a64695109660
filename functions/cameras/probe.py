"""A look at a camera: is it there, does it let us in, what does it send. At the most LIMIT_S, whatever happens.

The stream is opened in a process of its own (`child`), since a hung library can be ended in no other way.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from functions.cameras import child, urls
from functions.cameras.schemas import ProbeResult
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.errors import CameraUnavailable, Throttled
from functions.shared.rtsp import REASONS

log = logs.get("cameras")
LIMIT_S = 5.0
# Half of the limit: opening has two phases, and a camera that is silent in the first shall be named so.
OPEN_S = 2.0
AT_ONCE = 4
_running: WeakKeyDictionary[Context, int] = WeakKeyDictionary()

MENDS: dict[str, str] = {
    "bad_url": "write it as rtsp://USER:PASSWORD@HOST:554/PATH",
    "unauthorized": "check user and password; percent-encode special characters in them",
    "forbidden": "allow this user the stream in the camera's own settings",
    "not_found": "check the path after the host; it is in the camera's manual or its ONVIF page",
    "refused": "check the port (554 is usual) and that RTSP is switched on in the camera",
    "unreachable": "check the address, the cable or switch, and the firewall between here and the camera",
    "unknown_host": "check the host name, or use the IP address",
    "not_allowed": "correct the address, or let the administrator add its network to GTV_CAMERA_NETWORKS",
    "redirected": "enter the address to which the camera's server sends its callers",
    "silent": "restart the camera, or close other clients: many cameras serve only a few at once",
    "not_rtsp": "another service answers at this port; check the port (554 is usual)",
    "server_error": "restart the camera; if it stays, look at the camera's own log",
    "no_video": "choose a stream with video in the camera's settings or another path",
    "unsupported_codec": "set the camera to H.264 (or H.265)",
    "broken_stream": "check the network for loss; lower the camera's bit rate",
    "stalled": "check the network for loss; lower the camera's bit rate",
    "ended": "close other clients of the camera, then try again",
    "failed": "try again; if it stays, play the address in VLC to compare",
}


async def probe(context: Context, url: str) -> ProbeResult:
    """Open the stream at `url`. Raises InvalidInput (the address), CameraUnavailable (reason and mend), Throttled."""
    if _running.get(context, 0) >= AT_ONCE:
        raise Throttled(f"{AT_ONCE} probes are under way; try again in a few seconds", retry_after=int(LIMIT_S))
    _running[context] = _running.get(context, 0) + 1
    started, allowed = time.monotonic(), context.settings.camera_networks
    try:
        await urls.require_allowed(url, allowed)
        seconds = LIMIT_S - (time.monotonic() - started)
        answer = await child.ask("functions.cameras.probe_child", url.encode(), seconds, str(OPEN_S), ",".join(allowed))
    finally:
        _running[context] -= 1
    seconds = round(time.monotonic() - started, 3)
    reason = answer.get("reason")
    if reason is not None:
        log.info("probe_failed", reason=reason, seconds=seconds)
        raise CameraUnavailable(f"{REASONS[reason]}; {MENDS[reason]}", reason=reason, mend=MENDS[reason])
    result = ProbeResult(**answer, seconds=seconds)
    result.warnings = warnings_of(result)
    return result


def warnings_of(result: ProbeResult) -> list[str]:
    """What works but may surprise."""
    found = []
    if result.codec in ("hevc", "h265"):
        found.append("H.265: frames are read, but most browsers cannot show it live; H.264 shows everywhere")
    if not result.width or not result.height:
        found.append("the stream does not say its size; the first frames will")
    elif min(result.width, result.height) < 480:
        found.append(f"{result.width}x{result.height} is small: plates need about 100 pixels of width to be read")
    if result.fps is None:
        found.append("the stream does not say its frame rate")
    return found
