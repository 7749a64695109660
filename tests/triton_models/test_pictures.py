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


def test_a_header_hidden_behind_another_costs_no_memory(pictures: ModuleType) -> None:
    """FF 01 has no length: who gives it one reads the header behind it, a decoder the comment that hides it."""
    real = bytearray(jpeg()[2:])
    at = real.index(b"\xff\xc0")
    shown = bytes(real[at : at + 19])
    real[at + 5 : at + 9] = struct.pack(">HH", 24_000, 24_000)
    comment = b"\xff\xfe" + struct.pack(">H", 0xFFFF) + bytes(0xFFFE - 4)
    with pytest.raises(pictures.UnreadablePicture, match="no header that says its size"):
        pictures.decode(b"\xff\xd8\xff\x01" + comment + shown + bytes(real))


def test_scans_without_end_are_refused(pictures: ModuleType) -> None:
    """Each costs a pass over the whole picture, however few bytes it has."""
    flat = np.full((256, 256, 3), 128, np.uint8)
    data = bytes(cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    assert pictures.decode(data).shape == (256, 256, 3)
    more = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(pictures.UnreadablePicture, match="scans"):
        pictures.decode(data[:-2] + more * 1000 + b"\xff\xd9")


def test_a_header_that_never_ends_is_refused(pictures: ModuleType) -> None:
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(b"\xff\xd8" + b"\xff" * 5000)
    with pytest.raises(pictures.UnreadablePicture):
        pictures.decode(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 50)
