"""The words of the OpenAPI document: what all rooms' routes share."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ABOUT = """\
Reads the number plates that a city's cameras see.

- **Errors** have one shape, `Error`; `code` is stable and for machines, `message` for people.
- **Lists** come in pages: give `next_cursor` as `cursor` until it is null.
- **Times** are RFC 3339, in UTC.
- **What makes something** takes an `Idempotency-Key`: the same key with the same body is done once.
- **Changes** take `If-Match` with the `ETag` that was seen, where a route names it: 409 when somebody was quicker.
- **Scope**: whoever may see some groups of cameras only gets 404 for the rest, and lists without it.
- **Limits**: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and for older clients
  `RateLimit-Limit`, `-Remaining` and `-Reset`, say how many requests are left; one too many gets 429 and `Retry-After`.
- Every answer names its request in `X-Correlation-ID`; give it to whoever keeps the platform running.
"""

TAGS = {
    "auth": "Who is asking: sign-in, users, keys.",
    "cameras": "The register of cameras and their groups, with state and latest picture.",
    "ingest": "Frames and readings that other systems bring.",
    "post-processing": "Messages of the bus by HTTP, for Knative Eventing and Lambda.",
    "search": "Detections, their pictures and corrections.",
    "alerts": "Hotlists and what they caught.",
    "webhooks": "Events sent to other systems, signed and retried.",
    "retention": "What is deleted when, legal holds, the audit log, data subjects' rights.",
    "console": "The live feed and the platform's state.",
}

PARAMETERS = {
    "cursor": "`next_cursor` of the page before; leave it out for the first page.",
    "limit": "How many items a page has at the most.",
    "from": "At or after this time (RFC 3339).",
    "to": "Before this time (RFC 3339).",
    "camera_id": "Id of a camera.",
    "group_id": "Id of a group of cameras.",
    "state": "Cameras in this state alone.",
    "enabled": "true: those that are to be captured; false: the others.",
    "mode": "`all`: every line or none; `valid`: those that are right.",
    "dry_run": "Say what would be done, and do nothing.",
    "type": "Types of vehicle, one or more (repeat it).",
    "color": "Colours of vehicle, one or more (repeat it).",
    "kind": "The picture of the vehicle, or of the plate.",
    "source": "Whether a person said it, or a model that read again.",
    "plate": "A plate; separators and case do not matter.",
    "days": "How many days back.",
    "alias": "The name that another system has for a camera.",
    "format": "Whose form the body has; told from the body itself when it is absent.",
    "min_priority": "Those of this priority or a higher one.",
    "escalated": "true: those that nobody took care of in time; false: the others.",
    "reason": "Why it is asked: a case number or text. Goes into the audit log.",
    "If-Match": "The `ETag` that was seen; the change is refused with 409 when it is no longer the present one.",
    "If-None-Match": "The `ETag` of the copy at hand; 304 when it is still the present one.",
    "captured_at": "When the picture was taken, with its time zone; now, when it is absent.",
    "key": "The image's key, as the signed link has it.",
    "expires": "End of the link, Unix seconds, as the link has it.",
    "signature": "Signature of the link, as the link has it.",
}

COMMON_HEADERS = (
    "X-Correlation-ID", "RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
)  # fmt: skip
ERROR_HEADERS = {401: ("WWW-Authenticate",), 429: (*COMMON_HEADERS[1:], "Retry-After"), 503: ("Retry-After",)}
# What a parameter of this name looks like, wherever it stands.
SHAPES: dict[str, dict[str, Any]] = {
    "If-Match": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,9}")$', "examples": ['"3"']},
    "Idempotency-Key": {
        "type": "string",
        "pattern": "^[!-~]([ -~]{0,126}[!-~])?$",
        "examples": ["0d3f6a52-7b1e-4c5e-9a44-1f2f4f0f7a10"],
    },
    "Last-Event-ID": {"type": "string", "pattern": "^[0-9]{0,18}$", "examples": ["4711"]},
}


def _text(description: str, example: str, **schema: object) -> Json:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


def _number(description: str, example: int) -> Json:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}, "example": example}


HEADERS: Json = {
    "X-Correlation-ID": _text(
        "Names this request in every log; the one that was sent with it, if it was sane.",
        "3f0c1f6c2f0e4d0e9a3d5c1b7a8e9f00", pattern="^[A-Za-z0-9._-]{1,64}$",
    ),
    "RateLimit": _text("What is left of each quota that counted, and seconds until it is full again.",
                       '"user";r=1187;t=42'),
    "RateLimit-Policy": _text("The quotas that counted: requests and seconds.", '"user";q=1200;w=60'),
    "RateLimit-Limit": _number("Requests of the quota that is nearest to its end.", 1200),
    "RateLimit-Remaining": _number("How many of them are left.", 1187),
    "RateLimit-Reset": _number("Seconds until it is full again, or where none is left, until one may pass.", 42),
    "Retry-After": _number("Seconds to wait before trying again.", 2),
    "WWW-Authenticate": _text("How to say who is asking.", "Bearer"),
    "Location": _text("Where what was made is found.", "/api/cameras/gate-north"),
    "ETag": _text("The revision; `If-Match` takes it.", '"3"'),
    "Idempotent-Replayed": _text("`true` when an earlier request of the same key got this answer.", "true"),
}  # fmt: skip

SECURITY: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of `POST /api/auth/login` (RS256, 15 minutes), or an API key (`gtv_...`).",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as the password, with any user name, for senders that can do no better.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "gtv_access",
        "description": "What a browser gets by `session: cookie`. Whatever changes something needs the header "
        "`X-GTV-Console` as well, which another site's page cannot send.",
    },
}

ENVELOPE: Json = {
    "type": "object",
    "title": "Error",
    "description": "The one shape of every error.",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "correlation_id"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "pattern": "^[a-z_]+$", "description": "stable, for machines"},
                "message": {"type": "string", "description": "for people; holds no secret"},
                "details": {
                    "type": "object",
                    "description": "facts, e.g. `field` with the name of a wrong field, or `fields` with several",
                },
                "correlation_id": {"type": "string", "description": "names the request in the logs"},
            },
        }
    },
}

# Examples of bodies whose fields have none of their own.
BODIES: dict[str, Json] = {
    "POST /api/auth/login": {"username": "admin", "password": "Quatro-Azul-Ponte-19", "session": "token"},
    "POST /api/auth/users": {"username": "maria.souza", "password": "Quatro-Azul-Ponte-19", "role": "operator"},
    "POST /api/auth/password": {
        "current_password": "Quatro-Azul-Ponte-19",
        "new_password": "Nove-Verde-Farol-74",
    },
}

# Status -> name of the shared answer, and what it means.
ERRORS: dict[int, tuple[str, str]] = {
    400: ("Malformed", "The body cannot be read, or is no picture."),
    401: ("NotAuthenticated", "Nobody is signed in, or the token does not hold."),
    403: ("Forbidden", "Signed in, but not allowed."),
    404: ("NotFound", "There is no such thing, or it is out of sight for who asks."),
    408: ("TooSlow", "The body did not arrive in time."),
    409: ("Conflict", "It exists already, is in use, or was changed meanwhile."),
    410: ("Gone", "It was there and is no more."),
    412: ("Conflict412", "It was changed meanwhile."),
    413: ("TooLarge", "The body is over the limit."),
    415: ("WrongType", "The body's type is none that is taken here."),
    422: ("InvalidInput", "A field is wrong; `details` names it."),
    429: ("Throttled", "Too many requests; `Retry-After` says when to come back."),
    500: ("Misconfigured", "A setting is missing or wrong, or there is a bug."),
    502: ("CameraUnavailable", "The camera refused, hung or sent nothing usable."),
    503: ("Unavailable", "A part that is needed does not answer now; try again later."),
    504: ("TimedOut", "It took too long and was given up."),
    507: ("StorageFull", "There is no room for another image."),
}
CODES = {
    400: "broken_image", 401: "not_authenticated", 403: "forbidden", 404: "not_found", 408: "too_slow",
    409: "conflict", 410: "gone", 412: "conflict", 413: "too_large", 415: "rejected", 422: "invalid_input",
    429: "throttled", 500: "internal", 502: "camera_unavailable", 503: "database_unavailable", 504: "timed_out",
    507: "storage_full",
}  # fmt: skip
EXAMPLES = {
    401: "sign in first",
    403: "this is for the roles operator, admin",
    404: "there is no such camera",
    422: "name: String should have at least 1 character",
    429: "more than 1200 requests in 60 s; try again in 12 s",
    503: "the database does not answer",
}
