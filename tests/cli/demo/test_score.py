"""The score: synthetic detections of a known truth, with what goes wrong in life."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.demo.app import show_score
from cli.demo.phase import Sample, circular_distance, circular_median, segments_of
from cli.demo.plates import random_plates
from cli.demo.score import CameraScore, CameraTruth, Detection, Passage, Score, edits, score
from functions.shared.errors import InvalidInput

EPOCH = 1_800_000_000.0
DURATION = 60.0


def make_truth(camera: str = "cam", seed: int = 1, count: int = 7) -> CameraTruth:
    plates = random_plates(count, seed)
    passages = []
    for number, plate in enumerate(plates):
        enter = 3.0 + number * 8.0
        passages.append(Passage(f"{camera}-{number}", plate.text, enter, enter + 7.0, enter + 4.5))
    return CameraTruth(camera, DURATION, tuple(passages))


def play(truth: CameraTruth, start: float, rounds: int, rng: random.Random | None = None) -> list[Detection]:
    """What a perfect system stores while the video, begun at `start`, plays for `rounds`."""
    rng = rng or random.Random(0)
    found = []
    for number in range(rounds):
        for passage in truth.passages:
            began = start + number * truth.duration + passage.enter + rng.uniform(0.5, 2.0)
            ended = start + number * truth.duration + passage.leave - rng.uniform(0.0, 1.0)
            found.append(Detection(f"{truth.camera}-{number}-{passage.id}", truth.camera, began, ended, passage.plate))
    return found


def judged(truth: CameraTruth, detections: list[Detection], until: float, since: float | None = None) -> CameraScore:
    return score([truth], detections, until=until, since=since).cameras[0]


@given(st.floats(0, 59.99), st.integers(2, 6), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_a_perfect_system_meets_the_aim_whenever_the_video_began(offset: float, rounds: int, seed: int) -> None:
    truth = make_truth()
    start = EPOCH + offset
    detections = play(truth, start, rounds, random.Random(seed))
    result = score([truth], detections, since=start, until=start + rounds * DURATION)
    assert result.meets_aim
    assert result.total.expected == result.total.once == result.total.exact == rounds * 7
    assert result.cameras[0].findings == []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_each_fault_is_counted_as_what_it_is(data: st.DataObject) -> None:
    truth = make_truth(seed=data.draw(st.integers(0, 50)))
    start, rounds = EPOCH + data.draw(st.floats(0, 59.99)), 5
    whole = play(truth, start, rounds, random.Random(3))
    numbers = data.draw(st.lists(st.integers(0, len(whole) - 1), unique=True, min_size=9, max_size=9))
    dropped, doubled, misread = set(numbers[:3]), numbers[3:6], set(numbers[6:])
    kept = []
    for number, each in enumerate(whole):
        if number in dropped:
            continue
        plate = each.plate or ""
        if number in misread:
            plate = ("A" if plate[0] != "A" else "B") + plate[1:]
        kept.append(Detection(each.id, each.camera, each.start, each.end, plate))
    kept += [Detection(f"{whole[n].id}x", "cam", whole[n].start + 0.5, whole[n].end, whole[n].plate) for n in doubled]
    result = judged(truth, kept, start + rounds * DURATION, since=start)
    assert result.expected == rounds * 7
    assert result.missed == 3
    assert result.duplicates == 3
    assert result.exact == rounds * 7 - 3 - 3
    assert result.once == rounds * 7 - 3 - 3
    assert result.false == 0
    kinds = sorted(finding.kind for finding in result.findings)
    assert kinds == ["duplicate"] * 3 + ["misread"] * 3 + ["missed"] * 3


def test_passages_cut_by_the_ends_of_the_window_are_not_counted() -> None:
    truth = make_truth()
    detections = play(truth, EPOCH, 3)
    result = judged(truth, detections, until=EPOCH + 2 * DURATION + 14.0, since=EPOCH + 5.0)
    # The first passage began before the window, and of the third round only the first one has ended.
    assert result.expected == 6 + 7 + 1
    assert result.missed == result.duplicates == result.false == 0


def test_a_restart_of_the_cameras_is_found_out() -> None:
    truth = make_truth()
    before = play(truth, EPOCH, 3)
    after = play(truth, EPOCH + 3 * DURATION + 27.0, 3)
    result = judged(truth, before + after, until=EPOCH + 6 * DURATION + 27.0, since=EPOCH)
    assert result.restarts == 1
    assert result.missed == result.duplicates == result.false == 0
    assert result.expected == result.exact
    assert result.expected > 6 * 7 - 4


def test_a_night_without_the_demo_counts_nothing() -> None:
    truth = make_truth()
    later = EPOCH + 40_000.0
    result = judged(truth, play(truth, EPOCH, 2) + play(truth, later, 2), until=later + 2 * DURATION, since=EPOCH)
    assert result.restarts == 1
    assert result.missed == 0
    assert result.expected >= 4 * 7 - 2


def test_an_outage_of_one_round_is_missed_passages() -> None:
    truth = make_truth()
    detections = [each for each in play(truth, EPOCH, 4) if not 60 <= each.start - EPOCH < 120]
    result = judged(truth, detections, until=EPOCH + 4 * DURATION, since=EPOCH)
    assert result.missed == 7
    assert result.recall == pytest.approx(0.75)


def test_one_wild_reading_does_not_move_the_phase() -> None:
    truth = make_truth()
    detections = play(truth, EPOCH, 3)
    first = truth.passages[0]
    detections.append(Detection("wild", "cam", EPOCH + 45.0, EPOCH + 46.0, first.plate))
    result = judged(truth, detections, until=EPOCH + 3 * DURATION, since=EPOCH)
    assert result.restarts == 0
    assert result.missed == 0
    assert result.duplicates + result.false == 1


def test_a_detection_when_nothing_passes_is_false() -> None:
    truth = make_truth(count=3)
    detections = [*play(truth, EPOCH, 3), Detection("ghost", "cam", EPOCH + 45.0, EPOCH + 46.0, "ZZZ9Z99")]
    result = judged(truth, detections, until=EPOCH + 3 * DURATION, since=EPOCH)
    assert result.false == 1
    assert not score([truth], detections, until=EPOCH + 3 * DURATION, since=EPOCH).meets_aim


def test_a_vehicle_without_a_plate_is_found_but_not_exact() -> None:
    truth = make_truth()
    detections = [
        Detection(each.id, each.camera, each.start, each.end, None if number == 4 else each.plate)
        for number, each in enumerate(play(truth, EPOCH, 3))
    ]
    result = judged(truth, detections, until=EPOCH + 3 * DURATION, since=EPOCH)
    assert (result.found, result.exact, result.missed) == (21, 20, 0)


@pytest.mark.parametrize(("misread", "met"), [(0, True), (1, True), (2, False)])
def test_of_a_hundred_plates_one_may_be_misread(misread: int, met: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """98 % is short of the aim, though each passage is found once."""
    truth = make_truth(count=5)
    found = play(truth, EPOCH, 20)
    wrong = [replace(each, plate=f"{(each.plate or '')[:6]}Z") for each in found[10 : 10 + misread]]
    detections = [*found[:10], *wrong, *found[10 + misread :]]
    result = score([truth], detections, until=EPOCH + 20 * DURATION, since=EPOCH)
    assert (result.total.expected, result.total.once, result.total.exact) == (100, 100, 100 - misread)
    assert result.meets_aim is met
    show_score(result)
    said = capsys.readouterr()
    assert "99 % of the plates exact" in " ".join((said.out + said.err).split())


def test_two_vehicles_at_once_are_told_apart_by_their_plates() -> None:
    plates = random_plates(2, 5)
    truth = CameraTruth(
        "cam", DURATION, tuple(Passage(f"p{n}", plate.text, 10.0, 18.0, 14.0) for n, plate in enumerate(plates))
    )
    detections = list(reversed(play(truth, EPOCH, 3)))
    result = judged(truth, detections, until=EPOCH + 3 * DURATION, since=EPOCH)
    assert result.exact == result.once == 6
    one = [each for each in detections if each.plate != plates[0].text]
    alone = judged(truth, one, until=EPOCH + 3 * DURATION, since=EPOCH)
    assert (alone.missed, alone.exact, alone.duplicates) == (3, 3, 0)


def test_a_camera_of_which_nothing_was_read_has_missed_all() -> None:
    truth = make_truth()
    result = judged(truth, [], until=EPOCH + 3.5 * DURATION, since=EPOCH)
    assert (result.expected, result.missed, result.found) == (21, 21, 0)
    assert not score([truth], [], until=EPOCH + 3.5 * DURATION, since=EPOCH).meets_aim


def test_nothing_observed_is_no_success() -> None:
    assert not Score(()).meets_aim
    assert not score([make_truth()], [], until=EPOCH).meets_aim


def test_cameras_are_judged_apart_and_summed() -> None:
    one, other = make_truth("one", 1), make_truth("other", 2)
    detections = play(one, EPOCH, 2) + play(other, EPOCH, 2)[1:]
    result = score([one, other], detections, since=EPOCH, until=EPOCH + 2 * DURATION)
    by_name = {each.camera: each for each in result.cameras}
    assert by_name["one"].missed == 0
    assert by_name["other"].missed == 1
    assert result.as_json()["missed"] == 1
    assert result.as_json()["expected"] == by_name["one"].expected + by_name["other"].expected


def test_the_truth_must_be_one() -> None:
    with pytest.raises(InvalidInput):
        CameraTruth.parse({"camera": "a", "duration": 60, "passages": [{"id": "x"}]})


@given(st.floats(0, 60), st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_the_circular_median_lies_among_the_values_across_the_seam(middle: float, offsets: list[float]) -> None:
    values = [(middle + offset) % DURATION for offset in offsets]
    found = circular_median(values, DURATION)
    assert circular_distance(found, middle % DURATION, DURATION) <= max(abs(offset) for offset in offsets) + 1e-6


def test_segments_split_at_a_lasting_change_only() -> None:
    steady = [Sample(EPOCH + t, 10.0 + t % 3) for t in range(0, 100, 8)]
    changed = [Sample(EPOCH + t, 40.0) for t in range(104, 200, 8)]
    wild = [Sample(EPOCH + 50, 55.0)]
    found = segments_of([*steady, *changed, *wild], DURATION)
    assert len(found) == 2
    assert found[0].phase == pytest.approx(11.0, abs=1.0)
    assert found[1].phase == pytest.approx(40.0)
    assert segments_of([], DURATION) == []


@given(st.text("ABC12", max_size=7), st.text("ABC12", max_size=7))
def test_edits_is_a_distance(one: str, other: str) -> None:
    assert edits(one, other) == edits(other, one)
    assert (edits(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= edits(one, other) <= max(len(one), len(other))
