"""Questions to a Triton server about its models, each one's counts and whether it lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from functions.shared.inference import probe_picture
from functions.shared.triton_errors import kind_of

ASK_S = 10.0


@dataclass(frozen=True)
class Counts:
    """Requests that a model has answered and failed since it was loaded."""

    successes: int
    failures: int


class Failed(Exception):
    """A model, or the server, did not answer. `kind` is a short stable word, `reason` the server's."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason

    @property
    def busy(self) -> bool:
        return self.kind == "busy"

    def dead_process_of(self, model: str) -> bool:
        """Whether the model's own process is gone, and not that of another that it calls."""
        return self.kind == "dead_process" and f"'{model}_" in self.reason


class Asker:
    """Asks one server, `HOST:PORT`. Not for several threads at once."""

    def __init__(self, address: str) -> None:
        self._client = InferenceServerClient(address)
        self._questions: dict[str, InferInput] = {}

    def counts(self) -> dict[str, Counts]:
        """By model that is loaded. Raises Failed when the server does not answer."""
        try:
            found = self._client.get_inference_statistics(client_timeout=5.0)
        except InferenceServerException as error:
            raise failed(error) from None
        return {
            stats.name: Counts(stats.inference_stats.success.count, stats.inference_stats.fail.count)
            for stats in found.model_stats
        }

    def is_ready(self, model: str) -> bool:
        try:
            return bool(self._client.is_model_ready(model, client_timeout=5.0))
        except InferenceServerException:
            return False

    def ask(self, model: str) -> None:
        """Let the model read a small picture, and say of its other instances whether they live. Raises Failed."""
        try:
            if model not in self._questions:
                config = self._client.get_model_config(model, as_json=True, client_timeout=5.0)["config"]
                self._questions[model] = question(config)
            self._client.infer(model, [self._questions[model]], client_timeout=ASK_S, parameters={"probe": True})
        except InferenceServerException as error:
            raise failed(error) from None

    def close(self) -> None:
        self._client.close()


def question(config: dict[str, Any]) -> InferInput:
    """What the least sample of the model's warm-up holds; for texts a small picture's bytes."""
    (given,) = config["input"]
    if given["data_type"] == "TYPE_STRING":
        asked = InferInput(given["name"], [1, 1], "BYTES")
        asked.set_data_from_numpy(np.array([[probe_picture()]], dtype=np.object_))
        return asked
    samples = [sample["inputs"][given["name"]]["dims"] for sample in config.get("model_warmup", [])]
    dims = min(samples, key=lambda sample: np.prod([int(side) for side in sample]), default=given["dims"])
    kind = given["data_type"].removeprefix("TYPE_")
    shape = [1, *(max(1, int(side)) for side in dims)]
    asked = InferInput(given["name"], shape, kind)
    asked.set_data_from_numpy(np.zeros(shape, triton_to_np_dtype(kind)))
    return asked


def failed(error: InferenceServerException) -> Failed:
    """The server's error in our words."""
    reason = str(error.message())[:500]
    return Failed(kind_of(str(error.status() or ""), reason), reason)
