"""Opening an RTSP stream by PyAV, and what its errors mean: shared by capture and the probe of `cameras`.

PyAV's exceptions quote the URL with its password, so none of their text leaves this module. Blocking: call it in a
thread. `av` is loaded at the first call, so that importing this costs a function nothing.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from functions.shared import rtsp_place
from functions.shared.errors import CameraUnavailable
from functions.shared.rtsp_reasons import REASONS, failure

__all__ = ["REASONS", "StreamFacts", "check", "explain", "failure", "open_stream", "redacted", "stream_facts"]
SCHEMES = ("rtsp", "rtsps")
# A stream may name nothing but its own transport: without this a playlist or redirect could read local files.
PROTOCOLS = "rtsp,rtsps,rtp,srtp,tcp,tls"
# 8K and somewhat more. A few bytes can announce a picture whose decoding would take the memory of the whole machine.
MAX_PIXELS = 40_000_000


def redacted(url: str) -> str:
    """The URL without user, password and query, for logs and messages.

    >>> redacted("rtsp://op:p@ss@10.0.0.7:554/live?token=x")
    'rtsp://10.0.0.7:554/live'
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return "***"
    return f"{scheme}://{rest.rpartition('@')[2].split('?')[0]}"


@dataclass(frozen=True)
class StreamFacts:
    """What a stream says of its video: size in pixels (0: not said), frame rate in frames/s (None: not said)."""

    codec: str
    width: int
    height: int
    fps: float | None


def open_stream(url: str, timeout_s: float, networks: Sequence[str]) -> Any:
    """Open an RTSP stream over TCP and return the PyAV container, whose first video stream can be decoded.

    Only at an address within `networks` (GTV_CAMERA_NETWORKS), and never at another one that its server names:
    `rtsp_place`. A later read that waits `timeout_s` raises (FFmpeg's first expiry only flushes its parser, the second
    one raises: hence half of it is set). Opening has phases of at most `timeout_s` each; a caller with a hard limit
    bounds it itself. Raises CameraUnavailable with `details["reason"]`, one of REASONS.
    """
    check(url)
    place = rtsp_place.reach(url, timeout_s, networks)
    container = _open_place(place, timeout_s)
    try:
        rtsp_place.require_peer(place)
        _bound(container)
    except CameraUnavailable:
        container.close()
        raise
    return container


# Some servers answer 5XX while they still clear away what they were asked before: pauses between tries, s.
_CLEARING_S = (0.1, 0.3, 0.6)


def _open_place(place: rtsp_place.Place, timeout_s: float) -> Any:
    for pause_s in (*(_CLEARING_S if place.described else ()), None):
        started = time.monotonic()
        try:
            return _open(place.url, timeout_s, video_only=True)
        except Exception as error:
            if pause_s is None or explain(error).details["reason"] != "server_error":
                waited_s = time.monotonic() - started
                rtsp_place.require_no_redirect(place, timeout_s / 2)
                raise _explain_open(error, place.url, timeout_s, waited_s) from None
        time.sleep(pause_s)
    raise failure("server_error")


def _bound(container: Any) -> None:
    """Keep the decoder off pictures over MAX_PIXELS, also off those that the stream changes to later."""
    facts = stream_facts(container)
    if facts.width * facts.height > MAX_PIXELS:
        raise failure("unsupported_codec", f"{facts.width} x {facts.height} pixels are too many")
    container.streams.video[0].codec_context.options = {"max_pixels": str(MAX_PIXELS)}


def stream_facts(container: Any) -> StreamFacts:
    """Codec, size and rate of the first video stream. Raises CameraUnavailable: no_video, unsupported_codec."""
    if not container.streams.video:
        raise failure("no_video")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or not context.name:
        raise failure("unsupported_codec")
    rate = stream.average_rate or stream.guessed_rate
    return StreamFacts(context.name, context.width or 0, context.height or 0, float(rate) if rate else None)


def check(url: str) -> None:
    """Raises CameraUnavailable (bad_url) unless this is an RTSP URL with a host."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(ord(letter) < 33 for letter in url):
        raise failure("bad_url")


def explain(error: BaseException) -> CameraUnavailable:
    """What an error of PyAV while reading means. Never raises, never quotes the error's text."""
    if isinstance(error, CameraUnavailable):
        return error
    for name in (type_.__name__ for type_ in type(error).__mro__):
        if name in _CODES:
            return failure(_CODES[name])
    return failure(_ERRNO.get(getattr(error, "errno", None) or 0, "failed"))


# By class name, most special first along the MRO: `av` stays unloaded, and its classes inherit from built-in ones.
_CODES: dict[str, str] = {
    "HTTPUnauthorizedError": "unauthorized",
    "HTTPForbiddenError": "forbidden",
    "HTTPNotFoundError": "not_found",
    "HTTPClientError": "server_error",
    "HTTPServerError": "server_error",
    "ConnectionRefusedError": "refused",
    "ConnectionResetError": "ended",
    "ConnectionAbortedError": "ended",
    "BrokenPipeError": "ended",
    "EOFError": "ended",
    "TimeoutError": "stalled",
    "ExitError": "stalled",
    "DecoderNotFoundError": "unsupported_codec",
    "PatchWelcomeError": "unsupported_codec",
    "InvalidDataError": "broken_stream",
    "ProtocolNotFoundError": "bad_url",
}
_ERRNO: dict[int, str] = {
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EIO: "unreachable",
}


def _open(url: str, timeout_s: float, *, video_only: bool) -> Any:
    import av

    options = {
        "rtsp_transport": "tcp", "timeout": str(int(timeout_s * 1e6)), "protocol_whitelist": PROTOCOLS,
        "probesize": "500000", "analyzeduration": "500000",
    }  # fmt: skip
    if video_only:
        options["allowed_media_types"] = "video"  # sound is never fetched: it is nobody's business here
    return av.open(url, options=options, timeout=(timeout_s, timeout_s / 2))


def _explain_open(error: Exception, url: str, timeout_s: float, waited_s: float) -> CameraUnavailable:
    found = explain(error)
    code = found.details["reason"]
    if code == "stalled":
        # While opening, a time-out before the peer was reached and one after it look alike.
        return failure("silent" if _accepts(url) else "unreachable")
    if code == "broken_stream":
        return failure("silent" if waited_s > 0.9 * timeout_s else "not_rtsp")
    if code == "server_error" and _has_no_video(url, timeout_s):
        return failure("no_video")
    return found


def _has_no_video(url: str, timeout_s: float) -> bool:
    """A server of which only video is asked answers 4XX when it has none: ask it for anything.

    Some answer 5XX while they still clear away the session that was refused, hence more than one try.
    """
    for pause_s in (0.0, 0.2, 0.5):
        time.sleep(pause_s)
        try:
            container = _open(url, timeout_s, video_only=False)
        except Exception as error:
            if explain(error).details["reason"] != "server_error":
                return False
            continue
        try:
            return not container.streams.video
        finally:
            container.close()
    return False


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (322 if parts.scheme == "rtsps" else 554)


def _accepts(url: str) -> bool:
    try:
        socket.create_connection(_address(url), timeout=1.0).close()
    except OSError:
        return False
    return True
