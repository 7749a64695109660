"""Why a stream cannot be read: stable words for machines, and what they mean."""

from __future__ import annotations

from functions.shared.errors import CameraUnavailable

REASONS: dict[str, str] = {
    "bad_url": "the address is not an rtsp:// or rtsps:// URL with a host",
    "unauthorized": "the camera refused the user name or password (401)",
    "forbidden": "the camera forbids this user the stream (403)",
    "not_found": "the camera has no stream at this path (404)",
    "refused": "nothing listens at the camera's address and port (connection refused)",
    "unreachable": "the camera's address cannot be reached over the network",
    "unknown_host": "the camera's host name has no address",
    "not_allowed": "the camera's address is where no camera may be",
    "redirected": "the camera's server sends its callers to another address, and redirects are not followed",
    "silent": "the camera accepts the connection but does not answer",
    "not_rtsp": "what answers at this address does not speak RTSP",
    "server_error": "the camera answered with an error of its own",
    "no_video": "the stream has no video, only sound or data",
    "unsupported_codec": "the stream's video codec cannot be decoded",
    "broken_stream": "the stream's data is broken",
    "stalled": "the stream was open but stopped sending",
    "ended": "the camera closed the stream",
    "failed": "the stream could not be read",
}


def failure(code: str, extra: str = "") -> CameraUnavailable:
    """The error of a reason code, in plain words; `extra` must carry no secret."""
    return CameraUnavailable(REASONS[code] + (f": {extra}" if extra else ""), reason=code)
