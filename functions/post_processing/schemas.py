"""Frames as CloudEvents over HTTP (CloudEvents 1.0, HTTP protocol binding): binary and structured mode."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from functions.shared.cloudevents import frame_meta
from functions.shared.contracts import FrameMeta
from functions.shared.errors import BrokenImage, InvalidInput

STRUCTURED = "application/cloudevents+json"
_TEXT = {"type": "string"}
# The body of POST /events, for its OpenAPI.
EVENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A frame. As image/jpeg its attributes stand in `ce-` headers; otherwise beside the picture.",
        "content": {
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
            STRUCTURED: {
                "schema": {
                    "type": "object",
                    "required": ["specversion", "id", "source", "type", "data_base64"],
                    "properties": {
                        "specversion": {"type": "string", "const": "1.0"},
                        "id": _TEXT,
                        "source": _TEXT,
                        "type": {"type": "string", "const": FrameMeta.type},
                        "time": {"type": "string", "format": "date-time"},
                        "data_base64": {"type": "string", "contentEncoding": "base64"},
                    },
                }
            },
        },
    }
}


def frame_of(headers: Mapping[str, str], body: bytes) -> tuple[FrameMeta, bytes]:
    """The frame of a CloudEvent. Raises InvalidInput naming what is wrong, BrokenImage for an empty picture."""
    lower = {name.lower(): value for name, value in headers.items()}
    kind = lower.get("content-type", "").partition(";")[0].strip().lower()
    attributes, jpeg = _structured(body) if kind == STRUCTURED else _binary(lower, kind, body)
    if attributes.get("ce-specversion") != "1.0":
        raise InvalidInput("the event's specversion must be 1.0", field="ce-specversion")
    if attributes.get("ce-type") != FrameMeta.type:
        raise InvalidInput(f"the event's type must be {FrameMeta.type}", field="ce-type")
    if not jpeg:
        raise BrokenImage("the event carries no picture")
    return frame_meta(attributes), jpeg


def _binary(headers: Mapping[str, str], kind: str, body: bytes) -> tuple[dict[str, str], bytes]:
    if kind != "image/jpeg":
        raise InvalidInput(f"send image/jpeg with ce- headers, or {STRUCTURED}", field="content-type")
    return {name: value for name, value in headers.items() if name.startswith("ce-")}, body


def _structured(body: bytes) -> tuple[dict[str, str], bytes]:
    try:
        event: Any = json.loads(body)
    except ValueError:
        raise InvalidInput("the event is no JSON", field="body") from None
    if not isinstance(event, dict):
        raise InvalidInput("the event must be a JSON object", field="body")
    data = event.get("data_base64")
    if not isinstance(data, str):
        raise InvalidInput("the picture must be base64 text", field="data_base64")
    try:
        jpeg = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("the picture is no base64", field="data_base64") from None
    attributes = {f"ce-{name}": str(value) for name, value in event.items() if isinstance(value, str | int)}
    return attributes, jpeg
