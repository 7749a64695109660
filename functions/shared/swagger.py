"""The document at /api/openapi.json, and /api/docs: Swagger UI out of its wheel. The page needs no internet, no inline
script and no CSP of its own."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response
from starlette.requests import Request

from functions.shared.errors import NotFound
from functions.shared.openapi import as_3_0

router = APIRouter(include_in_schema=False)
OLDER = "openapi-3.0.json"
IfNoneMatch = Annotated[str | None, Header()]
_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GT-Vision API</title>
<link rel="icon" type="image/png" href="/api/docs/favicon-32x32.png">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
# What changes something by cookie needs the header, so that one who is signed in at the console can try things here.
_START = b"""SwaggerUIBundle({
  url: "/api/docs/openapi-3.0.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  requestInterceptor: function (request) {
    request.headers["X-GTV-Console"] = "docs";
    return request;
  },
});
"""
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}
_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})


@router.get("/api/openapi.json")
async def document(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    return _document(request, "3.1", if_none_match)


@router.get("/api/docs")
async def page() -> Response:
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.get("/api/docs/{file}")
async def file(file: str, request: Request, if_none_match: IfNoneMatch = None) -> Response:
    if file == OLDER:
        return _document(request, "3.0", if_none_match)
    return _answer(*_read(file), _TYPES[Path(file).suffix], if_none_match)


def _document(request: Request, version: str, if_none_match: str | None) -> Response:
    """Written out once in a process: it is large, and everybody may ask for it."""
    app = request.app
    made: dict[str, tuple[bytes, str]] = app.state.documents
    if version not in made:
        found = app.openapi() if version == "3.1" else as_3_0(app.openapi())
        made[version] = _tagged(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
    return _answer(*made[version], "application/json", if_none_match)


def _answer(body: bytes, etag: str, kind: str, if_none_match: str | None) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _tagged(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@lru_cache(maxsize=8)
def _read(name: str) -> tuple[bytes, str]:
    """A file of the page, with its ETag. Raises NotFound."""
    if name == "start.js":
        body = _START
    elif name in _FILES:
        # Loaded when somebody looks, not when a function starts.
        from swagger_ui_bundle import swagger_ui_path

        body = (Path(str(swagger_ui_path)) / name).read_bytes()
    else:
        raise NotFound("the page of the API has no such file")
    return _tagged(body)
