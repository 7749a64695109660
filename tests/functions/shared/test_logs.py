"""What must never be written: credentials, in whatever shape they come."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from functions.shared import logs


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("open rtsp://op:s3cret@10.0.0.7/live failed", "s3cret"),
        ("open rtsp://op:s3cr@et@10.0.0.7/live failed", "et@"),
        ("open rtsp://op:s3/cret@10.0.0.7/live failed", "cret"),
        ("postgresql+asyncpg://gtv:s3cret@db:5432/gtv", "s3cret"),
        ("nats://one:s3cret@a:4222,nats://two:s3cret@b:4222", "s3cret"),
        ("'RTSP://OP:S3CRET@CAM/'", "S3CRET"),
        ("rtsp://cam/live?user=admin&password=s3cret&channel=1", "s3cret"),
        ("rtsp://cam:554/user=admin_password=s3cret_channel=1_stream=0.sdp", "s3cret"),
        ("Authorization: Bearer eyJs3cret.x.y", "s3cret"),
    ],
)
def test_redact(text: str, secret: str) -> None:
    assert secret not in logs.redact(text)


@pytest.mark.parametrize("text", ["a" * 200_000, "a://" * 50_000, "a:" * 100_000, "token" * 40_000])
@pytest.mark.timeout(30)
def test_long_text_takes_no_time_that_grows_with_its_square(text: str) -> None:
    """A path or header of a stranger: at the square of its length this would take minutes."""
    assert "s3cret" not in logs.redact(f"{text} rtsp://op:s3cret@10.0.0.7/{text}")


@pytest.mark.parametrize("text", ["rtsp://10.0.0.7/live", "write to operator@example.org", "a: b, 3 of 4"])
def test_redact_leaves_the_rest(text: str) -> None:
    assert logs.redact(text) == text


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    logs.configure("INFO", "json")
    stream = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    structlog.contextvars.clear_contextvars()
    yield stream
    structlog.contextvars.clear_contextvars()
    logs.configure("WARNING", "console")


def test_fields_that_name_a_secret_are_struck_out(lines: io.StringIO) -> None:
    logs.get("t").info(
        "login_failed", username="ana", password="s3cret", headers={"Authorization": "Bearer s3cret", "Host": "x"},
        urls=["rtsp://a:s3cret@b/"],
    )  # fmt: skip
    written = json.loads(lines.getvalue())
    assert "s3cret" not in lines.getvalue()
    assert written["event"] == "login_failed"
    assert written["username"] == "ana"
    assert written["headers"]["Host"] == "x"


def test_exceptions_are_redacted_with_their_traceback(lines: io.StringIO) -> None:
    try:
        raise OSError("cannot open rtsp://op:s3cret@10.0.0.7/live")
    except OSError as error:
        logs.get("t").exception("open_failed", cause=error)
    assert "open_failed" in lines.getvalue()
    assert "Traceback" in lines.getvalue()
    assert "s3cret" not in lines.getvalue()


def test_the_standard_library_goes_the_same_way(lines: io.StringIO) -> None:
    logging.getLogger("other").warning("cannot open %s", "rtsp://op:s3cret@10.0.0.7/live")
    written = json.loads(lines.getvalue())
    assert written["event"] == "cannot open rtsp://***@10.0.0.7/live"
    assert written["level"] == "warning"


def test_the_correlation_id_goes_out_with_every_line(lines: io.StringIO) -> None:
    given = logs.bind_correlation("abc-1")
    logs.get("t").info("fact")
    assert given == logs.correlation_id() == json.loads(lines.getvalue())["correlation_id"] == "abc-1"


def test_levels(lines: io.StringIO) -> None:
    logs.get("t").debug("hidden")
    assert lines.getvalue() == ""
