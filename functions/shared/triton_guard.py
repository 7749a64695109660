"""The guard of a Triton server: asks every model with a small picture, and heals those that are dead.

Triton says "ready" for ever of a python model whose process has died. The guard looks at each model's own counts
every second; a model that has read nothing since, or has failed, is asked with the picture of its warm-up. One that
is dead is unloaded and loaded: its folder leaves the view that the server polls, and comes back (see triton_view).

    python -m functions.shared.triton_sidecar --url grpc://127.0.0.1:8001 --view /served [--listen 0.0.0.0:9103]

serves /_/health (503: a model stays dead for a minute, the server must be started anew), /_/ready (every model
answers) and /metrics.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from functions.shared import logs
from functions.shared.triton_asking import Asker, Counts, Failed
from functions.shared.triton_view import View

log = logs.get("triton_guard")
LOOK_S, IDLE_S = 1.0, 5.0
"""How often the counts are looked at, and how often a model that nobody uses is asked."""
HOPELESS_S = 60.0
START_S = 300.0
UNLOAD_S, LOAD_S = 30.0, 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
CALLER = "alpr"
"""The model that calls all others: while one of them is dead it fails too, without being ill."""


@dataclass
class _Model:
    """What is known of one model. Times are of the monotonic clock, s."""

    counts: Counts = field(default_factory=lambda: Counts(0, 0))
    asked: float = float("-inf")
    failed_in_a_row: int = 0
    down_since: float | None = None
    pause: float = FIRST_PAUSE_S
    not_before: float = float("-inf")


@dataclass
class Metrics:
    """What the guard counts, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        def made(kind: Any, name: str, text: str, *labels: str) -> Any:
            return kind(name, text, list(labels), registry=self.registry)

        self.up = made(Gauge, "gtv_triton_model_up", "1 while the model answers", "model")
        self.failures = made(Counter, "gtv_triton_probe_failures_total", "Pictures not answered", "model", "kind")
        self.heals = made(Counter, "gtv_triton_heals_total", "Unloaded and loaded, by whether it helped", "model", "ok")


class Guard:
    """Watches one server until `stop`. `view` None: it only watches."""

    def __init__(self, asker: Asker, view: View | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = Metrics()
        self._asker, self._view, self._clock = asker, view, clock
        self._models: dict[str, _Model] = {}
        self._began = clock()
        self._seen_ready = False
        self.stopping = self._stop = threading.Event()

    def run(self) -> None:
        """Look every second until `stop`."""
        if self._view is not None:
            self._view.put_all_back()
        while not self._stop.wait(LOOK_S):
            self.look()
        self._asker.close()

    def stop(self) -> None:
        self._stop.set()

    @property
    def down(self) -> dict[str, float]:
        """For how long, in seconds, each model that does not answer has not."""
        now = self._clock()
        return {name: now - m.down_since for name, m in self._models.items() if m.down_since is not None}

    @property
    def ready(self) -> bool:
        return self._seen_ready and not self.down

    @property
    def hopeless(self) -> bool:
        """Healing has not helped: the server should be started anew."""
        if not self._seen_ready:
            return self._clock() - self._began > START_S
        return any(spent > HOPELESS_S for spent in self.down.values())

    def look(self) -> None:
        """One round: counts, then a picture for each model that they say too little of, then the healing."""
        try:
            found = self._asker.counts()
        except Failed as away:
            self._server_is_away(away)
            return
        self._seen_ready = self._seen_ready or bool(found)
        named = set(found) | set(self._view.names() if self._view else ())
        ill: dict[str, Failed] = {}
        for name in sorted(named, key=lambda name: (name == CALLER, name)):
            failure = self._examined(name, found.get(name))
            if failure is not None:
                ill[name] = failure
        for name, failure in ill.items():
            self._treat(name, failure, others_ill=len(ill) > 1)

    def _server_is_away(self, failure: Failed) -> None:
        if self._seen_ready:
            for name, model in self._models.items():
                self._mark(name, model, failure)

    def _examined(self, name: str, counts: Counts | None) -> Failed | None:
        """Why the model does not answer; None when it does, as far as is known."""
        model, now = self._models.setdefault(name, _Model()), self._clock()
        before, model.counts = model.counts, counts or Counts(0, 0)
        healthy = model.down_since is None
        if counts is not None and healthy and counts.failures == before.failures:
            if counts.successes > before.successes:
                model.asked = now  # it has just proved itself
            if now - model.asked < IDLE_S:
                return None
        model.asked = now
        try:
            self._asker.ask(name)
        except Failed as failure:
            if failure.kind == "timeout" and self._reads_on(name, model.counts):
                failure = Failed("busy", failure.reason)
            self._mark(name, model, failure)
            return None if failure.busy else failure
        if not healthy:
            log.info("model_answers_again", model=name)
        model.down_since, model.failed_in_a_row, model.pause = None, 0, FIRST_PAUSE_S
        self.metrics.up.labels(name).set(1)
        return None

    def _reads_on(self, name: str, before: Counts) -> bool:
        """Whether the model has answered others meanwhile: it has more to do than it can, and lives."""
        try:
            now = self._asker.counts().get(name)
        except Failed:
            return False
        return now is not None and now.successes > before.successes

    def _mark(self, name: str, model: _Model, failure: Failed) -> None:
        self.metrics.failures.labels(name, failure.kind).inc()
        if failure.busy:
            return
        model.failed_in_a_row += 1
        if model.down_since is None:
            model.down_since = self._clock()
            log.warning("model_does_not_answer", model=name, kind=failure.kind, reason=failure.reason)
        self.metrics.up.labels(name).set(0)

    def _treat(self, name: str, failure: Failed, *, others_ill: bool) -> None:
        """Heal a dead process at once, an error when it repeats; never the caller of a model that is ill.

        A silent model may have too little of the machine, and would only lose more of it by being loaded again.
        """
        model = self._models[name]
        dead = failure.dead_process_of(name)
        wanted = dead or (failure.kind in ("error", "dead_process", "no_model") and model.failed_in_a_row > 1)
        if self._view is None or self._clock() < model.not_before or not wanted:
            return
        if name == CALLER and others_ill and not dead:
            return
        log.warning("model_is_healed", model=name, kind=failure.kind)
        helped = self._reload(self._view, name)
        model.not_before = self._clock() + (0 if helped else model.pause)
        model.pause = min(model.pause * 2, LONGEST_PAUSE_S)
        model.failed_in_a_row = 0
        self.metrics.heals.labels(name, str(helped).lower()).inc()

    def _reload(self, view: View, name: str) -> bool:
        """Unload and load. Whether the model answers then; the next look says so too."""
        view.take_out(name)
        try:
            self._wait(UNLOAD_S, lambda: not self._asker.is_ready(name))
        finally:
            view.put_back(name)
        self._wait(LOAD_S, lambda: self._asker.is_ready(name))
        try:
            self._asker.ask(name)
        except Failed as failure:
            log.warning("healing_did_not_help", model=name, kind=failure.kind, reason=failure.reason)
            return False
        return True

    def _wait(self, seconds: float, until: Callable[[], bool]) -> None:
        end = self._clock() + seconds
        while not until() and self._clock() < end and not self._stop.is_set():
            self._stop.wait(0.1)
