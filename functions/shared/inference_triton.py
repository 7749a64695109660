"""The models on a Triton server: one gRPC call a frame, bounded in flight."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from functions.shared.errors import BrokenImage, GTVisionError, InferenceUnavailable, Misconfigured
from functions.shared.inference import Ask, Effort, FrameReading, probe_picture
from functions.shared.triton_errors import kind_of

MODEL = "alpr"
BROKEN = "broken_image: "
"""What the model puts before its word on a frame that is no picture."""


class TritonInference:
    """Reads frames with the model `alpr` of a Triton server."""

    def __init__(self, url: str, *, max_in_flight: int, timeout_s: float, effort: Effort | None = None) -> None:
        self._address, secure = _address(url)
        self._timeout_s = timeout_s
        self._effort = effort or Effort()
        self._places = asyncio.Semaphore(max_in_flight)
        self._secure = secure
        self._client: InferenceServerClient | None = None

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        """See Inference.read. When its time is over the call is cancelled, and the server drops the frame, too."""
        frame = InferInput("jpeg", [1, 1], "BYTES")
        frame.set_data_from_numpy(np.array([[jpeg]], dtype=np.object_))
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                answer = await self._connected().infer(
                    MODEL,
                    [frame],
                    outputs=[InferRequestedOutput("observations")],
                    client_timeout=self._timeout_s,
                    parameters=self._parameters(ask or Ask()),
                )
        except TimeoutError:
            raise self._unavailable(f"gave no answer within {self._timeout_s:g} s", "timeout") from None
        except InferenceServerException as error:
            raise self._translated(error) from None
        observations = answer.as_numpy("observations")
        if observations is None or observations.size != 1:
            raise self._unavailable("gave an empty answer", "error")
        return FrameReading.model_validate_json(observations.reshape(-1)[0])

    def _parameters(self, ask: Ask) -> dict[str, int | bool | str]:
        """Triton's parameters are flat: what is no integer or flag travels as JSON in a string."""
        return {
            "views": self._effort.views,
            "fallback": self._effort.fallback,
            "formats": json.dumps(ask.formats),
            "min_plate_height": json.dumps(ask.min_plate_height),
        }

    async def check(self) -> None:
        """See Inference.check. Triton's own readiness says nothing of a dead model process, so a picture is read."""
        await self.read(probe_picture())

    async def close(self) -> None:
        """See Inference.close."""
        if self._client is not None:
            await self._client.close()

    def _connected(self) -> InferenceServerClient:
        """The client, made inside the running loop that it belongs to."""
        if self._client is None:
            self._client = InferenceServerClient(self._address, ssl=self._secure)
        return self._client

    def _translated(self, error: InferenceServerException) -> GTVisionError:
        message = str(error.message())
        if BROKEN in message:
            return BrokenImage(message.split(BROKEN, 1)[1])
        status = str(error.status() or "an error")
        return self._unavailable(f"answered {status}: {message}", kind_of(status, message))

    def _unavailable(self, what: str, kind: str) -> InferenceUnavailable:
        return InferenceUnavailable(f"Triton at {self._address} {what}", kind=kind)


def _address(url: str) -> tuple[str, bool]:
    """(host:port, whether TLS) of grpc://host:port or grpcs://host:port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or port is None or parts.username:
        raise Misconfigured(
            "triton_url is not of the form grpc://HOST:PORT",
            mend="set GTV_TRITON_URL=grpc://HOST:PORT, or leave it out",
        )
    return f"{parts.hostname}:{port}", parts.scheme == "grpcs"
