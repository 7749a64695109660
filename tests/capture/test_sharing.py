from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from capture.sharing import assign, ranking, speaker

CAMERAS = [f"cam-{number}" for number in range(200)]
NAMES = st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), unique=True, min_size=1, max_size=6)


def test_the_load_is_spread() -> None:
    counts = Counter(assign(CAMERAS, {"a": 200, "b": 200, "c": 200, "d": 200}).values())
    assert set(counts) == {"a", "b", "c", "d"}
    assert max(counts.values()) < 2 * min(counts.values())


def test_a_new_pod_only_takes_and_a_dead_one_only_gives() -> None:
    two = assign(CAMERAS, {"a": 200, "b": 200})
    three = assign(CAMERAS, {"a": 200, "b": 200, "c": 200})
    moved = {camera for camera in CAMERAS if two[camera] != three[camera]}
    assert moved
    assert {three[camera] for camera in moved} == {"c"}


@given(pods=NAMES, capacity=st.integers(1, 40))
def test_no_pod_gets_more_than_it_can_hold_and_none_idles_while_a_camera_waits(pods: list[str], capacity: int) -> None:
    holders = assign(CAMERAS, dict.fromkeys(pods, capacity))
    counts = Counter(holders.values())
    assert all(count <= capacity for count in counts.values())
    assert len(holders) == min(len(CAMERAS), capacity * len(pods))


@given(pods=NAMES)
def test_every_pod_computes_the_same_whatever_the_order(pods: list[str]) -> None:
    there = assign(CAMERAS, {pod: 50 for pod in pods})
    back = assign(reversed(CAMERAS), {pod: 50 for pod in reversed(pods)})
    assert there == back


def test_without_a_pod_nobody_holds_and_nobody_speaks() -> None:
    assert assign(CAMERAS, {}) == {}
    assert speaker("cam-1", []) is None


def test_the_speaker_is_the_most_preferred() -> None:
    assert speaker("cam-1", ["a", "b", "c"]) == ranking("cam-1", ["a", "b", "c"])[0]
