"""What training takes from outside: labelled plates, in a fixed share of each batch, and pinned typefaces."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.demo.plates import Plate, PlateStyle, draw_plate
from cli.models.repository import SOURCE
from cli.reread.places import PLATE_MARGIN

Batch = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def trainers(name: str) -> ModuleType:
    folder = str(SOURCE / "training")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


labelled, fonts, synthesis = (trainers(name) for name in ("labelled", "fonts", "synthesis"))


def exported(folder: Path, *lines: str) -> Path:
    """As `gtvision detections export-labels` leaves it, with a plate and a tenth of its sides about it."""
    (folder / "plates").mkdir(parents=True)
    plate = cv2.resize(draw_plate(Plate("KTR4938", PlateStyle.OLD)), (200, 65), interpolation=cv2.INTER_AREA)
    whole = cv2.copyMakeBorder(plate, 6, 6, 20, 20, cv2.BORDER_CONSTANT, value=(0, 0, 255))
    cv2.imwrite(str(folder / "plates" / "a.png"), whole)
    (folder / "plates.csv").write_text("image,plate,format,rows\n" + "".join(f"{line}\n" for line in lines))
    return folder


def blank(count: int, size: int = 128) -> Iterator[Batch]:
    for _ in range(count):
        yield np.zeros((size, 64, 128, 3), np.uint8), np.zeros((size, 8), np.int64), np.full(size, 5, np.int64)


def test_a_fixed_share_of_each_batch_is_labelled_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    found = labelled.read(exported(tmp_path / "set", "plates/a.png,KTR4938,br_old,1", "plates/a.png,RIO2A18,,2"))
    assert (found.name, len(found.pictures), len(found.sha256)) == ("set", 2, 64)
    one, again, other = (list(labelled.mixed(blank(3), found, 0.1, seed)) for seed in (7, 7, 8))
    for (crops, places, layouts), (crops2, places2, _), (crops3, _, _) in zip(one, again, other, strict=True):
        assert [row for row in range(128) if places[row].any()] == list(range(115, 128))
        assert set(layouts[115:].tolist()) <= {synthesis.OLD, synthesis.OTHER}
        assert crops[115:].any(axis=(1, 2, 3)).all()
        assert not crops[:115].any()
        assert np.array_equal(crops, crops2)
        assert np.array_equal(places, places2)
        assert not np.array_equal(crops, crops3)
    assert not np.array_equal(one[0][0], one[1][0])


def test_the_crop_is_the_plate_without_what_is_stored_about_it(tmp_path: Path) -> None:
    assert labelled.MARGIN == PLATE_MARGIN
    found = labelled.read(exported(tmp_path / "set", "plates/a.png,KTR4938,br_old,1"))
    rng = np.random.default_rng(1)
    for _ in range(20):
        crop = labelled.crop(found.pictures[0], rng)
        assert (crop.dtype, crop.shape) == (np.uint8, (64, 128, 3))
        red = (crop[..., 0] > 200) & (crop[..., 1] < 60)
        assert red.mean() < 0.35
        assert not red[24:40, 32:96].any()


@pytest.mark.parametrize(
    ("line", "says"),
    [("plates/a.png,KTR-4938,br_old,1", "line 2, field plate: 'KTR-4938'"), ("plates/a.png,,br_old,1", "field plate"),
     ("plates/b.png,KTR4938,br_old,1", "field image: 'plates/b.png'"), ("../x.png,KTR4938,br_old,1", "field image"),
     ("plates/a.png,KTR4938,br_old,3", "field rows: '3'"), ("plates/a.png,KTR4938", "field format: is missing")],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        labelled.read(exported(tmp_path / "set", line))


def test_a_folder_without_plates_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no plates\.csv"):
        labelled.read(tmp_path)
    with pytest.raises(ValueError, match="names no plate"):
        labelled.read(exported(tmp_path / "set"))


def test_another_archive_than_was_pinned_is_refused(tmp_path: Path) -> None:
    """It lies where a run before has left it, so npm is not asked."""
    for name, (version, sha256) in fonts.PACKAGES.items():
        assert len(bytes.fromhex(sha256)) == 32
        (tmp_path / f"fontsource-{name}-{version}.tgz").write_bytes(b"another one")
    with pytest.raises(RuntimeError, match=r"fontsource-barlow-condensed-5\.3\.0\.tgz has the SHA-256 .* remove it"):
        fonts.fetch(tmp_path)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "empty").write_bytes(b"")
    fonts.check(tmp_path / "empty", empty)
