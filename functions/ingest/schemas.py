"""HTTP shapes of ingest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from functions.shared.contracts import now
from functions.shared.errors import InvalidInput

_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Clocks differ; a picture from further ahead has a wrong one.
AHEAD = timedelta(seconds=60)


class Queued(BaseModel):
    """The frame waits to be read; `id` is the id of its message."""

    id: str = Field(examples=["gate-north:1795212345678"])
    camera_id: str


def captured_at_of(text: str | None) -> datetime | None:
    """An RFC 3339 time with its zone. Raises InvalidInput."""
    if not text:
        return None
    try:
        at = _TIME.validate_python(text)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise InvalidInput(f"captured_at: {reason}", field="captured_at") from None
    if at < _EARLIEST:
        raise InvalidInput("captured_at: before the year 2000", field="captured_at")
    if at > now() + AHEAD:
        raise InvalidInput("captured_at: lies in the future", field="captured_at")
    return at.astimezone(UTC)
