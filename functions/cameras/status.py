"""How cameras fare: what their capture pods last said, and what to make of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from functions.cameras.feed import bus_soon
from functions.cameras.probe import MENDS
from functions.cameras.schemas import StatusView
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import CameraStatus, now
from functions.shared.errors import BusUnavailable, Misconfigured
from functions.shared.tables import Camera
from functions.shared.topology import STATUS_KV

# A pod writes a status at least every few seconds; one older than this is nobody's.
STALE = timedelta(seconds=15)
NO_POD = "no capture pod reports on it; is capture running, and has it room for one more camera?"

# What to do about what is wrong with a camera's pictures; the codes are those that capture gives (`capture.sight`).
SIGHT_MENDS = {
    "blocked": "go and look at the camera: something covers its lens or window",
    "dark": "check the camera's infrared light, its exposure and the street lamps",
    "glare": "lower the exposure, or turn the camera out of the sun and headlights",
    "moved": "turn the camera back, or accept what it shows now if that is right; then check its regions",
    "blurred": "clean the window and set the focus anew",
}
# What to do where less is read of a camera than was; the codes are those of `health`.
READING_MENDS = {
    "no_passages": "look at the camera's picture: it may look elsewhere, or the road is closed",
    "few_passages": "look at the camera's picture and its regions: part of the road may be out of sight",
    "few_plates": "look at what is not read: dirt, focus, shutter time, light; plates should be 20 px high or more",
    "uncertain": "shorten the shutter time, add light, or come closer: plates are small, blurred or dark",
    "small_plates": "zoom in or come closer: plates of less than 14 px are guessed rather than read",
}
# What to do about a state; beside what the probe knows of a stream, what can be wrong around it.
STATUS_MENDS = {
    **MENDS,
    **SIGHT_MENDS,
    "bus_away": "start NATS, or correct GTV_NATS_URL",
    "credentials": "give the camera its address again, or add the old key to GTV_FERNET_KEYS",
    "no_pod": "start capture, or one more capture pod",
    "no_room": "start one more capture pod, or raise GTV_MAX_CAMERAS",
    "slow": "check the network and the camera's own frame rate, or ask for fewer frames",
}


async def statuses(context: Context) -> Mapping[str, CameraStatus] | None:
    """What the pods last said, by camera; None when the bus is away."""
    try:
        return await read_statuses(await bus_soon(context))
    except (BusUnavailable, Misconfigured):
        return None


async def read_statuses(bus: Bus) -> Mapping[str, CameraStatus]:
    """What the pods last said, by camera. Raises BusUnavailable."""
    values = await bus.kv_all(STATUS_KV)
    return {name: status for name, value in values.items() if (status := _parsed(value)) is not None}


async def status_of(context: Context, camera: Camera) -> StatusView:
    """The status of one camera, `unknown` when the bus is away."""
    try:
        value = await (await bus_soon(context)).kv_get(STATUS_KV, camera.id)
    except (BusUnavailable, Misconfigured):
        return view(camera, None)
    status = _parsed(value) if value else None
    return view(camera, {camera.id: status} if status else {})


def view(camera: Camera, known: Mapping[str, CameraStatus] | None, at: datetime | None = None) -> StatusView:
    """What is true of a camera, given what its pod last said, and what to do where something is wrong."""
    found = _found(camera, known, at or now())
    return found.model_copy(update={"mend": STATUS_MENDS.get(found.reason_code, "")})


def _found(camera: Camera, known: Mapping[str, CameraStatus] | None, at: datetime) -> StatusView:
    if not camera.enabled:
        return StatusView(
            camera_id=camera.id, state="disabled", reason="it is switched off", reason_code="disabled",
            since=camera.updated_at,
        )  # fmt: skip
    if known is None:
        return StatusView(
            camera_id=camera.id, state="unknown", reason="the bus (NATS) is away, so nobody knows",
            reason_code="bus_away",
        )  # fmt: skip
    status = known.get(camera.id)
    # A camera that is enabled here and disabled there was just switched on; outside its hours it is neither's mistake.
    off = status is not None and status.state == "disabled" and status.reason_code != "schedule"
    if status is not None and at - status.updated_at <= STALE and not off:
        return StatusView.of(status)
    # Just made or switched on: a pod takes it within seconds.
    fresh = at - camera.updated_at <= STALE
    state = "provisioning" if fresh else "offline"
    if status is None:
        return StatusView(
            camera_id=camera.id, state=state, reason=NO_POD, reason_code="no_pod", since=camera.updated_at
        )  # fmt: skip
    return StatusView.of(status, state=state, reason=NO_POD, reason_code="no_pod", since=status.updated_at)


def _parsed(value: bytes) -> CameraStatus | None:
    try:
        return CameraStatus.model_validate_json(value)
    except ValidationError:
        return None
