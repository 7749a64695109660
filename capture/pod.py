"""A capture pod: takes its share of the cameras, keeps them, hands them over, and tells how they fare.

Four tasks run side by side, so that none waits for another: `_watch` (time, fencing; never waits for the bus),
`_renew` (leases), `_share` (register, pods, who holds what) and `_tell` (states).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial

from capture import sharing
from capture.crew import Crew
from capture.keeper import Keeper
from capture.leases import Leases, Pods
from capture.publisher import Outlet
from capture.register import Register
from capture.state import Verdict
from capture.teller import Teller
from capture.wire import Beat, Ended, Frame, Said
from functions.shared import logs
from functions.shared.bus import Bus, ensure_topology
from functions.shared.config import CaptureSettings
from functions.shared.contracts import CameraState, CameraStatus, now
from functions.shared.errors import BusUnavailable
from functions.shared.topology import SIGHT_KV
from functions.shared.vault import Vault

log = logs.get("capture.pod")
WATCH_S, RENEW_S, SHARE_S, TELL_S = 0.2, 0.5, 0.7, 0.4
CLEAN_S = 30.0
FAILURES_IN_A_ROW = 10
HAND_OVER = 8  # cameras given up to another pod in one round, so that a new pod is not flooded
OUT_OF_HOURS = Verdict(CameraState.DISABLED, "schedule", "outside the hours in which it is read")
DISABLED = Verdict(CameraState.DISABLED, "disabled", "switched off by an operator")
NO_ROOM = Verdict(
    CameraState.OFFLINE, "no_room", "every capture pod holds as many cameras as it may: start another pod"
)
NO_KEY = Verdict(
    CameraState.OFFLINE, "credentials", "the stored address cannot be decrypted: add the old key to GTV_FERNET_KEYS"
)


def pod_name(settings: CaptureSettings) -> str:
    """The pod's name as a KV key."""
    name = settings.pod_id or f"{socket.gethostname()}-{os.getpid()}"
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in name)


def _refreshed(status: CameraStatus) -> CameraStatus:
    return status.model_copy(update={"updated_at": now()})


