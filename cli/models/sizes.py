"""The input sizes that a repository's detectors may be given, and the file that says so to the plate reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from functions.shared.errors import InvalidInput

STANDARD = "384x640"


@dataclass(frozen=True)
class InputSize:
    """A picture's long side in pixels, and the sides that an input may have, ascending, multiples of 32."""

    long_side: int
    sides: tuple[int, ...]
    text: str


INPUTS: Mapping[str, InputSize] = {
    "640": InputSize(640, (640,), "every picture in 640 x 640: one shape for all cameras, 16:9 with much grey"),
    STANDARD: InputSize(640, (384, 480, 640), "640 pixels on the long side, 384 x 640 for 16:9"),
    "320": InputSize(320, (192, 256, 320), "320 pixels on the long side, 192 x 320 for 16:9"),
}


def sizes_path(repository: Path) -> Path:
    return repository / "alpr" / "1" / "sizes.json"


def input_size(name: str) -> InputSize:
    """Raises InvalidInput for a name that is not in INPUTS."""
    if name not in INPUTS:
        raise InvalidInput(f"--input takes {', '.join(INPUTS)}, not {name}", field="input")
    return INPUTS[name]


def write_sizes(repository: Path, name: str) -> None:
    """Let the plate reader of a repository lay pictures into `name`'s sizes. The standard needs no file."""
    size, path = input_size(name), sizes_path(repository)
    if name == STANDARD:
        path.unlink(missing_ok=True)
        return
    path.write_text(json.dumps({"long_side": size.long_side, "sides": list(size.sides)}) + "\n")


def name_of(repository: Path) -> str | None:
    """Which of INPUTS a repository has; None when its file says something else."""
    try:
        found = json.loads(sizes_path(repository).read_text())
        told = (int(found["long_side"]), tuple(int(side) for side in found["sides"]))
    except FileNotFoundError:
        return STANDARD
    except (ValueError, KeyError, TypeError):
        return None
    return next((name for name, size in INPUTS.items() if (size.long_side, size.sides) == told), None)
