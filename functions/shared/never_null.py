"""Fields of a change that may be absent and are never null: `Annotated[Name | None, NEVER_NULL] = None`."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def _without_null(schema: dict[str, Any]) -> None:
    """Say in the API's document what a validator asks for: the value, or nothing at all."""
    schema.pop("default", None)
    given = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(given) == 1:
        del schema["anyOf"]
        schema.update({**given[0], **schema})


NEVER_NULL = Field(json_schema_extra=_without_null)
