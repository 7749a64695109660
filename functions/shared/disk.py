"""Room on the disks of the platform's own files. What is short of room is said; nothing is deleted for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from functions.shared.config import FunctionSettings
from functions.shared.errors import StoreUnavailable

_SIZE = re.compile(r"(\d+(?:\.\d+)?)(%|[KMGT])?B?")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
# Once low, a disk has room again only when it has this much more than the least: no alarm flutters.
_AGAIN = 1.1
Stat = Callable[[Path], os.statvfs_result]


@dataclass(frozen=True)
class Disk:
    """The disk of a place; sizes in bytes. `least`: free space below which it is low."""

    place: str
    path: Path
    total: int
    free: int
    least: int

    @property
    def low(self) -> bool:
        return self.free < self.least

    @property
    def has_room_again(self) -> bool:
        return self.free >= min(self.least * _AGAIN, self.total)

    @property
    def share(self) -> float:
        return self.free / self.total if self.total else 0.0


def least_of(text: str, total: int) -> int:
    """Bytes of `10%` or `5GB` (powers of two) of a disk of `total` bytes."""
    found = _SIZE.fullmatch(text)
    assert found is not None  # the setting's pattern
    number, unit = float(found[1]), found[2]
    return int(total * number / 100 if unit == "%" else number * _UNITS.get(unit or "", 1))


def places(settings: FunctionSettings) -> dict[str, Path]:
    """The folders that the platform writes: of its data and, where it is elsewhere, of the images."""
    found = {"data": settings.data_dir}
    parts = urlsplit(settings.store_url)
    if parts.scheme == "file" and parts.path:
        found["images"] = Path(parts.path)
    return found


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def disks(settings: FunctionSettings, stat: Stat = os.statvfs) -> list[Disk]:
    """Each of the disks once. Raises StoreUnavailable when one cannot be asked."""
    found: dict[int, Disk] = {}
    for place, path in places(settings).items():
        there = _existing(path)
        try:
            device, asked = there.stat().st_dev, stat(there)
        except OSError as error:
            raise StoreUnavailable(f"the disk of {place} cannot be asked: {error.strerror}") from error
        total = asked.f_blocks * asked.f_frsize
        disk = Disk(place, there, total, asked.f_bavail * asked.f_frsize, least_of(settings.disk_free_min, total))
        found.setdefault(device, disk)
    return list(found.values())


def size(number: float) -> str:
    """Bytes for people.

    >>> size(1536), size(5 << 30)
    ('1.5 KB', '5.0 GB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"
