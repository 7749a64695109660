"""HTTP shapes of webhooks. A secret goes out once, when it is made, and never again."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.config import JsonDict

from functions.shared import signatures
from functions.shared.contracts import CAMERA_ID
from functions.shared.errors import InvalidInput
from functions.shared.never_null import NEVER_NULL
from functions.shared.outbound import MAX_URL
from functions.shared.shapes import LINE, MOMENT_2000, URL, Flag
from functions.webhooks.payload import event_types

ID = r"^[0-9a-f]{32}$"
MAX_LISTED = 200
State = Literal["ok", "failing", "disabled"]
Reason = Literal["user", "gone", "failing", "key_over", "key_narrowed"]
DeliveryState = Literal["pending", "delivered", "dead", "skipped"]
Payload = Literal["full", "thin"]


def _plain(text: str) -> str:
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("must be one line of text")
    return text


def _known(name: str) -> str:
    if name not in event_types():
        raise ValueError(f"must be one of {', '.join(event_types())}")
    return name


def _secret(given: SecretStr) -> SecretStr:
    try:
        signatures.key_of(given.get_secret_value())
    except InvalidInput as error:
        raise ValueError(error.message.removeprefix("secret: ")) from None
    return given


def _sane(at: datetime) -> datetime:
    if not 2000 <= at.year <= 9998:
        raise ValueError("must lie between the years 2000 and 9998")
    return at.astimezone(UTC)


_B = "[A-Za-z0-9+/]"
_SECRET: JsonDict = {"pattern": rf"^whsec_({_B}{{4}}){{8,20}}({_B}{{4}}({_B}{{2}}==)?|{_B}{{2}}==|{_B}{{3}}=)?$"}
Name = Annotated[
    str, Field(min_length=1, max_length=120, examples=["Traffic desk"], json_schema_extra=LINE), AfterValidator(_plain)
]
Url = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_URL, description="https address that events are POSTed to",
        examples=["https://desk.example.org/gt-vision"], json_schema_extra=URL,
    ),
]  # fmt: skip
Types = Annotated[
    list[Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(event_types())})]],
    Field(max_length=len(event_types()), description="types of events; none: all"),
]
Cameras = Annotated[
    list[Annotated[str, Field(pattern=CAMERA_ID)]],
    Field(max_length=MAX_LISTED, description="cameras whose events are sent; none of these and no group: all"),
]
Groups = Annotated[
    list[Annotated[str, Field(pattern=CAMERA_ID)]],
    Field(max_length=MAX_LISTED, description="groups whose cameras' events are sent"),
]
Previews = Annotated[
    Flag, Field(description="also what is said of a passage before it has ended; off: once a passage, and corrections")
]
Payloads = Annotated[
    Payload, Field(description="full: the data of the event; thin: ids, and where to ask for the rest")
]
Secret = Annotated[
    SecretStr,
    AfterValidator(_secret),
    Field(description="whsec_ and 24 to 64 bytes in base64 (default: made here)", json_schema_extra=_SECRET),
]
DeliveryIds = Annotated[list[Annotated[str, Field(pattern=ID)]], Field(min_length=1, max_length=500)]
Moment = Annotated[AwareDatetime, AfterValidator(_sane), Field(json_schema_extra=MOMENT_2000)]


class WebhookCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    url: Url
    event_types: Types = []
    camera_ids: Cameras = []
    group_ids: Groups = []
    previews: Previews = False
    payload: Payloads = "full"
    secret: Secret | None = None


class WebhookUpdate(BaseModel):
    """What is given is changed. `enabled` true also takes back that the platform disabled it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name | None, NEVER_NULL] = None
    url: Annotated[Url | None, NEVER_NULL] = None
    event_types: Annotated[Types | None, NEVER_NULL] = None
    camera_ids: Annotated[Cameras | None, NEVER_NULL] = None
    group_ids: Annotated[Groups | None, NEVER_NULL] = None
    previews: Annotated[Previews | None, NEVER_NULL] = None
    payload: Annotated[Payloads | None, NEVER_NULL] = None
    enabled: Annotated[Flag | None, NEVER_NULL] = None

    @model_validator(mode="after")
    def _no_nulls(self) -> Self:
        nulls = sorted(name for name in self.model_fields_set if getattr(self, name) is None)
        if nulls:
            raise ValueError(f"{', '.join(nulls)}: must not be null")
        return self


