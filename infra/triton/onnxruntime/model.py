"""The backend `onnxruntime` where NVIDIA's is not: ONNX Runtime's own package behind Triton's python backend.

Serves the same config.pbtxt and model.onnx as the C++ backend of NVIDIA's container, so that a machine
without a GPU runs the real server. Requests that Triton hands over together run as one batch.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    """One instance of one ONNX model."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads(config)
        options.inter_op_num_threads = 1
        # Several models share the cores; a thread that waits must not spin.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = folder / (config.get("default_model_filename") or "model.onnx")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [entry["name"] for entry in config["input"]]
        self.outputs = [entry["name"] for entry in config["output"]]

    def execute(self, requests):
        fed = [
            {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        groups = {}
        for index, feed in enumerate(fed):
            key = tuple(feed[name].shape[1:] for name in self.inputs)
            groups.setdefault(key, []).append(index)
        responses = [None] * len(requests)
        for members in groups.values():
            for index, response in zip(members, self._run([fed[index] for index in members]), strict=True):
                responses[index] = response
        return responses

    def _run(self, feeds):
        """One response for each feed of one shape. When the batch fails, each is tried alone."""
        try:
            joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in self.inputs}
            results = self.session.run(self.outputs, joined)
        except Exception as error:
            if len(feeds) > 1:
                return [response for feed in feeds for response in self._run([feed])]
            return [pb.InferenceResponse(error=pb.TritonError(str(error)))]
        responses, at = [], 0
        for feed in feeds:
            rows = slice(at, at + len(feed[self.inputs[0]]))
            at = rows.stop
            tensors = [pb.Tensor(name, result[rows]) for name, result in zip(self.outputs, results, strict=True)]
            responses.append(pb.InferenceResponse(output_tensors=tensors))
        return responses


def _threads(config):
    """`intra_op_thread_count` of the model's parameters, as the C++ backend reads it (0: all cores); half of the cores
    without it.
    """
    cores = len(os.sched_getaffinity(0))
    given = config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value")
    return (int(given) or cores) if given else max(1, cores // 2)
