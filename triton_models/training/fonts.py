"""Further faces for training: condensed sans serifs of pinned npm packages, as masks of their characters.

The packages (all under the SIL Open Font License) are fetched when a training run asks for them; nothing of them
is kept in the repository. They make the reader learn what a character is and not how one face draws it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from synthesis import CHARACTERS, Face

PACKAGES = {
    "barlow-condensed": ("5.3.0", "759fcdd25df64b4ef41653808d849cdb9ba0a520999032ceb137ce035a17e2ea"),
    "barlow-semi-condensed": ("5.3.0", "94991ed2fc3fe0e11d8af5129932bdd94d29b6a7355859ebfba9a19d6610cc77"),
    "saira-condensed": ("5.3.0", "0c7d9f849443ea181a61f20c5c32e95a428afbd94a811969245c8aa9a8695de6"),
    "overpass": ("5.3.0", "1199885e2bc5353f2927cd457dc6d404c75c57356251f217ecd58c621abd234d"),
    "share-tech": ("5.3.0", "6f0abeb4d072d8350a30d983b9fbe49ad04caad83241f78f372a3be3aece3b12"),
    "archivo-narrow": ("5.3.0", "7adbb6ba7514b065ae523907c88b1ab37dc69c002bf3602ab3c8b31d66be8c33"),
    "roboto-condensed": ("5.3.0", "03b2f8c75e4a4af7ae6180d0f3e9171a6dcbbcd5b1a02c48f5bcbd043a7a9868"),
    "rajdhani": ("5.3.0", "67d0bab8711edbefcb4a3f96f3ed7cd911c92063ab44b3b58317bed531f62154"),
    "ubuntu-condensed": ("5.3.0", "1779c718cd452575e523125d35367e1667fa194fe45b661bc18d5d34163291d3"),
    "fjalla-one": ("5.3.0", "b550bf929a4e2479cdc1aea606748b301d4b67c07cd62ff5c77b7d6086c8ec7d"),
    "antonio": ("5.3.0", "a4bcfad9e90770faf0d4d2680361504033bb659e257375224449af9f8d5a0c6d"),
}
"""By name: the version, and the SHA-256 of the archive, in the order in which a run learns them."""
WEIGHTS = ("400", "500", "600", "700")
_SIZE = 96
_log = logging.getLogger("training")


def fetch(folder: Path) -> list[Path]:
    """The packages' font files in `folder`, fetched with npm if they are not there yet, in a fixed order.

    Raises RuntimeError with npm's own words where a package cannot be had, and naming an archive that is another one
    than was pinned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for name, (version, sha256) in PACKAGES.items():
        archive = folder / f"fontsource-{name}-{version}.tgz"
        if not archive.exists():
            command = ["npm", "pack", "--silent", f"@fontsource/{name}@{version}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
        check(archive, sha256)
        found += _unpack(archive, folder, name)
    return found


def check(archive: Path, sha256: str) -> None:
    """Raises RuntimeError where the archive's SHA-256 is another one."""
    own = hashlib.sha256(archive.read_bytes()).hexdigest()
    if own != sha256:
        raise RuntimeError(f"{archive.name} has the SHA-256 {own}, not {sha256}: remove it, and see what npm fetches")


def _unpack(archive: Path, folder: Path, name: str) -> list[Path]:
    found = []
    with tarfile.open(archive) as files:
        for weight in WEIGHTS:
            try:
                member = files.extractfile(f"package/files/{name}-latin-{weight}-normal.woff")
            except KeyError:
                continue
            if member is not None:
                target = folder / f"{name}-{weight}.woff"
                target.write_bytes(member.read())
                found.append(target)
    return found


def faces(files: list[Path]) -> list[Face]:
    """A Face of masks for each font file that has all the characters."""
    made = []
    for file in files:
        masks = {character: _mask(file, character) for character in CHARACTERS}
        if all(mask.size for mask in masks.values()):
            made.append(Face(aspect=0.62, glyphs=masks))
        else:
            _log.warning("%s lacks characters: left out", file.name)
    return made


def _mask(file: Path, character: str) -> NDArray[Any]:
    """The character's ink, white on black, cut to its own width and to the height of the capitals."""
    font = ImageFont.truetype(io.BytesIO(file.read_bytes()), _SIZE)
    picture = Image.new("L", (2 * _SIZE, 2 * _SIZE))
    ImageDraw.Draw(picture).text((_SIZE // 2, _SIZE // 3), character, font=font, fill=255)
    ink = np.asarray(picture)
    columns = np.flatnonzero(ink.max(axis=0) > 60)
    rows = np.flatnonzero(ink.max(axis=1) > 60)
    if not len(columns) or not len(rows):
        return np.zeros((0, 0), np.uint8)
    return np.ascontiguousarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
