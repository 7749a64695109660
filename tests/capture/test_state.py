import itertools

from capture.state import ONLINE, OPENING, StateMachine, StateRule
from functions.shared.contracts import CameraState as State

RULE = StateRule(degraded_s=5.0, offline_s=30.0, recover_s=5.0)


def online(frames_until: int = 10) -> StateMachine:
    machine = StateMachine(RULE, 0.0)
    for second in range(1, frames_until + 1):
        machine.frame(float(second))
    return machine


def test_opening_until_the_first_frame_and_then_online_at_once() -> None:
    machine = StateMachine(RULE, 0.0)
    machine.tick(1.0)
    assert machine.verdict == OPENING
    machine.frame(1.5)
    assert machine.verdict == ONLINE


def test_a_camera_that_cannot_be_opened_is_offline_with_the_reason() -> None:
    machine = StateMachine(RULE, 0.0)
    machine.failed("unauthorized", "wrong password", 0.1)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.OFFLINE, "unauthorized")


def test_a_camera_that_never_says_anything_is_offline_in_the_end() -> None:
    machine = StateMachine(RULE, 0.0)
    machine.tick(29.0)
    assert machine.verdict.state is State.PROVISIONING
    machine.tick(31.0)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.OFFLINE, "silent")


def test_a_short_break_changes_nothing() -> None:
    machine = online()
    machine.failed("ended", "closed", 10.5)
    assert machine.verdict == ONLINE
    machine.tick(14.0)
    machine.frame(14.5)
    assert machine.verdict == ONLINE


def test_silence_degrades_then_takes_offline_with_the_reason_of_the_failure() -> None:
    machine = online()
    machine.failed("refused", "nobody listens", 11.0)
    machine.tick(15.1)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.DEGRADED, "refused")
    machine.tick(40.1)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.OFFLINE, "refused")


def test_the_way_back_goes_by_frames_that_keep_coming() -> None:
    machine = online()
    machine.tick(41.0)
    assert machine.verdict.state is State.OFFLINE
    machine.frame(50.0)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.DEGRADED, "recovering")
    for second in range(51, 56):
        machine.frame(float(second))
    assert machine.verdict == ONLINE


def test_a_camera_that_comes_and_goes_does_not_flap() -> None:
    """A frame, then a failure, every four seconds: never online, and no state changes but the first."""
    machine = online()
    machine.tick(45.0)
    seen = []
    for start in range(50, 250, 8):
        machine.frame(float(start))
        machine.failed("ended", "closed", start + 0.5)
        for step in range(1, 8):
            machine.tick(float(start + step))
            seen.append(machine.verdict.state)
    changes = sum(left is not right for left, right in itertools.pairwise(seen))
    assert State.ONLINE not in seen
    assert changes == 0


def test_a_complaint_degrades_an_online_camera_and_its_end_restores_it() -> None:
    machine = online()
    machine.complain(("slow", "only 0.2 of 1 frames/s"), 10.5)
    assert (machine.verdict.state, machine.verdict.reason_code) == (State.DEGRADED, "slow")
    machine.complain(None, 11.0)
    assert machine.verdict == ONLINE
