"""Hard plates that are drawn, the same ones for the same seed: a labelled set whose truth is known.

Plates, light and camera are those of the generator that the plate reader is trained with (other seeds, other scenes);
the vehicles are real ones, cut out of photographs, and drawn motorcycles. So the set measures the whole pipeline on
small, dark, slanted, dirty and blurred plates, and it says nothing of faces that the generator does not know.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from functions.shared.errors import InvalidInput, Misconfigured

GENERATOR = Path(__file__).resolve().parents[2] / "triton_models" / "training" / "synthesis"
FIRST = 7_000_000_000
"""Seeds of this set's plates start here: the reader's training uses smaller ones, so it has seen none of these."""
COLUMNS = ("image", "x", "y", "width", "height", "plate", "format", "rows", "light", "source", "note")
QUALITY = 92
MARK = "set.json"
TWO_ROWS, OLD = 0.3, 0.45
"""The shares of plates with two rows and of the old format."""
HOLES = {"6": 1, "9": 1, "S": 0}
_LEAST_HOLE = 6
"""Pixels of a glyph 72 high: less is a nick of the pen."""
Picture = npt.NDArray[Any]


@dataclass(frozen=True)
class Drawing:
    """One picture (uint8 BGR) with the labels.csv fields of its plate, `image` excepted."""

    picture: Picture
    fields: dict[str, str]


@dataclass(frozen=True)
class Order:
    """`count` pictures of `seed`; `crops`: the plate with a strip about it in place of a scene."""

    count: int
    seed: int
    crops: bool = False


def load_generator(folder: Path = GENERATOR) -> ModuleType:
    """The generator's package, with `assembly`. Raises Misconfigured where the source tree is not at hand."""
    name = "_plate_synthesis"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not (folder / "assembly.py").is_file():
        raise Misconfigured(f"there is no generator at {folder}", mend="run it from a checkout of the source")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    try:
        spec.loader.exec_module(package)
        importlib.import_module(f"{name}.assembly")
    except BaseException:
        del sys.modules[name]
        raise
    return package


def draw(order: Order, number: int) -> Drawing:
    """Picture `number` of the set, whatever was drawn before it."""
    rng = np.random.default_rng((FIRST + order.seed, number))
    generator = load_generator()
    if order.crops:
        spec = random_plate(generator, rng)
        found = generator.assembly.seen(rng, spec, generator.plates.draw(spec), True)
        return Drawing(found.picture, fields(found, "crop"))
    from cli.bench.synthetic_scenes import draw_scene

    return draw_scene(generator, rng)


def random_plate(generator: ModuleType, rng: np.random.Generator) -> Any:
    """A plate (the generator's Spec) whose text follows its format and whose characters are what they should be."""
    plates, assembly = generator.plates, generator.assembly
    two, old = bool(rng.random() < TWO_ROWS), bool(rng.random() < OLD)
    layout = (plates.OLD_ROWS if old else plates.MERCOSUL_ROWS) if two else (plates.OLD if old else plates.MERCOSUL)
    while True:
        spec = plates.random_spec(rng, layout)
        if assembly.follows(spec) and legible(generator, spec):
            return spec


def legible(generator: ModuleType, spec: Any) -> bool:
    """Whether no 6, 9 or S of the plate has closed into an 8: in heavy faces a hook may run into the bowl, and nobody
    could say then what the plate reads.
    """
    return all(
        holes(generator, character, spec.face) == HOLES[character] for character in set(spec.text) & HOLES.keys()
    )


def holes(generator: ModuleType, character: str, face: Any) -> int:
    """How many pieces of the ground a character of this face encloses."""
    import cv2

    mask = np.zeros((84, 52), np.uint8)
    generator.plates.draw_character(mask, character, (6, 6, 46, 78), face)
    _, _, pieces, _ = cv2.connectedComponentsWithStats((mask < 128).astype(np.uint8), connectivity=4)
    return int((pieces[1:, cv2.CC_STAT_AREA] >= _LEAST_HOLE).sum()) - 1


def fields(sample: Any, source: str) -> dict[str, str]:
    """What labels.csv says of one of the generator's samples."""
    x1, y1, x2, y2 = sample.box
    box = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    height, width = sample.picture.shape[:2]
    return {
        **{name: f"{max(0.0, value):.1f}" for name, value in box.items()},
        "plate": sample.text,
        "format": sample.format,
        "rows": str(sample.rows),
        "light": sample.light,
        "source": source,
        "note": f"plate {sample.width:.0f} x {sample.height:.0f} px in {width} x {height}",
    }


def write_set(order: Order, folder: Path, workers: int, show: Callable[[Callable[[], None]], None]) -> dict[str, Any]:
    """Draws the set into `folder`: pictures, labels.csv, and set.json, which marks it as synthetic.

    Returns what set.json says; `sha256` is of all pictures in their order. `show` gets a step to call `count` times.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidInput(f"--write: {folder} is not empty", field="write")
    digest = hashlib.sha256()
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        lines = csv.DictWriter(stream, COLUMNS)
        lines.writeheader()
        pictures = enumerate(_drawn(order, workers))

        def step() -> None:
            number, (data, told) = next(pictures)
            name = f"{number:05d}.jpg"
            digest.update(data)
            (folder / name).write_bytes(data)
            lines.writerow({"image": name, **told})

        show(step)
    mark = {
        "kind": "synthetic",
        "pictures": order.count,
        "seed": order.seed,
        "form": "crops" if order.crops else "scenes",
        "sha256": digest.hexdigest(),
    }
    (folder / MARK).write_text(json.dumps(mark, indent=1), encoding="utf-8")
    return mark


def _drawn(order: Order, workers: int) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Every picture as JPEG, in order, drawn by some processes: each knows its own seed, so it is the same set."""
    load_generator()
    if workers <= 1:
        yield from (_encoded((order, number)) for number in range(order.count))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [(order, number) for number in range(order.count)]
        yield from pool.map(_encoded, jobs, chunksize=16)


def _encoded(job: tuple[Order, int]) -> tuple[bytes, dict[str, str]]:
    import cv2

    cv2.setNumThreads(1)
    found = draw(*job)
    _, data = cv2.imencode(".jpg", found.picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes(), found.fields
