"""What another reader's readings would change. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.reread.model import Reading
from functions.shared.formats import NAMES

CHANGE, HELD, SAME, NOTHING, NO_PICTURE = "change", "less sure", "same", "nothing read", "no picture"


@dataclass(frozen=True)
class Comparison:
    """A stored detection and what was read of its pictures."""

    item: Mapping[str, Any]
    reading: Reading
    verdict: str

    def row(self) -> dict[str, Any]:
        """As `--json` shows it."""
        item, reading = self.item, self.reading
        return {
            "detection_id": item["id"], "started_at": item["started_at"], "camera_id": item["camera_id"],
            "verdict": self.verdict, "plate": item["plate"], "confidence": item["plate_confidence"],
            "new_plate": reading.text, "new_confidence": reading.confidence if reading.text else None,
            "new_format": reading.format, "rows": reading.rows, "picture": reading.picture or None,
        }  # fmt: skip

    def request(self) -> dict[str, Any]:
        """As POST /api/detections/reread takes it."""
        item, reading = self.item, self.reading
        return {
            "detection_id": item["id"], "expected_plate": item["plate"], "plate": reading.text,
            "confidence": reading.confidence, "plate_format": _known(reading.format), "rows": reading.rows,
            "candidates": [one.model_dump() | {"format": _known(one.format)} for one in reading.candidates],
        }  # fmt: skip


def _known(name: str | None) -> str | None:
    """A format that the API knows: another repository's reader may have more."""
    return name if name in NAMES else None


def compared(item: Mapping[str, Any], reading: Reading, min_confidence: float | None) -> Comparison:
    """A reading of one stored picture changes the vote of many frames only where it is surer: its confidence is at
    least the stored one, or `min_confidence` where that is given."""
    return Comparison(item, reading, _verdict(item, reading, min_confidence))


def _verdict(item: Mapping[str, Any], reading: Reading, min_confidence: float | None) -> str:
    if reading.text is None:
        return NO_PICTURE if reading.why == NO_PICTURE else NOTHING
    if reading.text == item["plate"]:
        return SAME
    least = (item["plate_confidence"] or 0.0) if min_confidence is None else min_confidence
    return CHANGE if reading.confidence >= least else HELD


def counts(comparisons: Sequence[Comparison]) -> dict[str, int]:
    found = Counter(one.verdict for one in comparisons)
    return {verdict: found[verdict] for verdict in (CHANGE, HELD, SAME, NOTHING, NO_PICTURE)}
