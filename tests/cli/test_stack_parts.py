"""What the local run gives its processes: ports, settings, secrets, logs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cli.stack import parts
from cli.stack.lock import DataLock
from cli.stack.logfile import LogFile
from cli.stack.options import StackOptions, check_settings, model_repository, nats_token, process_environ, require_pods
from cli.stack.ports import free_port, is_free
from functions.shared.errors import Conflict, Misconfigured

PLAIN = {"PATH": "/usr/bin:/bin"}


def _options(folder: Path, **settings: str) -> StackOptions:
    return StackOptions(folder, environ={**PLAIN, **settings})


def test_a_bus_of_our_own_asks_for_a_token_that_is_kept(tmp_path: Path) -> None:
    environ = process_environ(_options(tmp_path), "nats://127.0.0.1:1")
    assert environ["GTV_NATS_TOKEN"] == nats_token(tmp_path)
    assert len(environ["GTV_NATS_TOKEN"]) > 30
    assert stat.S_IMODE((tmp_path / "keys" / "nats.token").stat().st_mode) == 0o600


def test_a_bus_elsewhere_gets_no_token_of_ours(tmp_path: Path) -> None:
    options = _options(tmp_path, GTV_NATS_URL="nats://elsewhere:4222")
    assert "GTV_NATS_TOKEN" not in process_environ(options, "nats://elsewhere:4222")


def test_the_configuration_of_nats_is_for_us_alone(tmp_path: Path) -> None:
    part = parts.nats_part(tmp_path, 4999, 8999, {**PLAIN, "GTV_NATS_TOKEN": "t0ken", "GTV_FERNET_KEYS": "k"})
    config = tmp_path / "nats" / "nats.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert 'token: "t0ken"' in config.read_text()
    assert "127.0.0.1:4999" in config.read_text()
    assert "t0ken" not in " ".join(part.argv)
    assert "GTV_FERNET_KEYS" not in part.env


def test_capture_gets_no_secret_of_the_functions() -> None:
    secrets = {"GTV_ADMIN_PASSWORD": "p", "GTV_DATABASE_URL": "d", "GTV_S3_SECRET_KEY": "s", "GTV_POD_ID": "north"}
    env = parts.capture_part(2, 9000, {**PLAIN, **secrets}).env
    assert not {"GTV_ADMIN_PASSWORD", "GTV_DATABASE_URL", "GTV_S3_SECRET_KEY"} & env.keys()
    assert env["GTV_POD_ID"] == "north-2"


def test_triton_gets_no_secret_at_all() -> None:
    secrets = {"GTV_ADMIN_PASSWORD": "hush", "GTV_DATABASE_URL": "hush", "GTV_S3_ACCESS_KEY": "hush"}
    secrets |= {"GTV_S3_SECRET_KEY": "hush", "GTV_NATS_TOKEN": "hush", "GTV_FERNET_KEYS": "hush"}
    part = parts.triton_part(9000, 9001, {**PLAIN, **secrets, "GTV_MODEL_REPOSITORY": "/models"})
    assert "hush" not in [*part.env.values(), *part.argv]


def test_a_part_does_not_show_its_environment() -> None:
    assert "hush" not in repr(parts.capture_part(1, 9000, {**PLAIN, "GTV_FERNET_KEYS": "hush"}))


def test_wrong_settings_are_found_without_touching_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with pytest.raises(Misconfigured, match="GTV_JPEG_QUALITY"):
        check_settings({**PLAIN, "GTV_JPEG_QUALITY": "7"})
    assert dict(os.environ) == before


@pytest.mark.parametrize("count", [-1, 65])
def test_a_count_of_pods_that_is_none(count: int) -> None:
    with pytest.raises(Misconfigured):
        require_pods(count)


def test_the_models_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (model_repository({}) / "alpr" / "config.pbtxt").is_file()


def test_a_lock_is_let_go(tmp_path: Path) -> None:
    first, second = DataLock(tmp_path), DataLock(tmp_path)
    first.take(url="http://one")
    with pytest.raises(Conflict, match="http://one"):
        second.take(url="http://two")
    first.release()
    second.take(url="http://two")
    second.release()


def test_a_preferred_port_is_taken_when_free() -> None:
    port = free_port()
    assert is_free(port)
    assert free_port(port) == port


def test_a_log_stays_within_its_bound(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log", max_bytes=1000)
    for number in range(200):
        log.write(f"line {number:04}\n".encode())
    log.close()
    sizes = [file.stat().st_size for file in sorted(tmp_path.iterdir())]
    assert len(sizes) == 2
    assert max(sizes) <= 1000
    assert "line 0199" in (tmp_path / "part.log").read_text()


def test_a_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "part.log", max_bytes=10)
    for _ in range(3):
        log.write(b"a line\n")
    log.close()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "logs").iterdir()] == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_a_reason_is_the_last_that_gives_one(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log")
    log.write(b'{"event": "x", "level": "error", "reason": "rtsp://u:pw@h/ is away", "mend": "look"}\n')
    log.write(b'{"event": "Exiting.", "level": "error"}\n')
    log.write(b"plain words\n")
    assert log.reason() == ("rtsp://***@h/ is away", "look")
    log.tail.clear()
    log.write(b"plain words\n")
    assert log.reason() == ("plain words", "")
    assert log.warning() == ("", "")
    log.close()


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""
    log = LogFile(tmp_path / "part.log")
    log.close()
    log._stream = os.fdopen(os.open("/dev/full", os.O_WRONLY), "ab")
    log.write(b"lost\n")
    assert list(log.tail) == ["lost"]
    log.close()
