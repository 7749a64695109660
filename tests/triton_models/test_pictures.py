"""Bytes that are pictures, and bytes that are none."""

from __future__ import annotations

import struct
from types import ModuleType

import cv2
import numpy as np
import pytest

from functions.shared.inference import probe_picture


def jpeg(height: int = 90, width: int = 160) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", noise)[1])


def test_a_jpeg_and_a_png_are_decoded(pictures: ModuleType) -> None:
    assert pictures.decode(jpeg(90, 160)).shape == (90, 160, 3)
    assert pictures.picture_size(jpeg(90, 160)) == (160, 90)
    assert pictures.decode(probe_picture()).shape == (36, 64, 3)


def test_bytes_after_the_end_do_not_matter(pictures: ModuleType) -> None:
    assert pictures.decode(jpeg() + b"\x00" * 100).shape == (90, 160, 3)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"GIF89a" + b"\x00" * 60, b"<html>", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n\x1a\n"]
)
def test_other_bytes_are_refused(pictures: ModuleType, data: bytes) -> None:
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(data)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.95])
def test_a_jpeg_that_was_cut_off_is_refused(pictures: ModuleType, part: float) -> None:
    whole = jpeg(480, 640)
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(whole[: int(len(whole) * part)])


def test_a_header_that_promises_too_many_pixels_costs_no_memory(pictures: ModuleType) -> None:
    whole = bytearray(jpeg())
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(pictures.UnreadablePicture, match="60000 x 60000"):
        pictures.decode(bytes(whole))


def test_a_header_that_never_ends_is_refused(pictures: ModuleType) -> None:
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(b"\xff\xd8" + b"\xff" * 5000)
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 50)