class Pod:
    def __init__(self, settings: CaptureSettings, bus: Bus, vault: Vault) -> None:
        self.pod_id = pod_name(settings)
        self.settings, self.bus = settings, bus
        self.leases = Leases(bus, self.pod_id)
        self.keepers: dict[str, Keeper] = {}
        self.crew = Crew(settings, self._heard, self._orphaned)
        self._pods = Pods(bus, self.pod_id, settings.max_cameras)
        self._register = Register(bus, vault)
        self._teller = Teller(bus)
        self._notes: dict[str, tuple[Verdict, CameraStatus]] = {}  # cameras that nobody holds, told by this pod
        self._stop = asyncio.Event()
        self._reconnects = self._count_reconnects()
        self._connected = True
        self._cleaned_at = 0.0
        self.watched_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then every lease is given up and every worker ends."""
        self._stop = stop
        log.info("pod_started", pod=self.pod_id, max_cameras=self.settings.max_cameras)
        try:
            async with asyncio.TaskGroup() as tasks:
                for step, pause in (
                    (self._watch, WATCH_S), (self._renew, RENEW_S), (self._share, SHARE_S), (self._tell, TELL_S)
                ):  # fmt: skip
                    tasks.create_task(self._every(step, pause))
        finally:
            await self._leave()

    # --- what workers say

    def _heard(self, message: Said, body: bytes) -> None:
        if isinstance(message, Beat):
            for report in message.reports:
                if report.camera_id in self.keepers:
                    self.keepers[report.camera_id].reported(report)
        elif isinstance(message, Frame) and message.camera_id in self.keepers:
            self.keepers[message.camera_id].frame(message, body)
        elif isinstance(message, Ended) and message.camera_id in self.keepers:
            log.info("reader_ended", camera_id=message.camera_id, code=message.code, reason=message.reason)
            self.keepers[message.camera_id].ended(message)

    def _orphaned(self, cameras: set[str], why: str) -> None:
        for camera_id in cameras:
            if camera_id in self.keepers:
                self.keepers[camera_id].orphaned()

    # --- the four steps

    async def _every(self, step: Callable[[], Awaitable[None]], pause_s: float) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                await step()
                failures = 0
            except BusUnavailable as error:
                log.warning("bus_away", step=step.__name__, reason=error.message)
            except Exception:
                # One camera's oddity must not end a hundred; a fault that stays ends the pod, and others take over.
                failures += 1
                log.exception("step_failed", step=step.__name__, failures=failures)
                if failures >= FAILURES_IN_A_ROW:
                    self._stop.set()
                    raise
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)

    async def _watch(self) -> None:
        self.watched_at = time.monotonic()
        self._watch_bus()
        self.crew.watch()
        for camera_id, keeper in list(self.keepers.items()):
            if self.leases.valid(camera_id):
                keeper.tick()
            else:
                self._drop(camera_id, "lease ran out")
                self.leases.forget(camera_id)

    def _watch_bus(self) -> None:
        connected, reconnects = self.bus.connected, self._count_reconnects()
        if not connected:
            self.leases.away()
        if self._connected and (not connected or reconnects != self._reconnects):
            self.leases.lost()
            self._pods.forget()
            self._register.forget_revision()
        self._connected, self._reconnects = connected, reconnects

    async def _renew(self) -> None:
        for camera_id in await self.leases.renew():
            self._drop(camera_id, "lease is lost")

    async def _share(self) -> None:
        if not self.bus.connected:
            return
        try:
            await self._pods.announce()
            changed = await self._register.refresh()
            live = await self._pods.live()
        except BusUnavailable:
            # Connected, yet something is missing: a restarted server has lost its memory buckets.
            await ensure_topology(self.bus)
            raise
        cameras = self._register.cameras
        at = now()
        wanted = sharing.assign((id_ for id_, camera in cameras.items() if camera.due(at) and camera.url), live)
        await self._apply_changes()
        await self._hand_over({id_ for id_ in self.keepers if wanted.get(id_) not in (None, self.pod_id)})
        mine = [id_ for id_, pod in wanted.items() if pod == self.pod_id and id_ not in self.keepers]
        for camera_id in mine:
            await self._take(camera_id)
        self._note_unheld(wanted, live)
        if changed or time.monotonic() - self._cleaned_at > CLEAN_S:
            await self._clean(live)

    async def _tell(self) -> None:
        if not self.bus.connected:
            return
        for camera_id, keeper in list(self.keepers.items()):
            if camera_id in self.keepers:
                await self._teller.tell(
                    camera_id, keeper.machine.verdict, partial(keeper.status, self.pod_id), keeper.facts
                )
                if keeper.sight_changed:
                    keeper.sight_changed = False
                    await self.bus.kv_put(SIGHT_KV, camera_id, keeper.sight.encode())
        for camera_id, (verdict, status) in list(self._notes.items()):
            await self._teller.tell(camera_id, verdict, partial(_refreshed, status))

    # --- inside

    async def _apply_changes(self) -> None:
        for camera_id, keeper in list(self.keepers.items()):
            camera = self._register.cameras.get(camera_id)
            if camera is None or not camera.due(now()) or camera.url is None:
                self._drop(camera_id, "deleted" if camera is None else "not to be read now")
                await self.leases.release(camera_id)
                if camera is None:
                    await self._teller.erase(camera_id)
                    await self.bus.kv_delete(SIGHT_KV, camera_id)
            elif camera.spec != keeper.spec:
                keeper.update(camera.spec, camera.url)

    async def _hand_over(self, cameras: set[str]) -> None:
        for camera_id in sorted(cameras)[:HAND_OVER]:
            self._drop(camera_id, "handed over")
            self._teller.drop(camera_id)
            await self.leases.release(camera_id)

    async def _take(self, camera_id: str) -> None:
        camera = self._register.cameras[camera_id]
        if camera.url is None or not await self.leases.take(camera_id):
            return
        log.info("camera_taken", camera_id=camera_id, pod=self.pod_id)
        self._notes.pop(camera_id, None)
        self._teller.drop(camera_id)
        outlet = Outlet(self.bus, camera_id, self.settings, lambda: self.leases.valid(camera_id))
        sight = (await self.bus.kv_get(SIGHT_KV, camera_id) or b"").decode(errors="replace")
        self.keepers[camera_id] = keeper = Keeper(camera.spec, camera.url, self.settings, self.crew, outlet)
        keeper.sight = sight
        keeper.tick()

    def _drop(self, camera_id: str, why: str) -> None:
        keeper = self.keepers.pop(camera_id, None)
        if keeper is not None:
            log.info("camera_dropped", camera_id=camera_id, why=why)
            keeper.close()

    def _note_unheld(self, wanted: dict[str, str], live: dict[str, int]) -> None:
        """The states of cameras that nobody holds, for which this pod speaks."""
        notes: dict[str, tuple[Verdict, CameraStatus]] = {}
        for camera_id, camera in self._register.cameras.items():
            if camera_id in wanted or sharing.speaker(camera_id, live) != self.pod_id:
                continue
            verdict = NO_ROOM if camera.url is not None else NO_KEY
            if not camera.due(now()):
                verdict = OUT_OF_HOURS if camera.spec.enabled else DISABLED
            old = self._notes.get(camera_id)
            since = old[1].since if old is not None and old[0] is verdict else now()
            notes[camera_id] = (verdict, self._plain_status(camera_id, verdict).model_copy(update={"since": since}))
        for camera_id in set(self._notes) - set(notes):
            self._teller.drop(camera_id)
        self._notes = notes

    @staticmethod
    def _plain_status(camera_id: str, verdict: Verdict) -> CameraStatus:
        return CameraStatus(
            camera_id=camera_id, state=verdict.state, reason=verdict.reason, reason_code=verdict.reason_code,
            since=now(), updated_at=now(),
        )  # fmt: skip

    async def _clean(self, live: dict[str, int]) -> None:
        """Remove the states of cameras that are not in the register any more."""
        for camera_id in await self._teller.known() - set(self._register.cameras):
            if sharing.speaker(camera_id, live) == self.pod_id:
                await self._teller.erase(camera_id)
        self._cleaned_at = time.monotonic()

    def _count_reconnects(self) -> int:
        return int(self.bus.client.stats["reconnects"])

    async def _leave(self) -> None:
        """Publish nothing more, then let go of the leases, so that others take over at once."""
        held = self.leases.held
        for camera_id in list(self.keepers):
            self._drop(camera_id, "the pod ends")
        ending = asyncio.create_task(self.crew.stop())
        if self.bus.connected:
            await asyncio.gather(self._pods.leave(), *(self.leases.release(camera_id) for camera_id in held))
        await ending
        log.info("pod_ended", pod=self.pod_id, cameras=len(held))
