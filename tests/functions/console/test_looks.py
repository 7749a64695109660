"""The colours of the page: text against its ground, in light and dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from functions.console.assets import ROOT

# (what is read, what it stands on, least contrast)
PAIRS = [
    *((text, ground, 4.5) for text in ("text", "muted", "accent") for ground in ("ground", "surface", "raised")),
    *((text, ground, 4.5) for text in ("good", "fair", "bad") for ground in ("surface", "ground")),
    *((state, f"{state}-ground", 4.5) for state in ("good", "fair", "bad", "idle")),
    ("accent-text", "accent", 4.5),
    ("line-strong", "surface", 3.0),
    ("focus", "surface", 3.0),
    ("focus", "ground", 3.0),
]


def colours(scheme: str) -> dict[str, str]:
    css = (ROOT / "css" / "base.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(blocks) == 2
    found: dict[str, str] = {}
    for block in blocks[: 1 if scheme == "light" else 2]:
        found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    return found


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_text_stands_out(scheme: str, text: str, ground: str, least: float) -> None:
    known = colours(scheme)
    light, dark = sorted((luminance(known[text]), luminance(known[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