class WebhookView(BaseModel):
    id: str
    name: str
    url: str
    owner: str = Field(description="user whose scope holds: only events of cameras that they may see are sent")
    event_types: list[str]
    camera_ids: list[str]
    group_ids: list[str]
    bound_to: list[str] | None = Field(
        description="made by an API key for these groups: nothing of others is sent; null: whatever its owner may see"
    )
    key_id: str | None = Field(
        description="API key that it answers to, since it made it or gave it its address: only what the key may read "
        "is sent, while the key holds; null: a person's"
    )
    previews: bool
    payload: Payload
    enabled: bool
    state: State
    disabled_reason: Reason | None = Field(
        description="gone: the receiver answered 410; failing: for too long; key_over: the API key that it answers to "
        "was revoked or has expired; key_narrowed: that key lost a permission or a group"
    )
    disabled_at: datetime | None
    failing_since: datetime | None
    failures: int = Field(description="failed attempts since the last that succeeded")
    hold_until: datetime | None = Field(description="nothing is sent before: the receiver's Retry-After")
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    last_outcome: str | None = Field(description="status of the last answer, or why there was none")
    waiting: int = Field(description="deliveries that are to be made, now or later")
    dead: int = Field(description="deliveries that were given up, and can be replayed")
    previous_secret_until: datetime | None = Field(description="both secrets sign until then")
    revision: int
    created_at: datetime
    updated_at: datetime


class WebhookCreated(WebhookView):
    secret: str | None = Field(description="shown this once; null where the same request was answered before")


class RotateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: Secret | None = None
    at_once: Flag = Field(False, description="the old secret signs no more; for one that has leaked")


class Rotated(BaseModel):
    secret: str | None = Field(description="shown this once; null where the same request was answered before")
    previous_secret_until: datetime | None = Field(description="both secrets sign until then")


class WebhookPage(BaseModel):
    items: list[WebhookView]
    next_cursor: str | None


class WebhookQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=100, description="next_cursor of the page before")
    limit: int = Field(50, ge=1, le=200)


class EventType(BaseModel):
    type: str
    description: str


class EventTypes(BaseModel):
    items: list[EventType]


class AttemptView(BaseModel):
    at: datetime
    status: int | None = Field(description="of the answer; null where there was none")
    failure: str | None = Field(description="why there was no answer, a short stable word")
    reason: str | None
    duration_ms: int
    answer: str = Field(description="the beginning of the answer's body, as text")


class DeliveryView(BaseModel):
    id: str
    event_id: str = Field(description="`webhook-id` of every attempt")
    type: str
    camera_id: str | None
    occurred_at: datetime
    created_at: datetime
    state: DeliveryState
    tries: int = Field(description="attempts since it was queued or replayed")
    next_at: datetime | None = Field(description="when it is due (again)")
    delivered_at: datetime | None
    reason: str | None = Field(description="why it was given up or skipped")
    last: AttemptView | None = Field(description="the newest attempt")


class DeliveryDetail(DeliveryView):
    attempts: list[AttemptView] = Field(description="in order of time")
    body: str | None = Field(
        description="what an attempt would send now; null where plates are masked for you, or a key may not read it"
    )


class DeliveryPage(BaseModel):
    items: list[DeliveryView]
    next_cursor: str | None


class DeliveryQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: list[DeliveryState] = Field([], max_length=4)
    type: list[Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}$")]] = Field([], max_length=len(event_types()) + 1)
    start: Moment | None = Field(None, alias="from", description="queued at or after this time")
    end: Moment | None = Field(None, alias="to", description="queued before this time")
    cursor: str | None = Field(None, max_length=100, description="next_cursor of the page before")
    limit: int = Field(50, ge=1, le=200)


class ReplayRequest(BaseModel):
    """Deliveries by id, or those whose event happened in a span of time. Those of types that the webhook asks for no
    more are passed over, and for an API key those of types that it may not read."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": ["delivery_ids"]}, {"required": ["from", "to"]}],
            "examples": [{"from": "2026-05-04T12:00:00Z", "to": "2026-05-04T18:00:00Z"}],
        },
    )

    delivery_ids: Annotated[DeliveryIds | None, NEVER_NULL] = None
    start: Annotated[Moment | None, NEVER_NULL] = Field(
        None, alias="from", description="events that happened at or after this time"
    )
    end: Annotated[Moment | None, NEVER_NULL] = Field(
        None, alias="to", description="events that happened before this time"
    )
    states: list[Literal["dead", "delivered"]] = Field(
        ["dead"], min_length=1, max_length=2, description="which of a span of time; by id the state does not matter"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        nulls = sorted(name for name in self.model_fields_set if getattr(self, name) is None)
        if nulls:
            raise ValueError(f"{', '.join(nulls)}: must not be null")
        span = self.start is not None and self.end is not None
        if span == (self.delivery_ids is not None):
            raise ValueError("name delivery_ids, or both from and to")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("from must lie before to")
        return self

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Where it was not asked by ids."""
        if self.start is None or self.end is None:
            raise ValueError("no span of time was asked for")
        return self.start, self.end


class Replayed(BaseModel):
    replayed: int = Field(description="deliveries that are sent again; those that were passed over do not count")


def encode_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str | None:
    """Raises InvalidInput for what no list gave."""
    if cursor is None:
        return None
    try:
        last_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last_id = ""
    if not re.fullmatch(ID, last_id):
        raise InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
    return last_id
