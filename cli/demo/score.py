"""The demo judged: the stored detections against the truth that was written with the videos.

    score(truths, detections, until=time.time()) -> Score

Every passage that lies wholly in the observed time must be found once. Detections are paired with passages one to one,
by time and likeness of the plate; what is left over is a duplicate (a passage was there) or false (none was near).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.demo.phase import TOLERANCE_S, Sample, Segment, segments_of
from functions.shared.errors import InvalidInput

EXACT_AIM = 0.99
EXACT_AIM_TEXT = f"{100 * EXACT_AIM:g} % of the plates exact"
_NEAR_PLATE = 1  # edits between plates that still tell which passage it was
_LIKE_PLATE = 3


@dataclass(frozen=True)
class Passage:
    """One passage of the video; times in seconds of the video."""

    id: str
    plate: str
    enter: float
    leave: float
    middle: float


@dataclass(frozen=True)
class CameraTruth:
    camera: str
    duration: float
    passages: tuple[Passage, ...]

    @classmethod
    def parse(cls, data: dict[str, Any]) -> CameraTruth:
        """From the JSON beside a video. Passages whose plate is never readable are left out."""
        try:
            passages = tuple(
                Passage(str(each["id"]), str(each["plate"]), float(each["t_enter"]), float(each["t_exit"]),
                        sum(each["t_readable"]) / 2)
                for each in data["passages"] if each["t_readable"]
            )  # fmt: skip
            return cls(str(data["camera"]), float(data["duration"]), passages)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"this is no truth of a demo camera: {error}", field="truth") from error


@dataclass(frozen=True)
class Detection:
    """A stored detection; times in seconds since the epoch, `plate` without separators or None."""

    id: str
    camera: str
    start: float
    end: float
    plate: str | None


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: `kind` is missed, misread, duplicate or false."""

    camera: str
    kind: str
    at: float | None
    passage: str | None = None
    plate: str | None = None
    read: str | None = None
    detection: str | None = None

    def as_json(self) -> dict[str, Any]:
        at = None if self.at is None else datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        return {**asdict(self), "at": at}


@dataclass
class CameraScore:
    camera: str
    expected: int = 0
    found: int = 0
    once: int = 0
    missed: int = 0
    duplicates: int = 0
    false: int = 0
    exact: int = 0
    observed_s: float = 0.0
    restarts: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / self.expected if self.expected else 0.0

    @property
    def exact_ratio(self) -> float:
        """Exact plates among the passages expected: a missed one is not exact."""
        return self.exact / self.expected if self.expected else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "camera": self.camera,
            "expected": self.expected,
            "found": self.found,
            "once": self.once,
            "missed": self.missed,
            "duplicates": self.duplicates,
            "false": self.false,
            "exact": self.exact,
            "recall": round(self.recall, 4),
            "exact_ratio": round(self.exact_ratio, 4),
            "observed_s": round(self.observed_s, 1),
            "restarts": self.restarts,
        }


@dataclass(frozen=True)
class Score:
    cameras: tuple[CameraScore, ...]

    @property
    def total(self) -> CameraScore:
        total = CameraScore("total")
        for name in ("expected", "found", "once", "missed", "duplicates", "false", "exact", "observed_s", "restarts"):
            setattr(total, name, sum(getattr(camera, name) for camera in self.cameras))
        return total

    @property
    def meets_aim(self) -> bool:
        """Every passage found once, none false, and EXACT_AIM of the plates exact, over all cameras together."""
        total = self.total
        complete = total.once == total.expected and total.false == 0
        return total.expected > 0 and complete and total.exact_ratio >= EXACT_AIM

    def as_json(self) -> dict[str, Any]:
        findings = [finding.as_json() for camera in self.cameras for finding in camera.findings]
        return {
            **{key: value for key, value in self.total.as_json().items() if key != "camera"},
            "meets_aim": self.meets_aim,
            "cameras": [camera.as_json() for camera in self.cameras],
            "findings": findings,
        }


@dataclass(frozen=True)
class _Event:
    """A passage in one round, in wall-clock seconds. `counted`: it lies wholly in the observed time."""

    passage: Passage
    enter: float
    leave: float
    counted: bool


