"""POST /api/ingest/frames through the real app, a real database and a real nats-server."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import uvicorn
from pydantic import SecretStr

from functions.auth import handler as auth
from functions.ingest import handler
from functions.shared.bus import Bus
from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.tables import Camera, Group, User, UserGroup
from tests.functions.serving import Served, serve
from tests.functions.signing import sign_in
from tests.support.nats import NatsServer
from tests.support.ports import free_port

PASSWORD = "Quarto-Verde-77-Onibus"
URL = "/api/ingest/frames"


def encoded(extension: str, width: int = 320, height: int = 180) -> bytes:
    image = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    done, data = cv2.imencode(extension, image)
    assert done
    return bytes(data.tobytes())


@pytest.fixture
def settings(tmp_path: Path, database_url: str, nats_server: NatsServer) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, nats_url=nats_server.url, database_wait_s=0.0,
        admin_password=SecretStr(PASSWORD),
    )  # fmt: skip


@pytest.fixture
async def served(settings: FunctionSettings, database: Database) -> AsyncIterator[Served]:
    at = now()
    async with database.transaction() as session:
        for name, enabled, deleted in (("gate", True, None), ("off", False, None), ("gone", True, at)):
            session.add(
                Camera(
                    id=name, name=name, url_encrypted="-", enabled=enabled, created_at=at, updated_at=at,
                    deleted_at=deleted,
                )
            )  # fmt: skip
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            serve("ingest", [auth.router, handler.router], settings, startup=auth.startup)
        )
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made


@pytest.fixture
async def bus(bus: Bus) -> Bus:
    await bus.js.purge_stream("FRAMES")
    return bus


async def test_a_jpeg_in_a_form_is_queued_as_it_is(served: Served, bus: Bus) -> None:
    picture = encoded(".jpg")
    answer = await served.client.post(URL, data={"camera_id": "gate"}, files={"frame": ("a.jpg", picture)})
    assert answer.status_code == 202, answer.text
    found = await bus.last_frame("gate")
    assert found is not None
    meta, jpeg = found
    assert jpeg == picture
    assert (meta.id, meta.source, meta.width, meta.height) == (answer.json()["id"], "ingest", 320, 180)
    assert meta.correlation_id == answer.headers["x-correlation-id"]
    assert abs((now() - meta.captured_at).total_seconds()) < 30


async def test_a_png_body_is_queued_as_a_jpeg(served: Served, bus: Bus) -> None:
    at = now() - timedelta(days=3)
    answer = await served.client.post(
        URL, params={"camera_id": "gate", "captured_at": at.isoformat()}, content=encoded(".png"),
        headers={"content-type": "image/png"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    found = await bus.last_frame("gate")
    assert found is not None
    assert found[0].captured_at == at
    image = cv2.imdecode(np.frombuffer(found[1], np.uint8), cv2.IMREAD_COLOR)
    assert found[1].startswith(b"\xff\xd8\xff")
    assert image is not None
    assert image.shape == (180, 320, 3)


async def test_the_same_picture_of_the_same_time_is_one_frame(served: Served, bus: Bus) -> None:
    params = {"camera_id": "gate", "captured_at": (now() - timedelta(days=1)).isoformat()}
    picture = encoded(".jpg")
    answers = [
        await served.client.post(URL, params=params, content=picture, headers={"content-type": "image/jpeg"})
        for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (await bus.js.stream_info("FRAMES")).state.messages == 1


async def test_an_idempotency_key_queues_once(served: Served, bus: Bus) -> None:
    headers = {"content-type": "image/jpeg", "Idempotency-Key": "one"}
    picture = encoded(".jpg")
    first, second = [
        await served.client.post(URL, params={"camera_id": "gate"}, content=picture, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert (await bus.js.stream_info("FRAMES")).state.messages == 1
    other = await served.client.post(
        URL, params={"camera_id": "gate"}, content=encoded(".jpg", 322), headers=headers
    )  # fmt: skip
    assert other.status_code == 409


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has very many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


def two_headed() -> bytes:
    """A JPEG of 64 x 64 to a reader that gives the marker TEM a length, of 24000 x 24000 to a decoder."""
    done, small = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))
    assert done
    real = bytearray(small.tobytes()[2:])
    header = real.index(b"\xff\xc0")
    shown = bytes(real[header : header + 19])
    real[header + 5 : header + 9] = struct.pack(">HH", 24_000, 24_000)
    # To the decoder FF FE begins a comment, to the other reader it is the length of FF 01.
    comment = b"\xff\xfe" + struct.pack(">H", 0xFFFF) + b"\0" * (0xFFFE - 4)
    return b"\xff\xd8\xff\x01" + comment + shown + bytes(real)


def many_scans() -> bytes:
    """Some 50 bytes a scan, each of which costs a decoder a pass over the whole picture."""
    picture, how = np.full((256, 256, 3), 128, np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    done, encoded_ = cv2.imencode(".jpg", picture, how)
    assert done
    data = encoded_.tobytes()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 1000 + b"\xff\xd9"


async def test_a_progressive_jpeg_is_a_picture_too(served: Served) -> None:
    done, data = cv2.imencode(".jpg", np.full((90, 160, 3), 9, np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    assert data.tobytes().count(b"\xff\xda") > 5
    answer = await served.client.post(URL, data={"camera_id": "gate"}, files={"frame": ("a", data.tobytes())})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (b"hello", "neither a JPEG nor a PNG"),
        (b"", "empty"),
        (b"GIF89a" + b"\0" * 100, "neither"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 200, "frame header"),
        (encoded(".jpg")[:4000], "cut off"),
        (encoded(".png")[:3000], "decoded"),
        (bomb(50_000, 50_000), "50000 x 50000"),
        (two_headed(), "frame header"),
        (many_scans(), "over 64 scans"),
        (encoded(".png", 8, 8), "least side"),
    ],
    ids=["text", "empty", "gif", "no-header", "cut-jpeg", "cut-png", "bomb", "two-headed", "scans", "tiny"],
)
async def test_what_is_no_picture_is_400(served: Served, bus: Bus, picture: bytes, words: str) -> None:
    answer = await served.client.post(URL, data={"camera_id": "gate"}, files={"frame": ("a", picture)})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "broken_image"
    assert words in answer.json()["error"]["message"]
    assert await bus.last_frame("gate") is None


@pytest.mark.parametrize(
    ("camera_id", "status"), [("unknown", 404), ("gone", 404), ("off", 409), ("Not An Id", 422), ("", 422)]
)
async def test_frames_of_no_usable_camera_are_refused(served: Served, camera_id: str, status: int) -> None:
    answer = await served.client.post(URL, data={"camera_id": camera_id}, files={"frame": ("a.jpg", encoded(".jpg"))})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["details"]["field"] == "camera_id"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "captured_at"),
        ("2026-01-01T00:00:00", "timezone"),
        ("2999-01-01T00:00:00Z", "future"),
        ("0001-01-01T00:00:00+14:00", "2000"),
    ],
)
async def test_a_wrong_time_is_422(served: Served, text: str, words: str) -> None:
    answer = await served.client.post(
        URL, data={"camera_id": "gate", "captured_at": text}, files={"frame": ("a.jpg", encoded(".jpg"))}
    )
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["details"]["field"] == "captured_at"


async def test_a_form_without_its_frame_is_422(served: Served) -> None:
    for fields in ({"camera_id": "gate"}, {"camera_id": "gate", "frame": "text"}):
        answer = await served.client.post(URL, files={name: (None, value) for name, value in fields.items()})
        assert answer.status_code == 422
        assert answer.json()["error"]["details"]["field"] == "frame"


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/plain", b"x"), ("multipart/form-data", b"x"), ("multipart/form-data; boundary=b", b"--b\r\nnonsense")],
)
async def test_another_kind_of_body_is_422(served: Served, kind: str, body: bytes) -> None:
    answer = await served.client.post(
        URL, params={"camera_id": "gate"}, content=body, headers={"content-type": kind}
    )  # fmt: skip
    assert answer.status_code == 422, answer.text


async def test_a_viewer_may_not(served: Served) -> None:
    user = {"username": "vera", "password": PASSWORD, "role": "viewer"}
    assert (await served.client.post("/api/auth/users", json=user)).status_code == 201
    answer = await served.client.post(
        URL, data={"camera_id": "gate"}, files={"frame": ("a.jpg", encoded(".jpg"))},
        headers=await served.login("vera", PASSWORD),
    )  # fmt: skip
    assert answer.status_code == 403


async def test_without_the_bus_it_is_503(served: Served, nats_server: NatsServer) -> None:
    picture = {"frame": ("a.jpg", encoded(".jpg"))}
    assert (await served.client.post(URL, data={"camera_id": "gate"}, files=picture)).status_code == 202
    nats_server.kill()
    try:
        answer = await served.client.post(URL, data={"camera_id": "gate"}, files=picture)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bus_unavailable")
        assert "retry-after" in answer.headers
    finally:
        nats_server.start()


class Trickle:
    """20 MB in pieces, counting what was asked for."""

    def __init__(self) -> None:
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(320):
            self.given += 65_536
            yield b"\xff" * 65_536
            await asyncio.sleep(0)


async def _started(server: uvicorn.Server) -> None:
    async with asyncio.timeout(10):
        while True:
            if server.started:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_20_mb_upload_is_refused_early(served: Served, announced: bool) -> None:
    body = Trickle()
    headers = {"content-type": "image/jpeg"} | ({"content-length": str(320 * 65_536)} if announced else {})
    answer = await served.client.post(URL, params={"camera_id": "gate"}, content=body, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert body.given <= handler.MAX_PICTURE + handler.FORM_MARGIN + 65_536


async def test_a_20_mb_upload_gets_its_answer_from_a_real_server(served: Served) -> None:
    """Over a socket: the answer comes though the body was not taken."""
    server = uvicorn.Server(uvicorn.Config(served.app, port=free_port(), lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve())
    try:
        await _started(server)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.config.port}") as client:
            client.headers["authorization"] = served.client.headers["authorization"]
            picture = {"frame": ("a.jpg", b"\xff\xd8\xff" + bytes(20 * 1024 * 1024))}
            answer = await client.post(URL, data={"camera_id": "gate"}, files=picture)
            assert answer.status_code == 413
            headers = {"content-type": "image/jpeg"}
            answer = await client.post(URL, params={"camera_id": "gate"}, content=Trickle(), headers=headers)
            assert answer.status_code == 413
    finally:
        server.should_exit = True
        await task


async def test_five_mb_is_the_most(served: Served) -> None:
    picture = encoded(".jpg")
    full = picture + b"\0" * (handler.MAX_PICTURE - len(picture))
    for body, status in ((full, 400), (full + b"\0", 413)):
        # Padded behind its end, the picture reads as cut off: what matters here is which limit speaks first.
        answer = await served.client.post(URL, data={"camera_id": "gate"}, files={"frame": ("a.jpg", body)})
        assert answer.status_code == status


async def test_a_camera_takes_so_many_frames_a_second(
    database: Database, settings: FunctionSettings, served: Served
) -> None:
    """By form and by raw POST together, whoever sends them; another camera is not held up."""
    at, busy = now(), f"busy-{new_id()}"
    async with database.transaction() as session:
        for name in (busy, f"{busy}-2"):
            session.add(Camera(id=name, name=name, url_encrypted="-", enabled=True, created_at=at, updated_at=at))
    limited = settings.model_copy(update={"rate_camera": 1})
    async with serve("ingest", [auth.router, handler.router], limited, startup=auth.startup) as made:
        made.client.headers.update(served.client.headers)
        made.context.quotas._clock = lambda: 6_000_000.0
        picture, statuses = encoded(".jpg"), []
        for turn in range(12):
            if turn % 2:
                answer = await made.client.post(URL, data={"camera_id": busy}, files={"frame": ("a.jpg", picture)})
            else:
                headers = {"content-type": "image/jpeg"}
                answer = await made.client.post(URL, params={"camera_id": busy}, content=picture, headers=headers)
            statuses.append(answer.status_code)
        assert statuses == [202] * 10 + [429] * 2, "ten within the ten seconds that it is counted over"
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert answer.headers["ratelimit-policy"] == '"ingest";q=60000;w=60, "camera";q=10;w=10'
        assert answer.json()["error"]["details"]["policy"] == "camera"
        other = await made.client.post(URL, data={"camera_id": f"{busy}-2"}, files={"frame": ("a.jpg", picture)})
        assert other.status_code == 202
        wrong = await made.client.post(URL, data={"camera_id": "none"}, files={"frame": ("a.jpg", picture)})
        assert wrong.status_code == 404


async def sent(made: Served, headers: dict[str, str]) -> int:
    picture = {"frame": ("a.jpg", encoded(".jpg"))}
    return (await made.client.post(URL, data={"camera_id": "gate"}, files=picture, headers=headers)).status_code


async def test_a_camera_out_of_scope_is_none_and_loses_nothing_of_its_quota(
    database: Database, settings: FunctionSettings, served: Served
) -> None:
    at = now()
    person = User(id=new_id(), username="north-only", password_hash="-", role="integrator", disabled=False,
                  all_groups=False, created_at=at)  # fmt: skip
    async with database.transaction() as session:
        session.add_all(
            [person, Group(id="north", name="North", plate_formats=["br_old"], created_at=at, updated_at=at)]
        )
        await session.flush()
        session.add(UserGroup(user_id=person.id, group_id="north"))
    headers = {"Authorization": f"Bearer {await sign_in(served.context, person)}"}
    limited = settings.model_copy(update={"rate_camera": 1})
    async with serve("ingest", [handler.router], limited) as made:
        for _ in range(12):
            assert await sent(made, headers) == 404
        assert await sent(made, dict(served.client.headers)) == 202
