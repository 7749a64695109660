"""`gtvision doctor`: each thing that may be wrong is said, with its mend."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from functions.shared.config import all_kinds
from tests.support.cli import Done, environ_of, gtvision
from tests.support.ports import free_port


def _doctor(folder: Path, *arguments: str, **settings: str) -> Done:
    return gtvision("doctor", "--json", "--port", str(free_port()), *arguments, environ=environ_of(folder, **settings))


def _check(done: Done, name: str) -> dict[str, Any]:
    return next(check for check in done.json["checks"] if check["check"] == name)


def test_a_missing_model_is_named_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    done = _doctor(tmp_path, GTV_MODEL_REPOSITORY=str(tmp_path / "models"))
    found = _check(done, "models")
    assert found["state"] == "failed"
    assert "plate_ocr" in found["message"]
    assert found["mend"] == "run `gtvision models fetch`"
    assert done.code == 7


def test_a_port_in_use_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = gtvision("doctor", "--json", "--port", str(port), environ=environ_of(tmp_path))
    found = _check(done, "port")
    assert found["state"] == "failed"
    assert str(port) in found["message"]
    assert "pid" in found["message"]
    assert "--port" in found["mend"]


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    done = _doctor(tmp_path, GTV_DATABASE_ULR="x")
    found = _check(done, "settings")
    assert (found["state"], done.code) == ("failed", 7)
    assert "GTV_DATABASE_ULR" in found["message"]


def test_a_wrong_value_is_named_and_a_secret_is_not_shown(tmp_path: Path) -> None:
    done = _doctor(tmp_path, GTV_CAMERAS_PER_PROCESS="900", GTV_ADMIN_PASSWORD="hidden-hidden-1")
    assert "GTV_CAMERAS_PER_PROCESS" in _check(done, "settings")["message"]
    assert "hidden-hidden-1" not in done.out


def test_a_database_that_is_away_is_said_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://gtv:pw-of-db@127.0.0.1:{free_port()}/gtv"
    done = _doctor(tmp_path, GTV_DATABASE_URL=url)
    found = _check(done, "database")
    assert found["state"] == "failed"
    assert "GTV_DATABASE_URL" in found["mend"]
    assert "pw-of-db" not in done.out


def test_a_triton_that_is_away_is_said(tmp_path: Path) -> None:
    done = _doctor(tmp_path, GTV_TRITON_URL=f"grpc://127.0.0.1:{free_port()}")
    assert _check(done, "inference")["state"] == "failed"
    assert _check(done, "models")["state"] == "ok"


@pytest.mark.parametrize("kind", ["a file", "a broken path"])
def test_a_data_folder_that_cannot_be(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" if kind == "a file" else tmp_path / "file" / "below"
    done = _doctor(tmp_path, GTV_DATA_DIR=str(folder))
    assert _check(done, "data folder")["state"] == "failed"


def test_for_people_the_mends_come_last(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, GTV_TYPO="1")
    done = gtvision("doctor", "--port", str(free_port()), environ=environ)
    assert done.code == 7
    assert "To mend:" in done.out


def test_every_setting_is_listed(tmp_path: Path) -> None:
    done = gtvision("doctor", "--settings", "--json", environ=environ_of(tmp_path))
    listed = {row["name"]: row for row in done.json["settings"]}
    for kind in all_kinds():
        for name in kind.model_fields:
            assert listed[f"GTV_{name.upper()}"]["help"], name
    assert listed["GTV_CAMERA_NETWORKS"]["default"] == "0.0.0.0/0,::/0"
