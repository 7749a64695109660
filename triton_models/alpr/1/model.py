"""Triton's door to the plate reader: many requests in, one pass over the models, an answer or an error for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb

sys.path.insert(0, str(Path(__file__).parent))

from instances import Siblings
from platereader import pictures, pipeline


async def infer(model: str, images: np.ndarray) -> list[np.ndarray]:
    """One batch through another model of this server. The answer is asked for in the CPU's memory, where numpy is."""
    names = pipeline.OUTPUTS[model]
    request = pb.InferenceRequest(
        model_name=model,
        requested_output_names=list(names),
        inputs=[pb.Tensor("images", np.ascontiguousarray(images))],
        preferred_memory=pb.PreferredMemory(pb.TRITONSERVER_MEMORY_CPU, 0),
    )
    response = await request.async_exec()
    if response.has_error():
        raise pb.TritonModelException(f"{model}: {response.error().message()}")
    return [pb.get_output_tensor_by_name(response, name).as_numpy() for name in names]


def options_of(request: pb.InferenceRequest) -> pipeline.Options:
    """What the request's parameters ask for; unknown ones are ignored, as Triton itself does.

    `formats` is a JSON list in a string, `min_plate_height` a JSON number in one. Raises ValueError for what cannot be
    meant, such as a format that no table has.
    """
    asked = json.loads(request.parameters() or "{}")
    standard = pipeline.Options()
    return pipeline.Options(
        views=max(1, int(asked.get("views", standard.views))),
        fallback=bool(asked.get("fallback", standard.fallback)),
        formats=tuple(json.loads(asked["formats"])) if "formats" in asked else standard.formats,
        min_plate_height=float(json.loads(asked.get("min_plate_height", "0"))),
    )


def _is_probe(request: pb.InferenceRequest) -> bool:
    """Whether it asks if the model lives, all instances of it."""
    return bool(json.loads(request.parameters() or "{}").get("probe"))


async def read_apart(frames: list[bytes], options: list[pipeline.Options]) -> list:
    """Each frame's observations or its error. A batch that fails is read again frame by frame, so that what one of
    them does to the pipeline or to another model is felt by that frame alone.
    """
    try:
        return list(await pipeline.read_frames(frames, infer, options))
    except pb.TritonModelException as error:
        # A model that is away is away for all of them.
        failure: Exception = error
    except Exception as error:
        if len(frames) > 1:
            return [(await read_apart([frame], [option]))[0] for frame, option in zip(frames, options, strict=True)]
        failure = error
    return [failure] * len(frames)


class TritonPythonModel:
    """The class that the python backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        self._siblings = Siblings(Path(__file__), json.loads(args["model_config"]))

    async def execute(self, requests: list) -> list:
        frames: list[bytes] = []
        options: list[pipeline.Options] = []
        counts: list[int | pb.TritonError] = []
        self._siblings.tidy()
        for request in requests:
            if request.is_cancelled():
                # Its caller has gone, mostly because the frame's useful life is over.
                counts.append(pb.TritonError("the caller has gone", pb.TritonError.CANCELLED))
                continue
            try:
                asked = options_of(request)
            except (ValueError, TypeError) as error:
                counts.append(pb.TritonError(f"parameters: {error}", pb.TritonError.INVALID_ARG))
                continue
            missing = self._siblings.missing() if _is_probe(request) else ""
            if missing:
                counts.append(pb.TritonError(missing, pb.TritonError.INTERNAL))
                continue
            rows = pb.get_input_tensor_by_name(request, "jpeg").as_numpy().reshape(-1)
            frames.extend(bytes(row) for row in rows)
            options.extend([asked] * len(rows))
            counts.append(len(rows))
        answers = iter(await read_apart(frames, options))
        return [
            _response([next(answers) for _ in range(count)])
            if isinstance(count, int)
            else pb.InferenceResponse(error=count)
            for count in counts
        ]


def _response(answers: list) -> pb.InferenceResponse:
    """A request whose frames were all readable, or the error of the first that was not."""
    for answer in answers:
        if isinstance(answer, pictures.UnreadablePicture):
            return pb.InferenceResponse(error=pb.TritonError(f"broken_image: {answer}", pb.TritonError.INVALID_ARG))
        if isinstance(answer, pb.TritonModelException):
            return pb.InferenceResponse(error=pb.TritonError(str(answer), pb.TritonError.UNAVAILABLE))
        if isinstance(answer, Exception):
            said = f"the frame could not be read: {type(answer).__name__}: {answer}"
            return pb.InferenceResponse(error=pb.TritonError(said, pb.TritonError.INTERNAL))
    texts = np.array([[json.dumps(answer).encode()] for answer in answers], dtype=np.object_)
    return pb.InferenceResponse(output_tensors=[pb.Tensor("observations", texts)])
