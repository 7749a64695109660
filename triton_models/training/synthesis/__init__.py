"""Synthetic number plates: seven-character Brazilian ones above all, as cameras see them. numpy and OpenCV only.

    sample(seed)            one plate in a tight picture with its surroundings, and the truth about it
    scene(seed, 960, 540)   one plate on a drawn vehicle in a whole frame, for a pipeline that has to find it
    crop(sample, rng)       what a reader is given: uint8 RGB [64, 128, 3], cut along the corners or the upright box
    place(picture, spec..)  a plate laid on any picture of yours

The same seed gives the same picture (with the same versions of numpy and OpenCV). `hard` draws more night, infrared,
blur, dirt and slant and fewer pixels, while a person can still read the plate.
"""

from .assembly import Sample, Share, crop, place, sample, scene
from .camera import LIGHTS
from .glyphs import CHARACTERS, Face, draw_character, random_face
from .plates import LAYOUTS, MERCOSUL, MERCOSUL_ROWS, NOTHING, OLD, OLD_ROWS, OTHER, Spec, draw, random_spec

__all__ = [
    "CHARACTERS", "LAYOUTS", "LIGHTS", "MERCOSUL", "MERCOSUL_ROWS", "NOTHING", "OLD", "OLD_ROWS", "OTHER", "Face",
    "Sample", "Share", "Spec", "crop", "draw", "draw_character", "place", "random_face", "random_spec", "sample",
    "scene",
]  # fmt: skip
