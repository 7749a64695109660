"""Plates that somebody's role sees masked (`GTV_MASK_PLATES_FOR`), until one is revealed with a reason."""

from __future__ import annotations

import re

from functions.shared.config import FunctionSettings
from functions.shared.tokens import Principal

SHOWN = 2
# In a sentence: letters and digits together, as long as plates are, perhaps with a hyphen. Ids are in lower case.
_IN_TEXT = re.compile(r"\b(?=[A-Z-]*[0-9])(?=[0-9-]*[A-Z])[A-Z0-9]{1,5}-?[A-Z0-9]{3,8}\b")


def hides(settings: FunctionSettings, who: Principal) -> bool:
    """Whether plates are masked for this person."""
    return who.role in settings.mask_plates_for


def masked(plate: str | None) -> str | None:
    """The plate with all but its first characters replaced.

    >>> masked("ABC1D23")
    'AB*****'
    """
    return None if plate is None else plate[:SHOWN] + "*" * max(0, len(plate) - SHOWN)


def masked_text(text: str | None) -> str | None:
    """A sentence with each plate in it masked; what is in lower case, as ids are, stays.

    >>> masked_text("the plate is ABC1D23 by now (at gate-1)"), masked_text("ABC-1234, case 9/2026")
    ('the plate is AB***** by now (at gate-1)', 'AB******, case 9/2026')
    """
    return None if text is None else _IN_TEXT.sub(lambda found: masked(found[0]) or "", text)
