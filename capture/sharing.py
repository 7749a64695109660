"""Who holds which camera: rendezvous hashing over the live pods. Pure.

Every pod computes the same answer from the same facts, so none has to lead. When a pod comes or goes only the
cameras that it gains or loses move (Thaler and Ravishankar 1998, highest random weight).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping


def weight(pod: str, camera: str) -> int:
    """A number in [0, 2**64) that depends on the pair alone: the same in every process."""
    return int.from_bytes(hashlib.blake2b(f"{pod}\0{camera}".encode(), digest_size=8).digest(), "big")


def ranking(camera: str, pods: Iterable[str]) -> list[str]:
    """The pods, most preferred first."""
    return sorted(pods, key=lambda pod: (weight(pod, camera), pod), reverse=True)


def assign(cameras: Iterable[str], capacity: Mapping[str, int]) -> dict[str, str]:
    """The pod of each camera; a camera for which no pod has room is absent. `capacity` is in cameras, by pod."""
    room = dict(capacity)
    holders: dict[str, str] = {}
    for camera in sorted(cameras):
        for pod in ranking(camera, room):
            if room[pod] > 0:
                room[pod] -= 1
                holders[camera] = pod
                break
    return holders


def speaker(camera: str, pods: Iterable[str]) -> str | None:
    """The pod that tells the state of a camera which nobody holds (disabled, or no room); None without a pod."""
    order = ranking(camera, pods)
    return order[0] if order else None
