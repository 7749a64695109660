"""Small steps on ONNX graphs that the model builders share.

Every model of the repository takes `images`, uint8 [N, H, W, 3] RGB, and gives a short float32 result:
no float image and no raw head ever crosses the wire, and the first axis is always a batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""What our own nodes are written in: known to ONNX Runtime 1.12 and later, so to any Triton of use here."""
IR_VERSION = 8


class GraphBuilder:
    """Nodes and constants under one prefix, so that additions never clash with a graph's own names."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._count = 0

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{self.prefix}/{stem}_{self._count}"

    def constant(self, value: NDArray[np.generic] | Sequence[int] | Sequence[float] | float | int) -> str:
        """A constant's name. Plain integers become int64, plain floats float32."""
        array = np.asarray(value)
        if not isinstance(value, np.ndarray):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        name = self._name("constant")
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        name = output or self._name(op)
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{name}:node", **attributes))
        return name

    def add_many(self, op: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """One node with several outputs."""
        names = [self._name(op) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{names[0]}:node", **attributes))
        return names


def image_input(height: int | str = "height", width: int | str = "width") -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", height, width, 3])


def planes(builder: GraphBuilder, *, bgr: bool, scale: float, offset: float) -> str:
    """uint8 [N,H,W,3] RGB `images` -> float32 [N,3,H,W]: value * scale + offset, channels turned if asked."""
    source = "images"
    if bgr:
        source = builder.add("Gather", source, builder.constant([2, 1, 0]), axis=3)
    turned = builder.add("Transpose", source, perm=[0, 3, 1, 2])
    real = builder.add("Cast", turned, to=TensorProto.FLOAT)
    scaled = builder.add("Mul", real, builder.constant(scale))
    return scaled if offset == 0 else builder.add("Add", scaled, builder.constant(offset))


def needed(nodes: Iterable[onnx.NodeProto], wanted: Iterable[str]) -> list[onnx.NodeProto]:
    """Copies of the nodes that `wanted` tensors depend on, in their original order."""
    open_names = set(wanted)
    kept: list[onnx.NodeProto] = []
    for node in reversed(list(nodes)):
        if open_names.intersection(node.output):
            kept.append(copy.deepcopy(node))
            open_names.update(node.input)
    return kept[::-1]


def feed(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    """Let every node that reads `old` read `new`, in place."""
    for node in nodes:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def assemble(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    initializers: Iterable[onnx.TensorProto],
    *,
    image: onnx.ValueInfoProto,
    outputs: Sequence[tuple[str, Sequence[int | str]]],
    opset: int = OPSET,
) -> onnx.ModelProto:
    """A checked model of float32 outputs; constants that no node uses are left out."""
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        list(nodes),
        name,
        [image],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape)) for output, shape in outputs],
        initializer=[tensor for tensor in initializers if tensor.name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model
