"""A vehicle's dominant colour, from the pixels that are most likely paint."""

from __future__ import annotations

import cv2
import numpy as np

from .decoding import Array

COLORS = ("white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "other")
SIDE = 64
"""Vehicles are looked at so many pixels wide and high: more adds nothing but glints."""
COLOURLESS = 5.0
"""Where 99 of 100 pixels of a picture are no farther (in Lab) from its own tint than this, it is infrared or night."""


class Scene:
    """A picture, in whose light colours are judged."""

    def __init__(self, picture: Array) -> None:
        self._picture = picture
        small = _thinned(picture, 96)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
        chroma = np.hypot(lab[..., 1], lab[..., 2])
        apart = lab[..., 1:] - np.median(lab[..., 1:], axis=(0, 1))
        self.colourless = bool(np.percentile(np.hypot(apart[..., 0], apart[..., 1]), 99) < COLOURLESS)
        # The light's own tint, from the greyest half; and how bright white is.
        grey = chroma <= np.median(chroma)
        self._tint = lab[grey][:, 1:].mean(axis=0)
        self._white = max(45.0, float(np.percentile(lab[..., 0], 97)))

    def color(self, vehicle: Array, plate: Array | None) -> tuple[str | None, float]:
        """(name of COLORS, 0..1) for the vehicle in a box [4] whose plate is in another; None without any colour."""
        if self.colourless:
            return None, 0.0
        x1, y1, x2, y2 = (round(float(value)) for value in vehicle[:4])
        part = self._picture[max(0, y1) : y2, max(0, x1) : x2]
        if min(part.shape[:2]) < 8:
            return None, 0.0
        small = cv2.resize(_thinned(part, 2 * SIDE), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
        weights = _paint(vehicle, plate)
        return _dominant(lab[..., 0] * (100 / self._white), lab[..., 1:] - np.clip(self._tint, -8, 8), weights)


def _thinned(picture: Array, side: int) -> Array:
    """Every so-manieth pixel, at least `side` of them each way: averaging megapixels would cost more than it tells."""
    return picture[:: max(1, picture.shape[0] // side), :: max(1, picture.shape[1] // side)]


def _paint(vehicle: Array, plate: Array | None) -> Array:
    """[SIDE, SIDE]: how likely paint is there. The box's rim is background, its top glass and sky, its foot wheels and
    road; a plate sits on a painted bumper or hatch, most of all beside and above it.
    """
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    weights = np.where((x > 0.12) & (x < 0.88) & (y > 0.08) & (y < 0.82), 1.0, 0.0)
    weights[(y > 0.1) & (y < 0.42) & (x > 0.25) & (x < 0.75)] = 0.35
    if plate is not None:
        size = np.maximum(vehicle[2:4] - vehicle[:2], 1)
        left, top = (plate[:2] - vehicle[:2]) / size
        right, bottom = (plate[2:4] - vehicle[:2]) / size
        wide, high = right - left, bottom - top
        around = (x > left - wide) & (x < right + wide) & (y > top - 3 * high) & (y < bottom + 0.3 * high)
        weights = np.where(around, np.maximum(weights, 1.0) * 2.5, weights)
        weights[
            (x > left - 0.1 * wide) & (x < right + 0.1 * wide) & (y > top - 0.2 * high) & (y < bottom + 0.2 * high)
        ] = 0
    return weights


def _dominant(light: Array, ab: Array, weights: Array) -> tuple[str, float]:
    """Votes of the pixels: lightness 0..100 of white, chroma and hue."""
    chroma = np.hypot(ab[..., 0], ab[..., 1])
    hue = np.degrees(np.arctan2(ab[..., 1], ab[..., 0])) % 360
    total = float(weights.sum()) or 1.0
    vivid = chroma > np.where(light < 35, 14, 18)
    votes: dict[str, float] = {}
    for name, mask in _hues(light, chroma, hue).items():
        votes[name] = float(weights[vivid & mask].sum()) / total
    grey = ~vivid
    dark = light < 22
    votes["black"] = 0.55 * float(weights[grey & dark].sum()) / total
    votes["grey"] = float(weights[grey & ~dark & (light < 48)].sum()) / total
    votes["silver"] = float(weights[grey & (light >= 48) & (light < 72)].sum()) / total
    votes["white"] = 1.15 * float(weights[grey & (light >= 72)].sum()) / total
    for name in ("red", "blue", "green", "yellow", "brown", "other"):
        # Nothing but paint is vivid over a good part of a vehicle.
        votes[name] *= 1.8
    whole = sum(votes.values()) or 1.0
    best = max(votes, key=lambda name: votes[name])
    return best, votes[best] / whole


def _hues(light: Array, chroma: Array, hue: Array) -> dict[str, Array]:
    """Which pixels have which chromatic colour, by hue angle in Lab."""
    warm = (hue >= 45) & (hue < 80)
    return {
        "red": (hue < 45) | (hue >= 345),
        "brown": warm & (light < 60),
        "yellow": ((hue >= 80) & (hue < 110)) | (warm & (light >= 60) & (chroma > 45)),
        "green": (hue >= 110) & (hue < 210),
        "blue": (hue >= 210) & (hue < 315),
        "other": ((hue >= 315) & (hue < 345)) | (warm & (light >= 60) & (chroma <= 45)),
    }
