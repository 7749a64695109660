import pytest

from capture.sampling import BACK_AFTER, DecodeChoice, Pace


def taken(fps: float, times: list[float]) -> list[float]:
    pace = Pace(fps)
    return [at for at in times if pace.due(at)]


@pytest.mark.parametrize(("camera_fps", "sample_fps"), [(25, 1), (25, 2), (30, 5), (25, 25), (12.5, 0.5), (25, 3)])
def test_the_rate_asked_for_comes_out(camera_fps: float, sample_fps: float) -> None:
    times = [number / camera_fps for number in range(int(camera_fps * 60))]
    assert len(taken(sample_fps, times)) == pytest.approx(60 * sample_fps, abs=2)


def test_jitter_of_keyframes_drops_none() -> None:
    times = [second + (0.08 if second % 2 else -0.08) for second in range(1, 60)]
    assert taken(1, times) == times


def test_a_camera_slower_than_asked_gives_all_it_has() -> None:
    times = [number * 0.5 for number in range(20)]
    assert taken(10, times) == times


def test_after_a_gap_there_is_no_burst() -> None:
    pace = Pace(1)
    assert pace.due(0.0)
    burst = [100.0 + number / 25 for number in range(25)]
    assert sum(pace.due(at) for at in burst) <= 2


def test_the_clock_may_go_back() -> None:
    pace = Pace(1)
    assert pace.due(1000.0)
    assert pace.due(10.0)


def stream(choice: DecodeChoice, gop: int, frames: int, fps: float = 25.0, start: int = 0) -> list[str]:
    return [choice.packet(number % gop == 0, number / fps) for number in range(start, start + frames)]


def test_a_keyframe_a_second_suffices_for_a_frame_a_second() -> None:
    choice = DecodeChoice(1.0)
    assert set(stream(choice, 25, 250)) == {"keyframes"}
    assert choice.keyframe_interval_s == 1.0
    assert "suffice" in choice.reason


def test_a_long_interval_is_noticed_within_the_first_one() -> None:
    choice = DecodeChoice(1.0)
    modes = stream(choice, 100, 60)
    assert modes[0] == "keyframes"
    assert modes[-1] == "all"
    assert modes.index("all") <= 25 * 1.2 + 1


def test_the_reason_names_both_figures() -> None:
    choice = DecodeChoice(2.0)
    stream(choice, 25, 200)
    assert choice.mode == "all"
    assert "every 1 s" in choice.reason
    assert "every 0.5 s" in choice.reason


def test_back_to_keyframes_only_after_some_good_intervals() -> None:
    choice = DecodeChoice(1.0)
    stream(choice, 100, 101)
    modes = stream(choice, 25, 25 * 5, start=125)
    assert modes[25 * (BACK_AFTER - 1) - 1] == "all"
    assert modes[-1] == "keyframes"


def test_a_camera_known_to_be_slow_starts_with_all_frames() -> None:
    assert DecodeChoice(1.0, known_interval_s=4.0).mode == "all"
    assert DecodeChoice(1.0, known_interval_s=1.0).mode == "keyframes"


def test_keyframes_that_give_no_picture_are_given_up() -> None:
    choice = DecodeChoice(1.0)
    for _ in range(3):
        choice.decoded(0)
    assert choice.mode == "all"
    stream(choice, 25, 250)
    assert choice.mode == "all"
    assert "no picture" in choice.reason


def test_a_jump_of_the_streams_clock_is_no_interval() -> None:
    choice = DecodeChoice(1.0)
    stream(choice, 25, 100)
    assert choice.packet(True, 90_000.0) == "keyframes"
    assert choice.packet(False, 90_000.04) == "keyframes"
    assert choice.keyframe_interval_s == 1.0
