import random

import pytest

from capture.retry import SLOW_REASONS, Retry, RetryRule
from functions.shared.rtsp import REASONS

RULE = RetryRule(first_s=1.0, longest_s=30.0, circuit_failures=5, circuit_open_s=60.0, steady_s=60.0)


def retry(seed: int = 1) -> Retry:
    return Retry(RULE, random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_the_pause_doubles_with_jitter_and_then_the_circuit_opens(seed: int) -> None:
    one = retry(seed)
    pauses = [one.failed("refused", 0.0) for _ in range(4)]
    for number, pause in enumerate(pauses):
        assert 0.5 * 2**number <= pause <= 2**number
    assert not one.circuit_open
    assert 54 <= one.failed("refused", 0.0) <= 66
    assert one.circuit_open


def test_an_open_circuit_stays_open_for_each_single_try_that_fails() -> None:
    one = retry()
    pauses = [one.failed("refused", 0.0) for _ in range(9)]
    assert all(pause >= 54 for pause in pauses[4:])


def test_the_pause_has_a_ceiling() -> None:
    one = Retry(RetryRule(first_s=1.0, longest_s=4.0, circuit_failures=50), random.Random(2))
    assert max(one.failed("refused", 0.0) for _ in range(40)) <= 4.0


def test_pods_do_not_try_in_step() -> None:
    assert len({round(retry(seed).failed("refused", 0.0), 6) for seed in range(20)}) == 20


@pytest.mark.parametrize("code", sorted(SLOW_REASONS))
def test_what_trying_cannot_mend_is_tried_slowly_from_the_first(code: str) -> None:
    assert retry().failed(code, 0.0) >= 54


def test_a_minute_of_good_stream_forgets_the_past_but_a_moment_does_not() -> None:
    one = retry()
    for _ in range(4):
        one.failed("ended", 5.0)
    assert one.failures == 4
    assert one.failed("ended", 61.0) <= 1.0
    assert one.failures == 1


def test_the_slow_reasons_exist() -> None:
    assert SLOW_REASONS - {"credentials"} <= set(REASONS)
