"""Triton's door to the plate reader: many requests in, one pass over the models, an answer or an error for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb

sys.path.insert(0, str(Path(__file__).parent))

from platereader import pictures, pipeline

OUTPUTS = {
    "vehicle_detector": "detections",
    "plate_detector": "detections",
    "plate_corners": "cells",
    "plate_ocr": "symbols",
}


async def infer(model: str, images: np.ndarray) -> np.ndarray:
    """One batch through another model of this server. The answer is asked for in the CPU's memory, where numpy is."""
    request = pb.InferenceRequest(
        model_name=model,
        requested_output_names=[OUTPUTS[model]],
        inputs=[pb.Tensor("images", np.ascontiguousarray(images))],
        preferred_memory=pb.PreferredMemory(pb.TRITONSERVER_MEMORY_CPU, 0),
    )
    response = await request.async_exec()
    if response.has_error():
        raise pb.TritonModelException(f"{model}: {response.error().message()}")
    return pb.get_output_tensor_by_name(response, OUTPUTS[model]).as_numpy()


def options_of(request: pb.InferenceRequest) -> pipeline.Options:
    """What the request's parameters ask for; unknown ones are ignored, as Triton itself does."""
    asked = json.loads(request.parameters() or "{}")
    standard = pipeline.Options()
    return pipeline.Options(
        views=max(1, int(asked.get("views", standard.views))), fallback=bool(asked.get("fallback", standard.fallback))
    )


class TritonPythonModel:
    """The class that the python backend looks for."""

    async def execute(self, requests: list) -> list:
        frames: list[bytes] = []
        options: list[pipeline.Options] = []
        counts: list[int] = []
        for request in requests:
            rows = pb.get_input_tensor_by_name(request, "jpeg").as_numpy().reshape(-1)
            frames.extend(bytes(row) for row in rows)
            options.extend([options_of(request)] * len(rows))
            counts.append(len(rows))
        try:
            read = await pipeline.read_frames(frames, infer, options)
        except pb.TritonModelException as error:
            failure = pb.TritonError(str(error), pb.TritonError.UNAVAILABLE)
            return [pb.InferenceResponse(error=failure) for _ in requests]
        answers = iter(read)
        return [_response([next(answers) for _ in range(count)]) for count in counts]


def _response(answers: list) -> pb.InferenceResponse:
    """A request whose frames were all readable, or the error of the first that was not."""
    for answer in answers:
        if isinstance(answer, pictures.UnreadablePicture):
            return pb.InferenceResponse(error=pb.TritonError(f"broken_image: {answer}", pb.TritonError.INVALID_ARG))
    texts = np.array([[json.dumps(answer).encode()] for answer in answers], dtype=np.object_)
    return pb.InferenceResponse(output_tensors=[pb.Tensor("observations", texts)])
