"""A password planted in RTSP addresses turns up nowhere: not in answers, logs, events, KV or the database's files."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from functions.cameras import service
from functions.cameras.feed import reconcile_cameras
from functions.shared import logs
from functions.shared.access import Role
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import CameraSpec
from functions.shared.errors import Misconfigured
from functions.shared.outbox import relay
from functions.shared.scope import EVERYTHING
from functions.shared.tokens import Principal
from functions.shared.topology import CAMERAS_KV
from tests.functions.cameras.conftest import URL, Register
from tests.support.ports import free_port
from tests.support.rtsp import silent_listener

MARK = "S3CRET-MARK"
ADMIN = Principal("0" * 32, "admin", Role.ADMIN)
# As it is, and as an encoding would show it.
SHAPES = (MARK.encode(), base64.b64encode(MARK.encode())[:12], MARK.encode("utf-16-le"), MARK.encode().hex().encode())


def clean(data: bytes | str) -> bool:
    raw = data.encode() if isinstance(data, str) else data
    return not any(shape in raw for shape in SHAPES)


def test_the_mark_is_found_where_it_is() -> None:
    assert not clean(URL)
    assert not clean(base64.b64encode(MARK.encode()))


async def everything(register: Register) -> list[httpx.Response]:
    """Every route with the mark in its input, on paths that succeed and that fail."""
    client = register.client
    with silent_listener() as silent:
        hung = silent.replace("rtsp://", f"rtsp://op:{MARK}@")
        closed = f"rtsp://op:{MARK}@127.0.0.1:{free_port()}/{MARK}?password={MARK}"
        answers = [
            await client.post("/api/cameras", json={"id": "cam-1", "name": "Cam", "rtsp_url": URL}),
            await client.post("/api/cameras", json={"id": "cam-1", "name": "Cam", "rtsp_url": URL}),
            await client.post("/api/cameras", json={"id": "cam-2", "name": "Cam", "rtsp_url": closed},
                              headers={"Idempotency-Key": "k"}),
            await client.post("/api/cameras", json={"id": "cam-2", "name": "Cam", "rtsp_url": closed},
                              headers={"Idempotency-Key": "k"}),
            await client.post("/api/cameras", json={"name": "Cam", "rtsp_url": f"rtsp://op:{MARK}@[::1/x"}),
            await client.post("/api/cameras", json={"name": "Cam", "rtsp_url": [f"rtsp://op:{MARK}@h/x"]}),
            await client.post("/api/cameras", content=f'{{"rtsp_url": "{URL}"'.encode(),
                              headers={"content-type": "application/json"}),
            await client.patch("/api/cameras/cam-1", json={"rtsp_url": URL + "/new"}),
            await client.patch("/api/cameras/cam-1", json={"rtsp_url": f"rtsp://op:{MARK}@169.254.1.1/x"}),
            await client.post("/api/cameras/probe", json={"rtsp_url": hung}),
            await client.post("/api/cameras/probe", json={"rtsp_url": closed}),
            await client.post("/api/cameras/probe", json={"rtsp_url": f"rtsp://op:{MARK}@no-such.invalid/x"}),
            await client.post("/api/cameras/cam-2/probe"),
            await client.post("/api/cameras/import", params={"mode": "valid"}, content=(
                f"name,rtsp_url\nGood,rtsp://op:{MARK}@127.0.0.1/x\nBad,ftp://op:{MARK}@127.0.0.1/x\n").encode()),
            await client.post("/api/cameras/import", content=f"name,rtsp_url\n{URL}\n".encode()),
            await client.get("/api/cameras"),
            await client.get("/api/cameras/cam-1"),
            await client.get("/api/cameras/cam-1/status"),
            await client.get("/api/cameras/cam-1/snapshot.jpg"),
            await client.post("/api/cameras/keys/rotate"),
            await client.delete("/api/cameras/cam-2"),
            await client.get("/api/openapi.json"),
            await client.get("/metrics"),
        ]  # fmt: skip
    return answers


async def on_the_bus(bus: Bus) -> list[bytes]:
    """Every message of EVENTS with its headers, and every value of the cameras' bucket."""
    found = list((await bus.kv_all(CAMERAS_KV)).values())
    state = (await bus.js.stream_info("EVENTS")).state
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await bus.js.get_msg("EVENTS", sequence)
        found += [message.data or b"", str(message.headers).encode()]
    return found


