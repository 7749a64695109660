"""The scenes: what the truth promises, and that the picture keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cli.demo import prepare
from cli.demo.cutouts import Cutout, flipped, load_cutouts, painted, with_plate
from cli.demo.plates import Plate, PlateStyle
from cli.demo.prepare import fingerprint, prepare_demo
from cli.demo.render import Passage, build_passages, frames, truth_of
from cli.demo.scenes import AVENUE, CAMERAS, FPS, CameraSpec, Trip, plates_of
from cli.demo.street import View
from cli.wheels import cache_dir
from functions.shared.errors import Misconfigured, StorageFull, Unavailable
from tests.support.require import missing


@pytest.fixture(scope="session")
def cutouts() -> dict[str, Cutout]:
    try:
        return load_cutouts()
    except Unavailable as error:
        missing(f"the photographs cannot be fetched into {cache_dir()}: {error.message}")


@pytest.fixture(scope="module")
def built(cutouts: dict[str, Cutout]) -> dict[str, tuple[CameraSpec, list[Passage], dict[str, object]]]:
    found = {}
    for spec in CAMERAS:
        passages = build_passages(spec, cutouts)
        found[spec.name] = (spec, passages, json.loads(json.dumps(truth_of(spec, passages))))
    return found


def tiny(cutout: str = "coupe") -> CameraSpec:
    """Three seconds of the avenue, a third as large, with one vehicle that is near at once."""
    view = View(640, 360, 493, 43, 3.3)
    lanes = tuple(replace(lane, far=1.5, fast=0.27) for lane in AVENUE.lanes)
    lane = 1 if cutout == "coupe" else 0
    return replace(AVENUE, name="tiny", view=view, lanes=lanes, trips=(Trip(cutout, lane, 0.4),), duration=3.0)


def test_there_are_cameras_of_both_sizes_and_one_with_a_long_gop_and_one_with_a_user() -> None:
    assert len(CAMERAS) >= 4
    assert {(spec.view.width, spec.view.height_px) for spec in CAMERAS} == {(1920, 1080), (1280, 720)}
    assert {spec.gop for spec in CAMERAS} == {25, 50}
    assert [spec.name for spec in CAMERAS if spec.user] == ["marginal-leste"]
    assert len({spec.name for spec in CAMERAS}) == len(CAMERAS)


def test_no_plate_comes_twice() -> None:
    plates = [plate.text for spec in CAMERAS for plate in plates_of(spec)]
    assert len(plates) == len(set(plates)) == sum(len(spec.trips) for spec in CAMERAS)


@pytest.mark.parametrize("name", [spec.name for spec in CAMERAS])
def test_the_truth_holds_together(
    name: str, built: dict[str, tuple[CameraSpec, list[Passage], dict[str, object]]]
) -> None:
    spec, _, truth = built[name]
    passages = truth["passages"]
    assert isinstance(passages, list)
    assert 6 <= len(passages) <= 10
    width, height = spec.view.width, spec.view.height_px
    for passage in passages:
        first, last = passage["t_readable"]
        assert 0 <= passage["t_enter"] <= first < last <= passage["t_exit"] < spec.duration - 2
        assert last - first >= 2.5, passage
        assert passage["plate_height"] >= 24
        assert first <= passage["t_plate"] <= last
        for spot in passage["boxes"]:
            left, top, right, bottom = spot["box"]
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            if first <= spot["t"] <= last:
                x0, y0, x1, y1 = spot["plate_box"]
                assert left - 1 <= x0 < x1 <= right + 1
                assert top - 1 <= y0 < y1 <= bottom + 1


@pytest.mark.parametrize("name", [spec.name for spec in CAMERAS])
def test_some_seconds_nothing_moves(
    name: str, built: dict[str, tuple[CameraSpec, list[Passage], dict[str, object]]]
) -> None:
    spec, passages, _ = built[name]
    quiet = [n for n in range(round(spec.duration * FPS)) if all(each.at(n) is None for each in passages)]
    assert len(quiet) >= 5 * FPS


def test_vehicles_are_together_in_one_camera(
    built: dict[str, tuple[CameraSpec, list[Passage], dict[str, object]]],
) -> None:
    _, passages, _ = built[AVENUE.name]
    together = max(sum(each.at(n) is not None for each in passages) for n in range(round(AVENUE.duration * FPS)))
    assert together >= 2


def test_vehicles_of_one_lane_do_not_run_into_each_other(
    built: dict[str, tuple[CameraSpec, list[Passage], dict[str, object]]],
) -> None:
    for spec, passages, _ in built.values():
        for n in range(0, round(spec.duration * FPS), 5):
            for number, one in enumerate(passages):
                for other in passages[:number]:
                    a, b = one.at(n), other.at(n)
                    if a is None or b is None or one.trip.lane != other.trip.lane:
                        continue
                    near, far = max(a.ppm, b.ppm), min(a.ppm, b.ppm)
                    assert near / far > 1.25, (spec.name, one.plate, other.plate)


def test_pixels_move_where_the_truth_says_and_the_street_stays_still(cutouts: dict[str, Cutout]) -> None:
    spec = tiny()
    passages = build_passages(spec, cutouts)
    pictures = {n: picture.astype(int) for n, picture in enumerate(frames(spec, passages)) if n in (0, 2, 40, 74)}
    assert max(pictures) == round(spec.duration * FPS) - 1
    assert pictures[0].shape == (spec.view.height_px, spec.view.width, 3)
    still = np.abs(pictures[2] - pictures[0]).mean(2)
    assert still.mean() < 4
    assert cv2.GaussianBlur(still, (0, 0), 8).max() < 5
    seen = passages[0].at(40)
    assert seen is not None
    left, top, right, bottom = (int(v) for v in passages[0].sprite.box(seen.at, seen.ppm))
    changed = cv2.GaussianBlur(np.abs(pictures[40] - pictures[0]).mean(2), (0, 0), 3) > 12
    inside = np.zeros_like(changed)
    inside[max(top - 30, 0) : bottom + 30, max(left - 40, 0) : right + 40] = True
    assert changed.sum() > 0.3 * (right - left) * (bottom - top)
    assert not (changed & ~inside).any()


def test_a_plate_covers_the_photographs_own(cutouts: dict[str, Cutout]) -> None:
    for cutout in cutouts.values():
        for vehicle in (cutout, flipped(cutout)):
            mounted = with_plate(vehicle, Plate("ABC1D23", PlateStyle.MERCOSUL))
            other = with_plate(vehicle, Plate("XYZ9876", PlateStyle.OLD))
            quad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = np.zeros(vehicle.rgba.shape[:2], np.uint8)
            cv2.fillConvexPoly(quad, vehicle.plate.round().astype(np.int32), 255)
            inner = cv2.erode(quad, np.ones((7, 7), np.uint8)) > 0
            assert inner.sum() > 2000
            assert (np.abs(mounted.rgba[inner].astype(int) - vehicle.rgba[inner]).max(1) > 3).mean() > 0.8
            outside = cv2.dilate(quad, np.ones((9, 9), np.uint8)) == 0
            assert np.array_equal(mounted.rgba[outside], other.rgba[outside])
            # Left to right on the picture, also on a mirrored vehicle: the writing is never mirrored.
            assert vehicle.plate[0][0] < vehicle.plate[1][0]
            assert vehicle.plate[0][1] < vehicle.plate[3][1]


def test_paint_changes_the_colour_and_not_the_outline(cutouts: dict[str, Cutout]) -> None:
    red = cutouts["roadster"]
    blue = painted(red, 112)
    solid = red.rgba[..., 3] > 250
    assert np.array_equal(blue.rgba[..., 3], red.rgba[..., 3])
    assert red.rgba[solid].mean(0)[2] > red.rgba[solid].mean(0)[0] + 20
    assert blue.rgba[solid].mean(0)[0] > blue.rgba[solid].mean(0)[2] + 20


def test_rendering_writes_video_and_truth_once(tmp_path: Path, cutouts: dict[str, Cutout]) -> None:
    assert cutouts
    said: list[tuple[str, int, int]] = []
    old = tmp_path / "demo" / "tiny-0123456789ab.mp4"
    old.parent.mkdir()
    old.write_text("an earlier version")
    cameras = prepare_demo(tmp_path, lambda *step: said.append(step), specs=[tiny("roadster")])
    assert said[-1] == ("tiny", 75, 75)
    assert not old.exists()
    (camera,) = cameras
    assert fingerprint() in camera.file.name
    with av.open(str(camera.file)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (640, 360)
        assert video.average_rate == 25
        packets = [packet for packet in container.demux(video) if packet.size]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        times = [packet.pts for packet in packets]
    assert len(packets) == 75
    assert keys == [0, 25, 50]
    assert times == sorted(t for t in times if t is not None)
    truth = prepare.load_truth(camera.truth)
    assert truth["duration"] == 3.0
    steps, stamp = len(said), camera.file.stat().st_mtime_ns
    again = prepare_demo(tmp_path, lambda *step: said.append(step), specs=[tiny("roadster")])
    assert again == cameras
    assert camera.file.stat().st_mtime_ns == stamp
    assert len(said) == steps


def test_a_full_disk_and_an_unwritable_folder_are_said(tmp_path: Path, cutouts: dict[str, Cutout]) -> None:
    assert cutouts
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / f"tiny-{fingerprint()}.partial.mp4").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="full"):
        prepare_demo(tmp_path, specs=[tiny("roadster")])
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Misconfigured, match="cannot be written"):
        prepare_demo(tmp_path / "file", specs=[tiny("roadster")])


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    spec = next(spec for spec in CAMERAS if spec.user)
    camera = prepare._camera(spec, tmp_path, "x")
    assert camera.password
    assert camera.password not in repr(camera)
