"""Leases: a camera belongs to the pod whose name stands in its key of the KV bucket, for as long as it is renewed.

The bucket lets a value die after `TTL_S`, counted by the server from when it took the value. A holder counts from
before it asked, less a margin: so it stops before anybody else can begin (fencing), whatever the network does.
After an outage of the bus the bucket may be new and empty. A holder claims its cameras again at once; nobody takes
a camera that it did not hold before every earlier holder had its chance or has fenced itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass

import nats.errors
import nats.js.errors

from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.errors import BusUnavailable
from functions.shared.topology import BUCKETS, LEASES_KV, PODS_KV

log = logs.get("capture.leases")
TTL_S = next(bucket.ttl_s for bucket in BUCKETS if bucket.name == LEASES_KV)
MARGIN_S = 1.0
RENEW_S = 2.5
_AWAY = (nats.errors.Error, OSError, asyncio.TimeoutError)
_REFUSED = nats.js.errors.Error


@dataclass
class Lease:
    revision: int
    valid_until: float  # monotonic, s
    renewed_at: float


class Leases:
    """The leases of one pod."""

    def __init__(self, bus: Bus, pod_id: str) -> None:
        self._bus, self._pod_id = bus, pod_id
        self._held: dict[str, Lease] = {}
        self._quiet_until = 0.0

    @property
    def held(self) -> set[str]:
        return set(self._held)

    def valid(self, camera_id: str) -> bool:
        """Whether this pod may publish this camera at this moment."""
        lease = self._held.get(camera_id)
        return lease is not None and time.monotonic() < lease.valid_until

    def lost(self) -> None:
        """The bus went away: take nothing new while a lease from before may hold."""
        self._quiet_until = time.monotonic() + TTL_S

    def away(self) -> None:
        """The bus is still away: once it is back every holder shall have had time to claim its cameras again."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + RENEW_S + MARGIN_S)

    async def take(self, camera_id: str) -> bool:
        """Claim a camera; False when another pod has it, or it is too early after an outage."""
        if self.valid(camera_id):
            return True
        if time.monotonic() < self._quiet_until:
            return False
        return await self._create(camera_id)

    def forget(self, camera_id: str) -> None:
        """The lease ran out: it is not renewed any more, and an answer that still comes counts for nothing."""
        self._held.pop(camera_id, None)

    async def renew(self) -> set[str]:
        """Renew what is due; returns the cameras that are lost: another pod's, or not renewed for the whole time."""
        now = time.monotonic()
        due = [camera_id for camera_id, lease in self._held.items() if now - lease.renewed_at >= RENEW_S]
        for start in range(0, len(due), 32):
            await asyncio.gather(*(self._renew(camera_id) for camera_id in due[start : start + 32]))
        lost = {camera_id for camera_id, lease in self._held.items() if time.monotonic() >= lease.valid_until}
        for camera_id in lost:
            self.forget(camera_id)
        return lost

    async def release(self, camera_id: str) -> None:
        """Give a camera up, so that another pod can take it at once."""
        lease = self._held.pop(camera_id, None)
        if lease is None:
            return
        with contextlib.suppress(BusUnavailable, *_AWAY, _REFUSED):
            async with asyncio.timeout(1.0):
                await (await self._bus.kv(LEASES_KV)).delete(camera_id, last=lease.revision)

    async def _create(self, camera_id: str) -> bool:
        asked = time.monotonic()
        before = self._held.get(camera_id)
        try:
            store = await self._bus.kv(LEASES_KV)
            revision = await store.create(camera_id, self._pod_id.encode())
        except (BusUnavailable, *_AWAY, _REFUSED):
            return False
        return await self._keep(camera_id, before, Lease(revision, asked + TTL_S - MARGIN_S, asked))

    async def _keep(self, camera_id: str, before: Lease | None, lease: Lease) -> bool:
        """Note a lease that was granted, unless the camera was let go of while the answer came."""
        current = self._held.get(camera_id)
        self._held[camera_id] = lease
        if current is before:
            return True
        await self.release(camera_id)
        return False

    async def _renew(self, camera_id: str) -> None:
        lease = self._held.get(camera_id)
        if lease is None:
            return
        asked = time.monotonic()
        try:
            store = await self._bus.kv(LEASES_KV)
            revision = await store.update(camera_id, self._pod_id.encode(), last=lease.revision)
        except nats.js.errors.KeyWrongLastSequenceError:
            await self._reclaim(camera_id, lease)
            return
        except (BusUnavailable, *_AWAY, _REFUSED) as error:
            log.debug("lease_not_renewed", camera_id=camera_id, reason=str(error) or type(error).__name__)
            return
        await self._keep(camera_id, lease, Lease(revision, asked + TTL_S - MARGIN_S, asked))

    async def _reclaim(self, camera_id: str, lease: Lease) -> None:
        """The key is not as it was left: the bucket is new, an answer was lost, or another pod has the camera."""
        if self._held.get(camera_id) is not lease or await self._create(camera_id):
            return
        asked = time.monotonic()
        with contextlib.suppress(BusUnavailable, *_AWAY, _REFUSED):
            entry = await (await self._bus.kv(LEASES_KV)).get(camera_id)
            if (entry.value or b"").decode() == self._pod_id:
                # Written by this pod although the answer never came: go on from there at the next renewal.
                await self._keep(camera_id, lease, Lease(entry.revision or 0, lease.valid_until, asked - RENEW_S))
            else:
                lease.valid_until = 0.0


class Pods:
    """The register of live pods with their capacity in cameras."""

    def __init__(self, bus: Bus, pod_id: str, capacity: int) -> None:
        self._bus, self._pod_id, self._capacity = bus, pod_id, capacity
        self._renewed_at = 0.0

    async def announce(self) -> None:
        """Say that this pod lives. Raises BusUnavailable."""
        now = time.monotonic()
        if now - self._renewed_at >= RENEW_S:
            await self._bus.kv_put(PODS_KV, self._pod_id, json.dumps({"capacity": self._capacity}).encode())
            self._renewed_at = now

    def forget(self) -> None:
        """Announce again at the next call, whatever was said before."""
        self._renewed_at = 0.0

    async def live(self) -> dict[str, int]:
        """Capacity by pod; this one is always among them. Raises BusUnavailable."""
        try:
            info = await self._bus.js.stream_info(f"KV_{PODS_KV}", subjects_filter=">")
        except (*_AWAY, _REFUSED) as error:
            raise BusUnavailable(f"the pods cannot be listed: {error or type(error).__name__}") from error
        pods = {self._pod_id: self._capacity}
        for subject in info.state.subjects or {}:
            pod_id = subject.rpartition(".")[2]
            value = None if pod_id == self._pod_id else await self._bus.kv_get(PODS_KV, pod_id)
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if value is not None:
                    pods[pod_id] = int(json.loads(value)["capacity"])
        return pods

    async def leave(self) -> None:
        with contextlib.suppress(BusUnavailable, asyncio.TimeoutError):
            async with asyncio.timeout(1.0):
                await self._bus.kv_delete(PODS_KV, self._pod_id)
