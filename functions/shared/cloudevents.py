"""CloudEvents 1.0 in NATS headers (binary mode): written and read in one place."""

from __future__ import annotations

from collections.abc import Mapping

from functions.shared.contracts import FrameMeta, Message
from functions.shared.errors import Rejected

SOURCE = "gt-vision"


def cloud_headers(message: Message) -> dict[str, str]:
    """CloudEvents 1.0 in NATS headers, binary mode, plus the id by which JetStream drops repeats."""
    return {
        "ce-specversion": "1.0",
        "ce-id": message.id,
        "ce-type": message.type,
        "ce-source": f"{SOURCE}/{message.subject_root.removeprefix('gtv.v1.')}",
        "ce-time": message.occurred_at.isoformat(),
        "ce-correlationid": message.correlation_id,
        "Nats-Msg-Id": message.id,
    }


def frame_headers(meta: FrameMeta) -> dict[str, str]:
    """The headers of a frame: its CloudEvents attributes and its facts."""
    return {
        **cloud_headers(meta),
        "content-type": "image/jpeg",
        "ce-cameraid": meta.camera_id,
        "ce-capturedat": meta.captured_at.isoformat(),
        "ce-sequence": str(meta.sequence),
        "ce-width": str(meta.width),
        "ce-height": str(meta.height),
        "ce-framesource": meta.source,
    }


def frame_meta(headers: Mapping[str, str]) -> FrameMeta:
    """The facts of a frame from its headers (names in any case). Raises Rejected naming what is missing or wrong."""
    lower = {name.lower(): value for name, value in headers.items()}
    fields = {
        "id": "ce-id", "correlation_id": "ce-correlationid", "occurred_at": "ce-time", "camera_id": "ce-cameraid",
        "captured_at": "ce-capturedat", "sequence": "ce-sequence", "width": "ce-width", "height": "ce-height",
        "source": "ce-framesource",
    }  # fmt: skip
    found = {name: lower[header] for name, header in fields.items() if header in lower}
    try:
        return FrameMeta.model_validate(found)
    except ValueError as error:
        raise Rejected(f"the frame's headers do not hold: {error}") from None
