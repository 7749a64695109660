"""The motion gate on made pictures: what moves comes through, what only flickers or brightens does not."""

import numpy as np
import pytest

from capture.gate import TAIL, Decision, Grey, MotionGate
from functions.shared.contracts import CameraSpec

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 1080, 1920
DEFAULT = CameraSpec.model_fields["motion_threshold"].default
STREET = np.kron(RNG.integers(60, 140, (27, 48)), np.ones((40, 40))).astype(np.float32)
GRAIN = RNG.standard_normal((HEIGHT + 64, WIDTH + 64), dtype=np.float32)


def scene(noise: float = 3.0, gain: float = 0.0) -> Grey:
    """The street with fresh sensor noise of that standard deviation (another cut of one field of noise)."""
    top, left = RNG.integers(0, 64, 2)
    grain = GRAIN[top : top + HEIGHT, left : left + WIDTH]
    return np.clip(STREET + gain + noise * grain, 0, 255).astype(np.uint8)


def with_box(picture: Grey, left: int, top: int, width: int, height: int, contrast: int = 45) -> Grey:
    picture = picture.copy()
    area = picture[top : top + height, left : left + width].astype(np.int16)
    picture[top : top + height, left : left + width] = np.where(area > 128, area - contrast, area + contrast)
    return picture


def settled(frames: int = 8, threshold: float = DEFAULT, heartbeat_s: float = 1e9) -> MotionGate:
    gate = MotionGate(threshold, heartbeat_s)
    for second in range(frames):
        gate.judge(scene(), second)
    return gate


def test_the_first_frame_goes_and_a_still_scene_does_not() -> None:
    gate = MotionGate(DEFAULT, 1e9)
    decisions = [gate.judge(scene(), second) for second in range(12)]
    assert decisions[0] == Decision(True, "first")
    assert [one.why for one in decisions[1 + TAIL :]] == ["still"] * (11 - TAIL)


@pytest.mark.parametrize("side", [(64, 48), (48, 40)])
def test_a_small_far_vehicle_comes_through(side: tuple[int, int]) -> None:
    gate = settled()
    assert gate.judge(with_box(scene(), 900, 300, *side), 8).why == "motion"


def test_a_dark_vehicle_at_dusk_comes_through() -> None:
    gate = settled()
    assert gate.judge(with_box(scene(), 400, 500, 160, 120, contrast=18), 8).why == "motion"


def test_noise_does_not_open_the_gate() -> None:
    gate = MotionGate(DEFAULT, 1e9)
    whys = [gate.judge(scene(noise=12), second).why for second in range(15)]
    assert set(whys[1 + TAIL :]) == {"still"}


def test_the_cameras_exposure_does_not_open_the_gate() -> None:
    gate = settled()
    assert gate.judge(scene(gain=12), 8).why == "still"


def test_slow_daylight_does_not_open_the_gate() -> None:
    gate = settled()
    assert {gate.judge(scene(gain=second), 8 + second).why for second in range(30)} == {"still"}


def test_after_motion_two_frames_more_so_that_the_end_of_a_passage_is_seen() -> None:
    gate = settled()
    gate.judge(with_box(scene(), 900, 300, 200, 150), 8)
    whys = [gate.judge(scene(), 9 + second).why for second in range(4)]
    assert whys == ["tail", "tail", "still", "still"]


def test_a_vehicle_in_steady_traffic_never_makes_the_gate_deaf() -> None:
    gate = settled()
    for second in range(120):
        decision = gate.judge(with_box(scene(), 100 + (second * 97) % 1500, 500, 220, 160), 8 + second)
        assert decision.why == "motion", second


def test_a_parked_car_is_learnt_and_its_leaving_seen() -> None:
    gate = settled()
    whys = [gate.judge(with_box(scene(), 600, 600, 300, 200), 8 + second).why for second in range(40)]
    assert whys[0] == "motion"
    assert whys[-1] == "still"
    assert gate.judge(scene(), 60).why == "motion"


def test_a_heartbeat_after_so_many_seconds_without_a_frame() -> None:
    gate = settled(frames=8, heartbeat_s=30.0)
    whys = {second: gate.judge(scene(), second).why for second in range(8, 70)}
    beats = [second for second, why in whys.items() if why == "heartbeat"]
    assert beats == [TAIL + 30, TAIL + 60]  # the last frame of the beginning went at second TAIL


def test_another_picture_size_begins_anew() -> None:
    gate = settled()
    assert gate.judge(scene()[:720, :1280].copy(), 8).why == "motion" or gate.judge(scene()[:, :960], 9).why == "first"


def test_switched_off_everything_goes() -> None:
    gate = MotionGate(DEFAULT, 1e9, enabled=False)
    assert {gate.judge(scene(), second).why for second in range(5)} == {"off"}
