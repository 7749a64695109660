from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli.demo.rtsp import RtspServer
from tests.capture.rig import Rig
from tests.support.rtsp import make_clip, start_rtsp


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path) as rig:
        yield rig


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "moving": make_clip(folder / "moving.mp4"),
        "still": make_clip(folder / "still.mp4", moving=False),
        "long": make_clip(folder / "long.mp4", gop=100, seconds=8),
        "hevc": make_clip(folder / "hevc.mp4", codec="hevc"),
        "sound": make_clip(folder / "sound.mp4", audio_only=True),
    }


@pytest.fixture
def cameras(clips: dict[str, Path]) -> Iterator[RtspServer]:
    """One server with cameras of every kind, anew for each test: killed pods leave it in a state of its own."""
    names = {
        "a": "moving",
        "b": "moving",
        "c": "moving",
        "d": "moving",
        "still": "still",
        "still2": "still",
        "long": "long",
    }
    files = {name: clips[clip] for name, clip in names.items()}
    files |= {"hevc": clips["hevc"], "sound": clips["sound"], "locked": clips["moving"]}
    with start_rtsp(files, auth={"locked": ("op", "S3CRET-MARK")}) as server:
        yield server
