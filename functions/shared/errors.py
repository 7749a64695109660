"""The errors of GT-Vision. None knows HTTP, NATS or exit codes: edge tables translate them.

GTVisionError
├── Rejected              what was asked is wrong and stays wrong: do not try again
│   ├── InvalidInput      a field is wrong; names the field and the reason
│   │   └── TooLarge      more bytes than the limit
│   ├── BrokenImage       the bytes are not an image that can be decoded
│   ├── NotAuthenticated  nobody is signed in, or the token does not hold
│   ├── Forbidden         signed in, but not allowed
│   ├── TooSlow           the body did not arrive in time
│   ├── NotFound          there is no such thing
│   └── Conflict          it exists already, or was changed meanwhile
├── Unavailable           a part that is needed does not answer now: try again later
│   ├── BusUnavailable
│   ├── DatabaseUnavailable
│   ├── StoreUnavailable
│   │   └── StorageFull   no room for another image
│   ├── InferenceUnavailable
│   ├── CameraUnavailable a camera refused, hung or sent nothing usable
│   └── TimedOut          the work took longer than a request may, and was given up
├── Throttled             too many requests; carries when to come back
└── Misconfigured         a setting, file or model is missing or wrong; names what and the mend
"""

from __future__ import annotations

from collections.abc import Mapping


class GTVisionError(Exception):
    """Base of every error that GT-Vision raises on purpose.

    `message` is for people and carries no secret; `code` is stable, for machines; `details` holds
    JSON-ready facts such as the field's name.
    """

    code = "error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details


class Rejected(GTVisionError):
    code = "rejected"


class InvalidInput(Rejected):
    """A field of the input is wrong. `InvalidInput(reason, field="rtsp_url")`."""

    code = "invalid_input"


class TooLarge(InvalidInput):
    code = "too_large"


class BrokenImage(Rejected):
    code = "broken_image"


class NotAuthenticated(Rejected):
    code = "not_authenticated"


class Forbidden(Rejected):
    code = "forbidden"


class TooSlow(Rejected):
    code = "too_slow"


class NotFound(Rejected):
    code = "not_found"


class Conflict(Rejected):
    code = "conflict"


class Unavailable(GTVisionError):
    code = "unavailable"


class BusUnavailable(Unavailable):
    code = "bus_unavailable"


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class StorageFull(StoreUnavailable):
    code = "storage_full"


class InferenceUnavailable(Unavailable):
    code = "inference_unavailable"


class CameraUnavailable(Unavailable):
    """A camera refused, hung or sent nothing usable. `details["reason"]` is a short stable word."""

    code = "camera_unavailable"


class TimedOut(Unavailable):
    code = "timed_out"


class Throttled(GTVisionError):
    """Too many requests. `details["retry_after"]` is in seconds."""

    code = "throttled"


class Misconfigured(GTVisionError):
    """A setting, file or model is missing or wrong. `details["mend"]` says what to do."""

    code = "misconfigured"
