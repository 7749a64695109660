"""How we speak: structured logs on stderr, events as snake_case facts, secrets struck out.

`correlation_id` is bound by the edges (web, bus) in a context variable and goes out with every line.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

# Greedy up to the last @ before a space or quote: people type passwords with @ and / unescaped. Bounded: what strangers
# send is redacted too, and must not take a time that grows with the square of its length.
_CREDENTIALS = re.compile(r"(?P<keep>[a-z][a-z0-9+.-]{0,30}://)[^\s'\"]{0,1100}@", re.IGNORECASE)
_VALUES = re.compile(r"(?P<keep>(?:passw(?:or)?d|pwd|secret|token)=)[^&\s'\"]+", re.IGNORECASE)
_BEARER = re.compile(r"(?P<keep>\bBearer |\bAuthorization: ?Basic )\S+", re.IGNORECASE)
_API_KEY = re.compile(r"(?P<keep>\bgtv_)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
_SECRET_NAMES = re.compile(r"password|passwd|secret|token|authorization|cookie|api_key|fernet", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with the user and password of every URL, and the values of secret parameters, replaced by `***`.

    >>> redact("open rtsp://op:s3cret@10.0.0.7/live failed")
    'open rtsp://***@10.0.0.7/live failed'
    """
    text = _CREDENTIALS.sub(r"\g<keep>***@", text)
    for pattern in (_VALUES, _BEARER, _API_KEY):
        text = pattern.sub(r"\g<keep>***", text)
    return text


def _struck(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, BaseException):
        return redact(str(value))
    if isinstance(value, Mapping):
        return {key: "***" if _SECRET_NAMES.search(str(key)) and item else _struck(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_struck(item) for item in value]
    return value


def _strike_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(_struck(event))
    return event


def configure(level: str = "INFO", form: str = "json") -> None:
    """Set up logging for this process; the standard library's loggers go the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _strike_secrets,
    ]
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("botocore", "boto3", "urllib3", "aiosqlite", "asyncio", "alembic", "uvicorn.access", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def get(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind_correlation(correlation_id: str | None = None) -> str:
    """Bind a correlation id (a new one when none is given) to this context; returns it."""
    value = correlation_id or uuid.uuid4().hex
    structlog.contextvars.bind_contextvars(correlation_id=value)
    return value


def correlation_id() -> str | None:
    value = structlog.contextvars.get_contextvars().get("correlation_id")
    return value if isinstance(value, str) else None
