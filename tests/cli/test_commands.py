"""The commands against a running platform: tables for people, JSON for machines, exit codes that mean something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PASSWORD, Platform
from tests.support.cli import gtvision
from tests.support.ports import free_port

SECRET = "s3cret-of-the-camera"
ADDRESS = f"rtsp://operator:{SECRET}@127.0.0.1:1/stream"


def test_whoami(platform: Platform) -> None:
    done = platform("whoami", "--json")
    assert done.code == 0
    assert (done.json["username"], done.json["role"]) == ("admin", "admin")


def test_a_wrong_password_is_refused_and_not_shown(platform: Platform) -> None:
    done = platform("login", "-u", "admin", "--password-stdin", given="wrong-password-77\n")
    assert done.code == 3
    assert "wrong" in done.err
    assert "wrong-password-77" not in done.out + done.err


def test_a_camera_from_add_to_remove(platform: Platform) -> None:
    added = platform("cameras", "add", "Rua Direita", "-", "--id", "rua-direita", "--json", given=ADDRESS + "\n")
    assert added.code == 0, added.err
    assert added.json["id"] == "rua-direita"
    listed = platform("cameras", "list", "--json")
    assert [item["name"] for item in listed.json["items"] if item["id"] == "rua-direita"] == ["Rua Direita"]
    assert "rua-direita" in platform("cameras", "list").out
    changed = platform("cameras", "update", "rua-direita", "--fps", "2", "--location", "Sé", "--json")
    assert (changed.json["sample_fps"], changed.json["location"]) == (2.0, "Sé")
    shown = platform("cameras", "show", "rua-direita", "--json")
    assert shown.json["has_credentials"] is True
    for done in (added, listed, changed, shown, platform("cameras", "show", "rua-direita")):
        assert SECRET not in done.out + done.err
    assert platform("cameras", "remove", "rua-direita", "--yes").code == 0
    gone = platform("cameras", "show", "rua-direita", "--json")
    assert gone.code == 4
    assert json.loads(gone.err)["error"]["code"] == "not_found"


def test_the_same_id_twice_is_a_conflict(platform: Platform) -> None:
    arguments = ("cameras", "add", "Twice", "-", "--id", "twice")
    assert platform(*arguments, given="rtsp://127.0.0.1:1/a\n").code == 0
    assert platform(*arguments, given="rtsp://127.0.0.1:1/b\n").code == 5


def test_a_wrong_address_names_the_field(platform: Platform) -> None:
    done = platform("cameras", "add", "X", "-", given="http://127.0.0.1/x\n")
    assert done.code == 2
    assert "rtsp" in done.err


def test_an_empty_address_is_refused(platform: Platform) -> None:
    assert platform("cameras", "add", "X", "-", given="\n").code == 2


def test_an_update_of_nothing_is_refused(platform: Platform) -> None:
    assert platform("cameras", "update", "twice").code == 2


def test_a_removal_asks_first(platform: Platform) -> None:
    platform("cameras", "add", "Asked", "-", "--id", "asked", given="rtsp://127.0.0.1:1/asked\n")
    assert platform("cameras", "remove", "asked", given="n\n").code == 130
    assert platform("cameras", "show", "asked").code == 0


def test_a_probe_of_a_refused_port_says_so(platform: Platform) -> None:
    done = platform("cameras", "probe", "-", "--json", given=f"rtsp://op:{SECRET}@127.0.0.1:{free_port()}/x\n")
    assert done.code == 6, done.out + done.err
    error = json.loads(done.err)["error"]
    assert error["code"] == "camera_unavailable"
    assert SECRET not in done.err


CSV = """name,rtsp_url,id
Um,rtsp://127.0.0.1:1/{0}-1,{0}-1
Dois,http://127.0.0.1/no,{0}-2
Três,rtsp://127.0.0.1:1/{0}-3,{0}-3
"""


def _csv(folder: Path, name: str) -> str:
    file = folder / "cameras.csv"
    file.write_text(CSV.format(name))
    return str(file)


def _ids(platform: Platform, prefix: str) -> list[str]:
    items = platform("cameras", "list", "--json").json["items"]
    return sorted(item["id"] for item in items if item["id"].startswith(prefix))


def test_an_import_with_a_bad_line_adds_nothing_and_names_it(platform: Platform, tmp_path: Path) -> None:
    done = platform("cameras", "import", _csv(tmp_path, "all"), "--json")
    assert done.code == 2
    assert [(fault["line"], fault["field"]) for fault in done.json["errors"]] == [(3, "rtsp_url")]
    assert json.loads(done.err)["error"]["code"] == "invalid_input"
    assert _ids(platform, "all-") == []


def test_an_import_keeps_the_good_lines_when_asked(platform: Platform, tmp_path: Path) -> None:
    done = platform("cameras", "import", _csv(tmp_path, "good"), "--keep-good", "--json")
    assert done.code == 2
    assert done.json["created"] == 2
    assert _ids(platform, "good-") == ["good-1", "good-3"]


def test_a_dry_run_changes_nothing(platform: Platform, tmp_path: Path) -> None:
    done = platform("cameras", "import", _csv(tmp_path, "dry"), "--keep-good", "--dry-run", "--json")
    assert (done.json["dry_run"], len(done.json["cameras"])) == (True, 2)
    assert _ids(platform, "dry-") == []


def test_an_import_for_people_shows_lines(platform: Platform, tmp_path: Path) -> None:
    done = platform("cameras", "import", _csv(tmp_path, "seen"))
    assert "rtsp_url" in done.out
    assert "--keep-good" in done.err


def test_a_file_that_is_not_there(platform: Platform, tmp_path: Path) -> None:
    assert platform("cameras", "import", str(tmp_path / "none.csv")).code == 2


@pytest.mark.parametrize(("megabytes", "said"), [(20, "over 10 MB"), (3, "over 2 MB")])
def test_a_file_that_is_too_large_is_refused(platform: Platform, tmp_path: Path, megabytes: int, said: str) -> None:
    """What is huge is not even sent; what is large the API refuses."""
    file = tmp_path / "large.csv"
    file.write_bytes(b"name,rtsp_url\n" + b"x" * megabytes * 1024 * 1024)
    done = platform("cameras", "import", str(file), "--json")
    assert done.code == 2
    assert json.loads(done.err)["error"]["code"] == "too_large"
    assert said in done.err


def test_no_detection_is_an_empty_list(platform: Platform) -> None:
    assert platform("detections", "list", "--json").json == {"items": []}
    assert "Nothing" in platform("detections", "list").out
    assert platform("detections", "show", "0" * 32, "--json").code == 4


def test_status_tells_of_every_part(platform: Platform) -> None:
    platform("cameras", "add", "Watched", "-", "--id", "watched", given="rtsp://127.0.0.1:1/watched\n")
    done = platform("status", "--json")
    assert {"database", "bus", "capture", "inference", "cameras"} <= set(done.json)
    # Capture pods were left out of this platform, and the exit code says that something is amiss.
    assert done.json["capture"]["state"] == "down"
    assert (done.json["ok"], done.code) == (False, 6)
    assert "database" in platform("status").out


def test_a_viewer_may_look_and_not_touch(platform: Platform, tmp_path: Path) -> None:
    from cli.client import Client
    from cli.session import Sessions

    password = "a-viewer-of-the-tests-9"
    with Client(platform.run.url, token="", sessions=Sessions(platform.folder / "config")) as client:
        client.call("POST", "/api/auth/users", json={"username": "vera", "password": password, "role": "viewer"})
    environ = {**platform.environ, "GTV_CONFIG_DIR": str(tmp_path)}
    assert gtvision("login", "-u", "vera", "--password-stdin", environ=environ, given=password).code == 0
    assert gtvision("cameras", "list", environ=environ).code == 0
    assert gtvision("cameras", "add", "No", "-", environ=environ, given="rtsp://127.0.0.1:1/v\n").code == 3


def test_a_new_key_is_a_fernet_key(platform: Platform) -> None:
    from cryptography.fernet import Fernet

    first, second = platform("keys", "new").out.strip(), platform("keys", "new").out.strip()
    assert first != second
    assert Fernet(first)


def test_keys_are_rotated_and_the_session_lives_on(platform: Platform) -> None:
    done = platform("keys", "rotate", "--json")
    assert done.code == 0, done.err
    assert done.json["signing_key"]
    assert platform("whoami").code == 0


def test_nobody_answers(platform: Platform, tmp_path: Path) -> None:
    environ = {**platform.environ, "GTV_URL": f"http://127.0.0.1:{free_port()}", "GTV_TOKEN": "x"}
    done = gtvision("cameras", "list", environ=environ)
    assert done.code == 6
    assert "gtvision up" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_page_that_is_not_the_api(tmp_path: Path, platform: Platform, page_server: Callable[[], str]) -> None:
    environ = {**platform.environ, "GTV_URL": page_server(), "GTV_TOKEN": "x"}
    done = gtvision("cameras", "list", environ=environ)
    assert done.code == 7
    assert "GTV_URL" in done.err


@pytest.fixture
def page_server(tmp_path: Path) -> object:
    import functools
    import threading
    from http.server import HTTPServer, SimpleHTTPRequestHandler

    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "cameras").mkdir()
    (tmp_path / "api" / "cameras" / "index.html").write_text("<html>another program</html>")
    server = HTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield lambda: f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_a_given_password_is_nowhere_in_what_was_said_or_logged(platform: Platform) -> None:
    said = json.dumps(platform.run.events) + "".join(platform.run.noise)
    assert PASSWORD not in said
    assert "admin_password" not in platform.run.ready
    for file in (platform.folder / "data").rglob("*.log"):
        assert PASSWORD not in file.read_text(errors="replace"), file


def test_no_secret_is_an_argument_of_a_process(platform: Platform) -> None:
    token = (platform.folder / "data" / "keys" / "nats.token").read_text().strip()
    assert platform.run.pids
    for pid in platform.run.pids.values():
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert token not in line
        assert PASSWORD not in line


def test_tail_shows_what_is_published(platform: Platform) -> None:
    """A detection that the bus announces reaches a follower at once; the feed is the real one."""
    import subprocess
    import threading

    from functions.shared.contracts import DetectionRecorded, now
    from tests.support.cli import COMMAND, ROOT, until

    follower = subprocess.Popen(
        [*COMMAND, "detections", "tail", "--camera", "seen-cam", "--count", "1", "--json"],
        env=platform.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    seen = DetectionRecorded(
        camera_id="seen-cam", detection_id="d1", started_at=now(), ended_at=now(), final=True, plate="ABC1D23"
    )
    other = seen.model_copy(update={"camera_id": "other-cam", "id": "other"})
    stop = threading.Event()

    def keep_publishing() -> None:
        # The follower begins with what comes after it: it is told again until it has heard.
        number = 0
        while not stop.wait(0.5):
            number += 1
            publish(
                platform, [message.model_copy(update={"id": f"{message.id}-{number}"}) for message in (other, seen)]
            )

    publisher = threading.Thread(target=keep_publishing)
    publisher.start()
    try:
        out, err = follower.communicate(timeout=60)
    finally:
        stop.set()
        publisher.join(10)
        follower.kill()
        until(lambda: follower.poll() is not None, 5, "the follower ended")
    assert follower.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["camera_id"], line["plate"]) for line in lines] == [("seen-cam", "ABC1D23")]


def publish(platform: Platform, messages: list[Any]) -> None:
    """Publish on the bus of the platform."""
    import asyncio

    from pydantic import SecretStr

    from functions.shared import bus as bus_module
    from functions.shared.config import Settings

    data = platform.folder / "data"
    config = (data / "nats" / "nats.conf").read_text()
    address = config.split('listen: "')[1].split('"')[0]
    token = SecretStr((data / "keys" / "nats.token").read_text().strip())

    async def work() -> None:
        bus = await bus_module.connect(Settings(nats_url=f"nats://{address}", nats_token=token, data_dir=data), "test")
        try:
            for message in messages:
                await bus.publish(message)
        finally:
            await bus.close()

    asyncio.run(work())


def test_the_bus_lets_nobody_in_without_the_token(platform: Platform) -> None:
    import asyncio

    from functions.shared import bus as bus_module
    from functions.shared.config import Settings
    from functions.shared.errors import BusUnavailable

    data = platform.folder / "data"
    address = (data / "nats" / "nats.conf").read_text().split('listen: "')[1].split('"')[0]

    async def work() -> None:
        with pytest.raises(BusUnavailable):
            await bus_module.connect(Settings(nats_url=f"nats://{address}", data_dir=data), "stranger", wait_s=2)

    asyncio.run(work())
