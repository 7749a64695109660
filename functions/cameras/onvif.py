"""Asking an ONVIF device who it is and which streams it has. A process of its own talks to it (`onvif_child`)."""

from __future__ import annotations

import json
import time
from weakref import WeakKeyDictionary

from functions.cameras import child
from functions.cameras.device_schemas import OnvifDevice, OnvifRequest
from functions.shared import camera_networks, logs
from functions.shared.context import Context
from functions.shared.errors import CameraUnavailable, Throttled

log = logs.get("cameras")
LIMIT_S = 20.0
AT_ONCE = 3
# A clock that is off by more makes other software's digests fail, and the times burnt into pictures lie.
CLOCK_S = 5.0
_running: WeakKeyDictionary[Context, int] = WeakKeyDictionary()

REASONS: dict[str, tuple[str, str]] = {
    "unauthorized": (
        "the device refused the user name or password",
        "check both; many cameras have users of their own for ONVIF, made in the camera's settings",
    ),
    "refused": (
        "nothing listens at this address and port",
        "check the port (80, 8000, 8080, 8899 and 2020 are usual) and that ONVIF is switched on in the camera",
    ),
    "unreachable": ("the address cannot be reached", "check the address, the cable or switch, and the firewall"),
    "silent": ("the device does not answer in time", "try again; restart the camera if it stays"),
    "not_onvif": (
        "what answers there does not speak ONVIF",
        "check the port, and that ONVIF is switched on in the camera",
    ),
    "redirects": (
        "the device sends us to another address, which is not followed",
        "use the port that it sends to; with https where it asks for that",
    ),
    "server_error": ("the device answered with an error of its own", "restart it, or bring its firmware up to date"),
    "broken": ("the device's answer is broken, too large, or not allowed", "bring its firmware up to date"),
    "failed": ("the device could not be asked", "try again; if it stays, add the camera by its RTSP address"),
}


async def probe(context: Context, asked: OnvifRequest) -> OnvifDevice:
    """Raises InvalidInput (the host), CameraUnavailable (reason and mend), Throttled."""
    if _running.get(context, 0) >= AT_ONCE:
        raise Throttled(f"{AT_ONCE} devices are being asked; try again in a few seconds", retry_after=5)
    _running[context] = _running.get(context, 0) + 1
    started = time.monotonic()
    try:
        host = asked.host.strip("[]")
        addresses = await camera_networks.resolve(host, "host")
        camera_networks.require_in(addresses, camera_networks.networks(context.settings.camera_networks), "host")
        # The checked address and not the name, which could lead elsewhere the next time.
        given = {
            "host": str(addresses[0]), "shown": host, "port": asked.port, "tls": asked.tls, "user": asked.user,
            "password": asked.password.get_secret_value(),
        }  # fmt: skip
        seconds = LIMIT_S - (time.monotonic() - started)
        answer = await child.ask("functions.cameras.onvif_child", json.dumps(given).encode(), seconds)
    finally:
        _running[context] -= 1
    reason = answer.get("reason")
    if reason is not None:
        what, mend = REASONS[reason]
        log.info("onvif_probe_failed", reason=reason)
        raise CameraUnavailable(f"{what}; {mend}", reason=reason, mend=mend)
    advertised = sorted({profile.pop("advertised") for profile in answer["profiles"]} - {"", host, str(addresses[0])})
    found = OnvifDevice(host=host, port=asked.port, seconds=round(time.monotonic() - started, 3), **answer)
    found.warnings = warnings_of(found, advertised)
    return found


def warnings_of(found: OnvifDevice, advertised: list[str]) -> list[str]:
    """What works but may surprise."""
    said = []
    if found.clock_offset_s is None:
        said.append("the device does not say what time it is")
    elif abs(found.clock_offset_s) > CLOCK_S:
        said.append(f"its clock is {found.clock_offset_s:+.0f} s off; set its NTP server")
    if advertised:
        said.append(f"it names {', '.join(advertised)} as its address; {found.host} was put in its place")
    if any("{password}" in (profile.stream_url or "") for profile in found.profiles):
        said.append("its stream's address holds the password; put it in the place of {password}")
    if not any(profile.stream_url for profile in found.profiles):
        said.append("it names no RTSP stream")
    return said