def edits(one: str, other: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def score(
    truths: Iterable[CameraTruth], detections: Iterable[Detection], *, until: float, since: float | None = None
) -> Score:
    """Judges the time from `since` (each camera's first detection when None) to `until`, in seconds of the epoch.

    Leave the last 20 s or so before now out of it: passages are stored when they are over.
    """
    found = [each for each in detections if each.start < until and (since is None or each.end >= since)]
    return Score(
        tuple(
            _score_camera(truth, [each for each in found if each.camera == truth.camera], since, until)
            for truth in sorted(truths, key=lambda each: each.camera)
        )
    )


def _score_camera(truth: CameraTruth, detections: list[Detection], since: float | None, until: float) -> CameraScore:
    result = CameraScore(truth.camera)
    windows = _windows(truth, detections, since, until)
    if not windows:
        _score_blind(result, truth, detections, since, until)
        return result
    events: list[_Event] = []
    for window in windows:
        result.observed_s += window.end - window.start
        events += _events(truth, window)
    result.restarts = len(windows) - 1
    _judge(result, events, detections, windows)
    result.findings.sort(key=lambda finding: finding.at or 0.0)
    return result


def _windows(truth: CameraTruth, detections: list[Detection], since: float | None, until: float) -> list[Segment]:
    segments = segments_of(_samples(truth, detections), truth.duration)
    if not segments:
        return []
    first = since if since is not None else min(each.start for each in detections)
    starts = [min(first, segments[0].start), *(segment.start for segment in segments[1:])]
    ends = [*(segment.end for segment in segments[:-1]), until]
    return [Segment(a, b, each.phase) for a, b, each in zip(starts, ends, segments, strict=True)]


def _samples(truth: CameraTruth, detections: list[Detection]) -> list[Sample]:
    samples = []
    for each in detections:
        passage = _nearest(truth, each.plate)
        if passage is not None:
            middle = (each.start + each.end) / 2
            samples.append(Sample(middle, (middle - passage.middle) % truth.duration))
    return samples


def _nearest(truth: CameraTruth, plate: str | None) -> Passage | None:
    if not plate:
        return None
    apart = sorted((edits(plate, passage.plate), number) for number, passage in enumerate(truth.passages))
    if not apart or apart[0][0] > _NEAR_PLATE:
        return None
    return truth.passages[apart[0][1]]


def _score_blind(
    result: CameraScore, truth: CameraTruth, detections: list[Detection], since: float | None, until: float
) -> None:
    """No plate tells the phase: all whole rounds of the observed time were missed, and every detection is false."""
    first = since if since is not None else min((each.start for each in detections), default=until)
    result.observed_s = max(0.0, until - first)
    rounds = int(result.observed_s // truth.duration)
    result.expected = result.missed = rounds * len(truth.passages)
    for passage in truth.passages if rounds else ():
        result.findings.append(Finding(truth.camera, "missed", None, passage.id, passage.plate))
    for each in detections:
        result.false += 1
        result.findings.append(Finding(truth.camera, "false", each.start, read=each.plate, detection=each.id))


def _events(truth: CameraTruth, window: Segment) -> list[_Event]:
    events = []
    first = math.floor((window.start - window.phase) / truth.duration) - 1
    last = math.ceil((window.end - window.phase) / truth.duration) + 1
    for number in range(first, last):
        origin = window.phase + number * truth.duration
        for passage in truth.passages:
            enter, leave = origin + passage.enter, origin + passage.leave
            if leave < window.start - TOLERANCE_S or enter > window.end + TOLERANCE_S:
                continue
            events.append(_Event(passage, enter, leave, window.start <= enter and leave <= window.end))
    return events


def _judge(result: CameraScore, events: list[_Event], detections: list[Detection], windows: Sequence[Segment]) -> None:
    pairs = _pair(events, detections)
    extra: dict[int, list[Detection]] = {}
    for number, each in enumerate(detections):
        if number in pairs.values():
            continue
        owner = _event_of_extra(events, each)
        if owner is not None:
            extra.setdefault(owner, []).append(each)
        elif any(window.start <= each.start <= window.end for window in windows):
            result.false += 1
            result.findings.append(Finding(result.camera, "false", each.start, read=each.plate, detection=each.id))
    for number, event in enumerate(events):
        if not event.counted:
            continue
        _judge_event(result, event, detections[pairs[number]] if number in pairs else None, extra.get(number, []))


def _judge_event(result: CameraScore, event: _Event, match: Detection | None, extra: list[Detection]) -> None:
    passage = event.passage
    result.expected += 1
    if match is None:
        result.missed += 1
        result.findings.append(Finding(result.camera, "missed", event.enter, passage.id, passage.plate))
    else:
        result.found += 1
        result.once += not extra
        result.exact += match.plate == passage.plate
        if match.plate != passage.plate:
            result.findings.append(
                Finding(result.camera, "misread", match.start, passage.id, passage.plate, match.plate, match.id)
            )
    for each in extra:
        result.duplicates += 1
        result.findings.append(
            Finding(result.camera, "duplicate", each.start, passage.id, passage.plate, each.plate, each.id)
        )


def _near(event: _Event, detection: Detection) -> bool:
    return detection.start <= event.leave + TOLERANCE_S and detection.end >= event.enter - TOLERANCE_S


def _off(event: _Event, detection: Detection) -> float:
    return abs((event.enter + event.leave) / 2 - (detection.start + detection.end) / 2)


def _pair(events: list[_Event], detections: list[Detection]) -> dict[int, int]:
    """Event -> detection, one to one: the likest plates first, then what is left by time alone."""
    options = []
    for i, event in enumerate(events):
        for j, each in enumerate(detections):
            if _near(event, each):
                apart = edits(each.plate, event.passage.plate) if each.plate else _LIKE_PLATE + 1
                options.append((min(apart, _LIKE_PLATE + 1), _off(event, each), i, j))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for apart, _, i, j in sorted(options):
        if i in pairs or j in taken:
            continue
        if apart > _LIKE_PLATE and _belongs_elsewhere(events, detections[j], i):
            continue
        pairs[i] = j
        taken.add(j)
    return pairs


def _belongs_elsewhere(events: list[_Event], detection: Detection, number: int) -> bool:
    """A plate that is unlike this passage's but like another's is that one's duplicate, not this one's find."""
    return detection.plate is not None and any(
        _near(event, detection) and edits(detection.plate, event.passage.plate) <= _LIKE_PLATE
        for other, event in enumerate(events)
        if other != number
    )


def _event_of_extra(events: list[_Event], detection: Detection) -> int | None:
    near = [(_likeness(event, detection), _off(event, detection), number)
            for number, event in enumerate(events) if _near(event, detection)]  # fmt: skip
    return min(near)[2] if near else None


def _likeness(event: _Event, detection: Detection) -> int:
    return edits(detection.plate, event.passage.plate) if detection.plate else _LIKE_PLATE
