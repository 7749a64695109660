"""Which packets are decoded and which frames are taken. Pure: times come in as seconds.

Decoding a keyframe costs a fifth of decoding every frame of a 1080p25 stream with a keyframe a second, so keyframes
alone are decoded wherever they come often enough.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Literal

Mode = Literal["keyframes", "all"]
TOLERANCE = 1.2  # keyframes may come this much slower than the sampling asks
BACK_AFTER = 3  # good intervals in a row before keyframes alone are trusted again
UNDECODED_KEYS = 3  # keyframes without a picture after which all frames are decoded


class Pace:
    """At most `fps` frames a second on an even grid, with room for jitter."""

    def __init__(self, fps: float) -> None:
        self.interval = 1.0 / fps
        self._next: float | None = None

    def due(self, now: float) -> bool:
        """Whether a frame of this time is taken; each True moves the grid on."""
        if not self.near(now):
            return False
        if self._next is None or not -2 * self.interval < now - self._next < self.interval:
            self._next = now + self.interval  # first frame, or a gap, or the clock went back
        else:
            self._next += self.interval
        return True

    def near(self, now: float) -> bool:
        """Whether a frame of this time would be taken; moves nothing."""
        return self._next is None or now >= self._next - 0.4 * self.interval or self._next - now > 2 * self.interval


class DecodeChoice:
    """Keyframes alone or all frames, from the keyframe interval seen in the stream.

    `keyframe_interval_s` is the median of the last intervals in s (None: not yet measured).
    """

    def __init__(self, sample_fps: float, known_interval_s: float | None = None) -> None:
        self.wanted_s = 1.0 / sample_fps
        self._intervals: deque[float] = deque(maxlen=5)
        self._last_key: float | None = None
        self._undecoded = 0
        self.mode: Mode = "keyframes"
        self._known = known_interval_s
        if known_interval_s is not None and known_interval_s > self.limit_s:
            self.mode = "all"

    @property
    def limit_s(self) -> float:
        return self.wanted_s * TOLERANCE

    @property
    def keyframe_interval_s(self) -> float | None:
        return round(statistics.median(self._intervals), 3) if self._intervals else self._known

    @property
    def reason(self) -> str:
        interval = self.keyframe_interval_s
        asked = f"a frame every {self.wanted_s:g} s is asked for"
        if self._undecoded >= UNDECODED_KEYS:
            return "keyframes alone give no picture in this stream"
        if self.mode == "all":
            seen = f"every {interval:g} s" if interval is not None else "too seldom"
            return f"keyframes come {seen}, {asked}: all frames are decoded"
        if interval is None:
            return f"the keyframe interval is being measured, {asked}"
        return f"keyframes come every {interval:g} s, {asked}: they suffice"

    def packet(self, keyframe: bool, at: float) -> Mode:
        """Note a packet by its time in the stream; returns the mode that holds from this packet on."""
        if self._last_key is not None and not 0 <= at - self._last_key <= 600:
            self._last_key = at if keyframe else None  # the stream's clock jumped
            return self.mode
        if keyframe:
            if self._last_key is not None:
                self._intervals.append(at - self._last_key)
            self._last_key = at
            self._maybe_back()
        elif self.mode == "keyframes" and self._last_key is not None and at - self._last_key > self.limit_s:
            self.mode = "all"
        return self.mode

    def decoded(self, pictures: int) -> None:
        """How many pictures a keyframe gave by itself."""
        self._undecoded = 0 if pictures else self._undecoded + 1
        if self._undecoded >= UNDECODED_KEYS:
            self.mode = "all"

    def _maybe_back(self) -> None:
        recent = list(self._intervals)[-BACK_AFTER:]
        if self.mode == "all" and self._undecoded < UNDECODED_KEYS and len(recent) == BACK_AFTER:
            if max(recent) <= self.limit_s:
                self.mode = "keyframes"
        elif self.mode == "keyframes" and recent and recent[-1] > self.limit_s:
            self.mode = "all"