@pytest.fixture
def every_log(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Logs as a server writes them, on the captured stderr, down to DEBUG and of noisy libraries too."""
    root, noisy = logging.getLogger(), {}
    handlers, level = root.handlers, root.level
    logs.configure("DEBUG", "json")
    for name in ("httpx", "aiosqlite", "asyncio"):
        noisy[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, before in noisy.items():
        logging.getLogger(name).setLevel(before)


async def test_the_mark_turns_up_nowhere(
    every_log: None, sqlite_register: Register, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answers = await everything(sqlite_register)
    statuses = [answer.status_code for answer in answers]
    # The walk is worth something only while the paths are those that it means.
    assert statuses == [
        201, 409, 201, 201, 422, 422, 422, 200, 422, 502, 502, 422, 502, 201, 422, 200, 200, 200, 404, 200, 204, 200,
        200,
    ]  # fmt: skip
    for answer in answers:
        assert clean(answer.text), answer.request.url
        assert clean(str(answer.headers)), answer.request.url
    bus = await sqlite_register.context.bus()
    while await relay(sqlite_register.context.db, bus):
        pass
    carried = await on_the_bus(bus)
    assert len(carried) > 6
    assert all(clean(one) for one in carried)
    async with sqlite_register.context.db.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and ".db" in path.name]
    assert len(files) >= 1
    assert all(clean(path.read_bytes()) for path in files)
    assert b"cam-1" in b"".join(path.read_bytes() for path in files)
    out, err = capfd.readouterr()
    assert clean(out + err)
    assert "camera_registered" in err
    assert "probe_failed" in err


async def test_addresses_outlive_a_change_of_the_fernet_key(register: Register) -> None:
    context = register.context
    await register.client.post("/api/cameras", json={"id": "cam-1", "name": "Cam", "rtsp_url": URL})
    await register.client.post("/api/cameras", json={"id": "cam-2", "name": "Cam", "rtsp_url": URL + "2"})
    old = (context.settings.data_dir / "keys" / "fernet.keys").read_text().strip()
    new = Fernet.generate_key().decode()
    both = Context(context.settings.model_copy(update={"fernet_keys": (SecretStr(new), SecretStr(old))}), "both")
    alone = Context(context.settings.model_copy(update={"fernet_keys": (SecretStr(new),)}), "alone")
    try:
        with pytest.raises(Misconfigured, match="key that is not given"):
            await service.rotate_secrets(alone, ADMIN)
        assert await service.rotate_secrets(both, ADMIN) == 2
        assert await service.address_of(alone, "cam-1", EVERYTHING) == URL
        assert await service.address_of(alone, "cam-2", EVERYTHING) == URL + "2"
        # Capture is told too, under the same revision: the camera itself has not changed.
        await reconcile_cameras(both)
        value = (await (await both.bus()).kv_all(CAMERAS_KV))["cam-1"]
        spec = CameraSpec.model_validate_json(value)
        assert (alone.vault.decrypt(spec.url_encrypted), spec.revision) == (URL, 1)
    finally:
        await both.close()
        await alone.close()


async def test_a_camera_whose_key_is_lost_is_shown_and_can_be_given_a_new_address(register: Register) -> None:
    context = register.context
    await register.client.post("/api/cameras", json={"id": "cam-1", "name": "Cam", "rtsp_url": URL})
    context.vault = type(context.vault)((Fernet.generate_key().decode(),))
    listed = (await register.client.get("/api/cameras")).json()["items"]
    assert listed[0]["has_credentials"] is None
    probed = await register.client.post("/api/cameras/cam-1/probe")
    assert probed.status_code == 500
    assert "key that is not given" in probed.json()["error"]["message"]
    mended = await register.client.patch("/api/cameras/cam-1", json={"rtsp_url": URL})
    assert mended.json()["has_credentials"] is True
