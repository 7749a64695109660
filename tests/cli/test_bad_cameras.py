"""Cameras that do not do what they should, from the command line: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cli.demo.rtsp import RtspServer
from tests.cli.conftest import Platform
from tests.support.rtsp import make_clip, refused_url, silent_listener, start_rtsp

MARK = "S3CRET-MARK"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("clips")
    clips = {
        "locked": make_clip(folder / "h264.mp4", 640, 480, 25, gop=25, seconds=2),
        "hevc": make_clip(folder / "hevc.mp4", 640, 480, 25, gop=25, seconds=2, codec="hevc"),
        "sound": make_clip(folder / "sound.mp4", seconds=2, audio_only=True),
    }
    with start_rtsp(clips, auth={"locked": ("op", MARK)}) as running:
        yield running


@pytest.fixture
def addresses(server: RtspServer) -> Iterator[dict[str, str]]:
    with silent_listener() as silent:
        yield {
            "unauthorized": server.login_url("locked").replace(MARK, f"{MARK}-wrong"),
            "not_found": server.urls["hevc"] + "/none", "no_video": server.urls["sound"],
            "refused": refused_url(), "silent": silent,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("unauthorized", "check user and password"),
        ("not_found", "check the path"),
        ("no_video", "choose a stream with video"),
        ("refused", "check the port"),
        ("silent", "restart the camera"),
    ],
)
def test_a_probe_says_what_is_wrong_and_what_to_do(
    platform: Platform, addresses: dict[str, str], reason: str, mend: str
) -> None:
    given = addresses[reason] + "\n"
    done = platform("cameras", "probe", "-", "--json", given=given)
    assert done.code == 6, done.err
    error = json.loads(done.err)["error"]
    assert (error["code"], error["details"]["reason"]) == ("camera_unavailable", reason)
    assert mend in error["details"]["mend"]
    people = platform("cameras", "probe", "-", given=given)
    assert mend in people.err
    assert MARK not in done.err + people.err


def test_h265_is_read_and_warned_of(platform: Platform, server: RtspServer) -> None:
    done = platform("cameras", "probe", "-", given=server.urls["hevc"] + "\n")
    assert done.code == 0, done.err
    assert "hevc" in done.out
    assert "H.265" in done.out


def test_a_wrong_address_says_how_it_is_written(platform: Platform) -> None:
    done = platform("cameras", "probe", "-", given=f"htp://op:{MARK}@10.0.0.1/x\n")
    assert done.code == 2
    assert "rtsp://" in done.err
    assert MARK not in done.err


def test_a_camera_that_nobody_captures_says_what_to_do(platform: Platform) -> None:
    added = platform("cameras", "add", "Idle", "-", "--id", "idle", "--json", given="rtsp://127.0.0.1:1/a\n")
    assert added.code == 0, added.err
    shown = platform("cameras", "show", "idle", "--json").json["status"]
    assert shown["reason_code"] == "no_pod"
    assert "start capture" in shown["mend"]
    assert "start capture" in platform("cameras", "show", "idle").out
