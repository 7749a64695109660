"""Plates that somebody's role sees masked (`GTV_MASK_PLATES_FOR`), until one is revealed with a reason."""

from __future__ import annotations

from functions.shared.config import FunctionSettings
from functions.shared.tokens import Principal

SHOWN = 2


def hides(settings: FunctionSettings, who: Principal) -> bool:
    """Whether plates are masked for this person."""
    return who.role in settings.mask_plates_for


def masked(plate: str | None) -> str | None:
    """The plate with all but its first characters replaced.

    >>> masked("ABC1D23")
    'AB*****'
    """
    return None if plate is None else plate[:SHOWN] + "*" * max(0, len(plate) - SHOWN)
