"""What people corrected and confirmed, as a folder that `gtvision bench lpr` and training read.

labels.csv    image, x, y, width, height, plate, format, rows, light, source, note: the vehicle's picture with the
              plate's box in it, or the plate's picture alone where the vehicle's is gone
plates.csv    image, plate, format, rows: the plates' pictures, for training
vehicles/, plates/    the pictures, by the correction's id
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from cli.client import Client
from cli.reread.places import light_of, locate, size_of, tight
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.inference import Box

LABELS = ("image", "x", "y", "width", "height", "plate", "format", "rows", "light", "source", "note")
PLATES = ("image", "plate", "format", "rows")


@dataclass(frozen=True)
class Label:
    """One plate that a person vouches for, with its pictures; `place` is the plate's box in the vehicle's."""

    correction: Mapping[str, Any]
    rows: int | None
    plate: bytes
    vehicle: bytes | None
    place: Box | None

    @property
    def id(self) -> str:
        return str(self.correction["id"])

    def line(self) -> dict[str, Any]:
        """The line of labels.csv."""
        said = self.correction
        image, shown, box = f"plates/{self.id}.jpg", self.plate, self.place
        if self.vehicle is not None and box is not None:
            image, shown = f"vehicles/{self.id}.jpg", self.vehicle
        else:
            width, height = size_of(self.plate) or (0, 0)
            box = Box(x1=0, y1=0, x2=width, y2=height)
        box = tight(box)
        read = said["plate_before"] or "nothing"
        return {
            "image": image, "x": round(box.x1, 1), "y": round(box.y1, 1), "width": round(box.width, 1),
            "height": round(box.height, 1), "plate": said["plate_after"], "format": said["plate_format"] or "other",
            "rows": self.rows or "", "light": light_of(shown), "source": said["camera_id"],
            "note": "confirmed" if read == said["plate_after"] else f"read as {read}",
        }  # fmt: skip


def newest(corrections: Iterable[Mapping[str, Any]], which: str | None) -> list[Mapping[str, Any]]:
    """A detection's last word, newest first; `which` is changed, confirmed or None (both)."""
    last: dict[str, Mapping[str, Any]] = {}
    for one in corrections:
        last.setdefault(one["detection_id"], one)
    kinds = {True: "confirmed", False: "changed"}
    return [one for one in last.values() if which in (None, kinds[one["plate_before"] == one["plate_after"]])]


def export(client: Client, folder: Path, corrections: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Write the set; returns how many labels came from which picture, and what had to be left out."""
    _prepare(folder)
    done: Counter[str] = Counter()
    lines: list[dict[str, Any]] = []
    for said in track(list(corrections), "exporting", console=Console(stderr=True), transient=True):
        if said["plate_after"] is None:
            done["without a plate, left out"] += 1
            continue
        label = _label(client, said)
        if label is None:
            done["without a picture of the plate, left out"] += 1
            continue
        (folder / "plates" / f"{label.id}.jpg").write_bytes(label.plate)
        if label.vehicle is not None and label.place is not None:
            (folder / "vehicles" / f"{label.id}.jpg").write_bytes(label.vehicle)
        lines.append(label.line() | {"plate_image": f"plates/{label.id}.jpg"})
        done["vehicles" if label.place else "plates alone"] += 1
    _write(folder / "labels.csv", LABELS, lines)
    _write(folder / "plates.csv", PLATES, [line | {"image": line["plate_image"]} for line in lines])
    return done


def _prepare(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "labels.csv").is_file():
        raise InvalidInput(f"{folder} holds something else; name a new folder", field="dir")
    for name in ("vehicles", "plates"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _label(client: Client, said: Mapping[str, Any]) -> Label | None:
    plate = client.picture(f"/api/corrections/{said['id']}/plate.jpg")
    if plate is None or size_of(plate) is None:
        return None
    try:
        detection = client.get(f"/api/detections/{said['detection_id']}")
    except NotFound:
        return Label(said, None, plate, None, None)
    vehicle = client.picture(f"/api/detections/{said['detection_id']}/snapshot.jpg", kind="vehicle")
    return Label(said, detection["rows"], plate, vehicle, locate(vehicle, plate) if vehicle else None)


def _write(path: Path, columns: tuple[str, ...], lines: Iterable[Mapping[str, Any]]) -> None:
    draft = path.with_suffix(".part")
    with draft.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    draft.replace(path)
