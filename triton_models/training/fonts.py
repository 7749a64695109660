"""Further faces for training: condensed sans serifs of pinned npm packages, as masks of their characters.

The packages (all under the SIL Open Font License) are fetched when a training run asks for them; nothing of them
is kept in the repository. They make the reader learn what a character is and not how one face draws it.
"""

from __future__ import annotations

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
    "barlow-condensed": "5.3.0",
    "barlow-semi-condensed": "5.3.0",
    "saira-condensed": "5.3.0",
    "overpass": "5.3.0",
    "share-tech": "5.3.0",
    "archivo-narrow": "5.3.0",
    "roboto-condensed": "5.3.0",
    "rajdhani": "5.3.0",
    "ubuntu-condensed": "5.3.0",
    "fjalla-one": "5.3.0",
    "antonio": "5.3.0",
}
WEIGHTS = ("400", "500", "600", "700")
_SIZE = 96
_log = logging.getLogger("training")


def fetch(folder: Path) -> list[Path]:
    """The packages' font files in `folder`, fetched with npm if they are not there yet, in a fixed order.

    Raises RuntimeError with npm's own words where a package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for name, version in PACKAGES.items():
        archive = folder / f"fontsource-{name}-{version}.tgz"
        if not archive.exists():
            command = ["npm", "pack", "--silent", f"@fontsource/{name}@{version}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
        found += _unpack(archive, folder, name)
    return found


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
