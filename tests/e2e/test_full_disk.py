"""A disk that is full: the start, the command line, the API and the page say so, and nothing stored is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.stack.parts import nats_binary
from functions.shared.errors import Misconfigured
from tests.e2e.seat import seated
from tests.functions.console.stack import PASSWORD, running
from tests.support.cli import LocalRun, environ_of, gtvision
from tests.support.disk import fill, small_disk
from tests.support.require import missing

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.e2e


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        nats_binary()
    except Misconfigured as error:
        missing(error.message)
    with small_disk(tmp_path / "disk", "4m") as found:
        yield found


@pytest.fixture
def environ(tmp_path: Path, disk: Path) -> dict[str, str]:
    own = {"GTV_DATA_DIR": str(disk / "data"), "GTV_ADMIN_PASSWORD": PASSWORD, "GTV_TRITON_URL": "grpc://127.0.0.1:9"}
    return environ_of(tmp_path, **own)


def test_a_start_says_it_and_the_next_one_succeeds(environ: dict[str, str], disk: Path) -> None:
    filler = fill(disk)
    done = gtvision("up", "--port", "0", "--json", environ=environ)
    assert done.code == 6, done.err
    assert "storage_full" in done.err
    assert "the disk is full" in done.err
    assert "GTV_DATA_DIR" in done.err
    assert "Traceback" not in done.err
    found = {check["check"]: check for check in gtvision("doctor", "--json", environ=environ).json["checks"]}
    assert found["disk"]["state"] == "failed"
    assert "free at least 2 GB" in found["disk"]["mend"]
    filler.unlink()
    with LocalRun(environ, ("--capture-pods", "0")) as run:
        assert (disk / "data" / "keys" / "nats.token").read_text()
        assert run.url


def test_a_running_platform_refuses_keeps_and_goes_on(environ: dict[str, str], disk: Path) -> None:
    def add(name: str) -> tuple[int, str]:
        arguments = ("cameras", "add", name, "-", "--id", name, "--json")
        done = gtvision(*arguments, environ=environ, given="rtsp://127.0.0.1:1/a\n")
        return done.code, done.err

    def listed() -> list[str]:
        return sorted(item["id"] for item in gtvision("cameras", "list", "--json", environ=environ).json["items"])

    with LocalRun(environ, ("--capture-pods", "0")) as run:
        environ["GTV_URL"] = run.url
        signed_in = gtvision("login", "-u", "admin", "--password-stdin", environ=environ, given=PASSWORD + "\n")
        assert signed_in.code == 0, signed_in.err
        assert add("before") == (0, "")
        filler = fill(disk)
        code, said = add("meanwhile")
        assert code == 6
        assert "storage_full" in said
        assert "free space" in said
        assert listed() == ["before"]
        filler.unlink()
        assert add("after") == (0, "")
        assert listed() == ["after", "before"]
        assert run.end() == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_the_api_and_the_page_say_it(disk: Path, browser: Browser) -> None:
    async with running(disk) as stack, seated(browser, stack) as seat:
        await stack.add_camera("before", "Before")
        await seat.sign_in()
        await seat.go("cameras")
        async with await stack.client() as client:
            filler = fill(disk)
            body = {"name": "Meanwhile", "rtsp_url": "rtsp://127.0.0.1:9/live"}
            answer = await client.post("/api/cameras", json=body)
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "storage_full"
        assert "free space" in answer.json()["error"]["details"]["mend"]
        await seat.page.get_by_role("button", name="Add camera").click()
        await seat.page.fill("#f-name", "Meanwhile")
        await seat.page.fill("#f-rtsp_url", "rtsp://127.0.0.1:9/live")
        await seat.page.get_by_role("button", name="Save").click()
        await seat.shows("dialog form > .form-error", "The disk of the server is full. Tell the administrator.")
        filler.unlink()
        await seat.page.get_by_role("button", name="Save").click()
        await seat.has("dialog", 0)
        await seat.has(".camera-table tbody tr", 2)
        assert seat.complaints.except_for("507 (") == []
