"""The camera farm: many cameras over several servers, and the clips that it draws."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from cli.demo import farm
from cli.demo.farm import CameraFarm, FarmClips, make_farm_clips
from cli.demo.rtsp import gst_available
from functions.shared.errors import InvalidInput, Unavailable
from tests.support.require import missing, require
from tests.support.rtsp import make_clip


def first_frames(source: str, count: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]]:
    with av.open(source, options={"rtsp_transport": "tcp"} if "://" in source else {}) as container:
        pictures = []
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="gray").astype(np.int16))
            if len(pictures) == count:
                break
        return pictures


def test_cameras_are_spread_over_servers_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(gst_available(), "gst-rtsp-server is not installed")
    monkeypatch.setattr(farm, "MOUNTS_PER_SERVER", 3)
    moving = make_clip(tmp_path / "moving.mp4", 320, 180, seconds=2)
    still = make_clip(tmp_path / "still.mp4", 640, 360, seconds=2, moving=False)
    with CameraFarm(tmp_path, 7, 3, clips=FarmClips(moving, still)) as cameras:
        assert list(cameras.urls) == [f"cam{number:03d}" for number in range(7)]
        assert len(cameras.pids) == 3
        for number, url in enumerate(cameras.urls.values()):
            assert first_frames(url, 1)[0].shape == ((180, 320) if number % 3 == 0 else (360, 640))
        pids = cameras.pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_clips_move_or_do_not(tmp_path: Path) -> None:
    try:
        clips = make_farm_clips(tmp_path, seconds=2)
    except Unavailable as error:
        missing(error.message)
    moving, still = first_frames(str(clips.moving), 50), first_frames(str(clips.still), 50)
    assert moving[0].shape == still[0].shape == (1080, 1920)
    assert len(still) == 50

    def change(pictures: list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]]) -> float:
        return float((np.abs(pictures[45] - pictures[5]) > 25).mean())

    assert change(moving) > 0.005
    assert change(still) < 0.0001
    assert make_farm_clips(tmp_path, seconds=2) == clips


def test_a_farm_has_cameras(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        CameraFarm(tmp_path, 0)
