"""The state of a camera, with hysteresis. Pure: times come in as monotonic seconds.

    provisioning  first frame -> online; first failure -> offline
    online        no frame for degraded_s -> degraded; a complaint (too slow) -> degraded
    degraded      frames without a gap for recover_s -> online; no frame for offline_s -> offline
    offline       a frame -> degraded (recovering), then as above

A stream that breaks and is back within `degraded_s` leaves the camera online: restarts are counted, not shown as
a change of state.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.shared.contracts import CameraState


@dataclass(frozen=True)
class StateRule:
    """Times in seconds."""

    degraded_s: float = 5.0
    offline_s: float = 30.0
    recover_s: float = 5.0


@dataclass(frozen=True)
class Verdict:
    state: CameraState
    reason_code: str = ""
    reason: str = ""


ONLINE = Verdict(CameraState.ONLINE)
OPENING = Verdict(CameraState.PROVISIONING, "opening", "the stream is being opened")
NO_FRAME = ("silent", "no frame comes from the camera")
RECOVERING = ("recovering", "frames come again; online once they keep coming")


class StateMachine:
    """Fed with frames, failures and the passing of time; `verdict` is what is published."""

    def __init__(self, rule: StateRule, now: float) -> None:
        self.rule = rule
        self.verdict = OPENING
        self._taken = now
        self._last_frame: float | None = None
        self._frames_since: float | None = None  # frames come without a gap since then
        self._failure: tuple[str, str] | None = None
        self._complaint: tuple[str, str] | None = None

    @property
    def silent_since(self) -> float:
        return self._taken if self._last_frame is None else self._last_frame

    def frame(self, now: float) -> None:
        """A frame was decoded."""
        if self._frames_since is None or now - self.silent_since > self.rule.degraded_s:
            self._frames_since = now
        self._last_frame = now
        self._failure = None
        self.tick(now)

    def failed(self, code: str, reason: str, now: float) -> None:
        """The stream could not be opened or broke."""
        self._failure = (code, reason)
        if self.verdict.state is not CameraState.ONLINE:
            self._frames_since = None
        self.tick(now)

    def complain(self, complaint: tuple[str, str] | None, now: float) -> None:
        """Frames come, but something is wrong with them (code, words), or nothing any more (None)."""
        self._complaint = complaint
        self.tick(now)

    def tick(self, now: float) -> None:
        silence = now - self.silent_since
        state = self.verdict.state
        if silence >= self.rule.offline_s or (self._last_frame is None and self._failure):
            self.verdict = Verdict(CameraState.OFFLINE, *(self._failure or NO_FRAME))
        elif self._last_frame is None:
            self.verdict = OPENING
        elif silence >= self.rule.degraded_s:
            # From offline the way up is by frames alone.
            if state is not CameraState.OFFLINE:
                self.verdict = Verdict(CameraState.DEGRADED, *(self._failure or NO_FRAME))
        else:
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Frames come at present."""
        state = self.verdict.state
        steady = self._frames_since is not None and now - self._frames_since >= self.rule.recover_s
        if self._complaint is not None and state is not CameraState.PROVISIONING:
            self.verdict = Verdict(CameraState.DEGRADED, *self._complaint)
        elif state in (CameraState.PROVISIONING, CameraState.ONLINE) or steady:
            self.verdict = ONLINE
        elif self._failure is not None:
            self.verdict = Verdict(CameraState.DEGRADED, *self._failure)
        else:
            self.verdict = Verdict(CameraState.DEGRADED, *RECOVERING)
