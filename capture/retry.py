"""When a camera that failed is tried again: exponential backoff with jitter, then an open circuit. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Trying often cannot help these, and many cameras lock an account after some refused log-ins.
SLOW_REASONS = frozenset(
    {
        "unauthorized",
        "forbidden",
        "not_found",
        "bad_url",
        "no_video",
        "unsupported_codec",
        "credentials",
        "not_allowed",
        "redirected",
    }
)


@dataclass(frozen=True)
class RetryRule:
    """Times in seconds."""

    first_s: float = 1.0
    longest_s: float = 30.0
    circuit_failures: int = 5
    circuit_open_s: float = 60.0
    steady_s: float = 60.0


class Retry:
    """Counts failures in a row: after `circuit_failures` the circuit opens for `circuit_open_s`."""

    def __init__(self, rule: RetryRule, dice: random.Random | None = None) -> None:
        self.rule = rule
        self.failures = 0
        self._dice = dice or random.Random()

    @property
    def circuit_open(self) -> bool:
        return self.failures >= self.rule.circuit_failures

    def failed(self, code: str, good_for_s: float) -> float:
        """A try ended with a reason after frames had come for `good_for_s`; returns how long to wait, s."""
        if good_for_s >= self.rule.steady_s:
            self.failures = 0
        self.failures += 1
        if self.circuit_open or code in SLOW_REASONS:
            return self.rule.circuit_open_s * self._dice.uniform(0.9, 1.1)
        ceiling = min(self.rule.longest_s, self.rule.first_s * 2.0 ** (self.failures - 1))
        return ceiling * self._dice.uniform(0.5, 1.0)

    def steady(self) -> None:
        """Frames have come for `steady_s`: what failed before is forgotten."""
        self.failures = 0
