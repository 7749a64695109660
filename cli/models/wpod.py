"""WPOD-NET (Silva and Jung, ECCV 2018) from its Keras file to ONNX, without TensorFlow.

The layers are read from the file's own description, batch norms are folded into the convolutions, and
the head keeps the best cells only.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import onnx
from numpy.typing import NDArray

from cli.models.graphs import GraphBuilder, assemble, image_input, planes
from functions.shared.errors import Misconfigured

STRIDE = 16
TOP = 16


@dataclass
class _Net:
    """The graph so far: where each Keras layer's result is, and convolutions that wait for their batch norm."""

    weights: Mapping[str, list[NDArray[np.float32]]]
    builder: GraphBuilder = field(default_factory=lambda: GraphBuilder("wpod"))
    results: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, tuple[str, NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)


def build(architecture: bytes, weights: bytes) -> onnx.ModelProto:
    """In: `images` uint8 [N, H, W, 3] RGB, H and W multiples of 16. Out: `cells` float32 [N, 16, 9], best first:
    probability, the cell's column and row, and the affine map a b c d e f (x' = ax + by + c, y' = dx + ey + f).
    """
    layers = json.loads(architecture)["config"]["layers"]
    normed = {layer["inbound_nodes"][0][0][0] for layer in layers if layer["class_name"] == "BatchNormalization"}
    net = _Net(_read_weights(weights))
    # The network was trained on BGR pictures in 0..1.
    net.results["input"] = planes(net.builder, bgr=True, scale=1 / 255, offset=0.0)
    for layer in layers:
        if layer["class_name"] != "InputLayer":
            sources = [inbound[0] for inbound in layer["inbound_nodes"][0]]
            _layer(net, layer, sources, layer["name"] in normed)
    _head(net.builder, net.results["conv2d_25"], net.results["conv2d_26"])
    return assemble(
        "plate_corners",
        net.builder.nodes,
        net.builder.initializers,
        image=image_input(),
        outputs=[("cells", ("batch", TOP, 9))],
    )


def _read_weights(content: bytes) -> dict[str, list[NDArray[np.float32]]]:
    weights: dict[str, list[NDArray[np.float32]]] = {}
    with h5py.File(io.BytesIO(content), "r") as stored:
        for layer in stored:
            names = [
                name.decode() if isinstance(name, bytes) else str(name) for name in stored[layer].attrs["weight_names"]
            ]
            weights[layer] = [np.asarray(stored[layer][name], np.float32) for name in names]
    return weights


def _layer(net: _Net, layer: Mapping[str, Any], sources: list[str], before_norm: bool) -> None:
    name, config, builder = layer["name"], layer["config"], net.builder
    kind = layer["class_name"]
    if kind == "Conv2D":
        kernel, bias = net.weights[name]
        filters = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        if before_norm:
            net.waiting[name] = (net.results[sources[0]], filters, bias)
        else:
            made = _convolve(builder, net.results[sources[0]], filters, bias)
            net.results[name] = builder.add("Softmax", made, axis=1) if config["activation"] == "softmax" else made
    elif kind == "BatchNormalization":
        source, filters, bias = net.waiting.pop(sources[0])
        gamma, beta, mean, variance = net.weights[name]
        gain = gamma / np.sqrt(variance + np.float32(config["epsilon"]))
        net.results[name] = _convolve(builder, source, filters * gain[:, None, None, None], (bias - mean) * gain + beta)
    elif kind == "Activation" and config["activation"] == "relu":
        net.results[name] = builder.add("Relu", net.results[sources[0]])
    elif kind == "MaxPooling2D":
        size = config["pool_size"]
        net.results[name] = builder.add(
            "MaxPool", net.results[sources[0]], kernel_shape=size, strides=config["strides"]
        )
    elif kind == "Add":
        net.results[name] = builder.add("Add", *(net.results[source] for source in sources))
    elif kind != "Concatenate":
        raise Misconfigured(
            f"WPOD-NET's file has a layer that is not known: {kind}", mend="the pin is wrong; report it"
        )


def _convolve(builder: GraphBuilder, source: str, filters: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
    edge = filters.shape[2] // 2
    return builder.add(
        "Conv",
        source,
        builder.constant(np.asarray(filters, np.float32)),
        builder.constant(np.asarray(bias, np.float32)),
        kernel_shape=list(filters.shape[2:]),
        pads=[edge] * 4,
    )


def _head(builder: GraphBuilder, probabilities: str, affine: str) -> None:
    """The best cells of the grid: [N, 2, h, w] and [N, 6, h, w] -> `cells` [N, TOP, 9]."""
    plate = builder.add("Gather", probabilities, builder.constant([0]), axis=1)
    flat = builder.add("Reshape", plate, builder.constant([0, -1]))
    top, where = builder.add_many("TopK", [flat, builder.constant([TOP])], 2, axis=1)
    maps = builder.add("Transpose", builder.add("Reshape", affine, builder.constant([0, 6, -1])), perm=[0, 2, 1])
    picked = builder.add("GatherND", maps, builder.add("Unsqueeze", where, builder.constant([2])), batch_dims=1)
    width = builder.add("Shape", affine, start=3, end=4)
    column = builder.add("Mod", where, width)
    row = builder.add("Div", where, width)
    places = [
        builder.add("Unsqueeze", builder.add("Cast", place, to=onnx.TensorProto.FLOAT), builder.constant([2]))
        for place in (column, row)
    ]
    builder.add("Concat", builder.add("Unsqueeze", top, builder.constant([2])), *places, picked, axis=2, output="cells")
