"""Files that come with a request."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import UploadFile

from functions.shared.errors import InvalidInput


async def file_of(request: Request) -> bytes:
    """The multipart field `file`, or the body itself. Raises InvalidInput."""
    body = await request.body()
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return body
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput("the form lacks a file in the field `file`", field="file")
        return await file.read()
