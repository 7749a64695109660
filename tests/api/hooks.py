"""What schemathesis cannot know from a schema. Loaded by it (`hooks` of its configuration), not by pytest."""

from __future__ import annotations

import re
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

_ETAG = re.compile(r'\*|(W/)?"[0-9]{1,9}"')


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    """A cursor is only ever what a list gave: made up, it is refused. In wrong requests it stays.

    The camera of the document's example stands at an address for documentation, which takes seconds to be silent; one
    without a camera refuses at once.
    """
    mode = case.meta.generation.mode if case.meta is not None else None
    if mode is GenerationMode.POSITIVE and case.query and case.query.get("cursor"):
        case.query.pop("cursor")
    # It now and then fills in the header from another answer's field, against the pattern that the document gives.
    if mode is GenerationMode.POSITIVE and case.headers and not _ETAG.fullmatch(case.headers.get("If-Match") or '"1"'):
        case.headers.pop("If-Match")
    if isinstance(case.body, dict) and case.body.get("revoke_old") is True:
        # That would sign this very run out.
        case.body["revoke_old"] = False
    if isinstance(case.body, dict) and isinstance(case.body.get("rtsp_url"), str):
        case.body["rtsp_url"] = case.body["rtsp_url"].replace("192.0.2.10:554", "127.0.0.1:9")
