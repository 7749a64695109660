"""The console's files: served as they are, with a tag of their content, and nothing outside their folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from functions.shared.errors import NotFound

ROOT = Path(__file__).resolve().parent / "assets"
# Only these leave the folder; a file of another kind is not there as far as the web is concerned.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Asset:
    """A file's bytes, its content type, and a strong ETag with its quotes."""

    body: bytes
    content_type: str
    etag: str


def asset(path: str) -> Asset:
    """The file of the console at a relative path. Raises NotFound."""
    file = ROOT / path
    content_type = TYPES.get(file.suffix)
    if not _NAME.fullmatch(path) or ".." in path or content_type is None:
        raise NotFound("the console has no such file")
    # A link that leads out of the folder is not followed.
    if not file.is_file() or not file.resolve().is_relative_to(ROOT):
        raise NotFound("the console has no such file")
    stat = file.stat()
    return _read(file, stat.st_mtime_ns, stat.st_size, content_type)


@lru_cache(maxsize=256)
def _read(file: Path, _modified_ns: int, _size: int, content_type: str) -> Asset:
    body = file.read_bytes()
    return Asset(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def unchanged(asset: Asset, if_none_match: str | None) -> bool:
    """Whether the reader's copy is this one (RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or asset.etag in tags
