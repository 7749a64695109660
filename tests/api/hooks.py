"""What schemathesis cannot know from a schema. Loaded by it (`hooks` of its configuration), not by pytest."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

_ETAG = re.compile(r'\*|(W/)?"[0-9]{1,9}"')
_THERE: dict[str, str] = json.loads(os.environ.get("GTV_FUZZ_IDS", "{}"))


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    mode = case.meta.generation.mode if case.meta is not None else None
    if mode is GenerationMode.POSITIVE:
        _sensible(case)
    if isinstance(case.body, dict):
        _harmless(case.body)


def _sensible(case: Any) -> None:
    """A cursor is only ever what a list gave: made up, it is refused. In wrong requests it stays. Every second id is
    one of what is there, else hardly a request would come further than a 404."""
    if case.query and "cursor" in case.query:
        case.query.pop("cursor")
    # It now and then fills in the header from another answer's field, against the pattern that the document gives.
    if case.headers and "If-Match" in case.headers and not _ETAG.fullmatch(str(case.headers["If-Match"])):
        case.headers.pop("If-Match")
    for name, value in (case.path_parameters or {}).items():
        if name in _THERE and case.method.upper() != "DELETE" and sum(str(value).encode("utf-8", "replace")) % 2:
            case.path_parameters[name] = _THERE[name]
    if case.path.endswith(("/discover", "/onvif/probe")) and isinstance(case.body, dict):
        case.body |= {"ranges": ["127.0.0.1"], "ports": [9], "rtsp_ports": [9]} if "ports" in case.body else {}
        case.body |= {"host": "127.0.0.1", "port": 9} if "host" in case.body else {}


def _harmless(body: dict[str, Any]) -> None:
    """The camera of the document's example stands at an address for documentation, which takes seconds to be silent;
    one without a camera refuses at once."""
    if body.get("revoke_old") is True:
        # That would sign this very run out.
        body["revoke_old"] = False
    if isinstance(body.get("rtsp_url"), str):
        body["rtsp_url"] = body["rtsp_url"].replace("192.0.2.10:554", "127.0.0.1:9")
