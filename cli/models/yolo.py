"""YOLOv8 exports made fit to serve: any batch, any size, uint8 in, the best 300 boxes out.

An export fixes its batch and its anchors for one picture size and gives all 84 x 8400 numbers. The
graph is cut before that head, and a new one is grown: the 300 best cells are chosen first and only
their boxes decoded (distribution focal loss, Li et al. 2020, as YOLOv8 uses it).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from cli.models.graphs import GraphBuilder, assemble, feed, image_input, needed, planes
from functions.shared.errors import InvalidInput

STRIDES = (8, 16, 32)
BINS = 16
TOP = 300
VEHICLE_TYPES = ("car", "motorcycle", "bus", "truck")
_SYNONYMS = {"motorbike": "motorcycle", "van": "car", "automobile": "car", "lorry": "truck"}
_HEAD = re.compile(r"(?:^|\.)cv(?P<branch>[23])\.(?P<level>[012])\.2\.weight$")


def names_of(model: onnx.ModelProto) -> dict[int, str]:
    """The class names that an Ultralytics export carries; empty when it carries none."""
    for entry in model.metadata_props:
        if entry.key == "names":
            try:
                parsed = ast.literal_eval(entry.value)
            except (ValueError, SyntaxError):
                return {}
            return {int(key): str(value) for key, value in dict(parsed).items()}
    return {}


def vehicle_classes(names: Mapping[int, str]) -> dict[int, int]:
    """Class of the export -> index in VEHICLE_TYPES, for those that are vehicles. Raises InvalidInput for none."""
    found: dict[int, int] = {}
    for index, name in names.items():
        plain = name.strip().lower()
        plain = _SYNONYMS.get(plain, plain)
        if plain in VEHICLE_TYPES:
            found[index] = VEHICLE_TYPES.index(plain)
    if not found:
        raise InvalidInput(
            f"the model names no vehicle class; it needs one of {', '.join(VEHICLE_TYPES)}, and has "
            f"{', '.join(sorted(names.values())[:8]) or 'no names at all'}",
            field="file",
        )
    return found


def servable(model: onnx.ModelProto, classes: Mapping[int, int], title: str) -> onnx.ModelProto:
    """A YOLOv8 detection export as the repository's detectors are.

    `classes` maps the export's class to the one that is given out; all others are dropped.
    In: `images` uint8 [N, H, W, 3] RGB, H and W multiples of 32. Out: `detections` float32 [N, 300, 6]:
    x1, y1, x2, y2 in pixels of the input, score 0..1, class; best first. Raises InvalidInput when the
    graph is no float32 YOLOv8 detection export.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    heads = _heads(graph, weights)
    source = graph.input[0]
    if source.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise InvalidInput("the export is not float32; export it again with half=False", field="file")
    chosen = sorted(classes)
    builder = GraphBuilder("gtv")
    kept = needed(graph.node, [name for name, _ in heads.values()])
    initializers = dict(weights)
    for level in range(len(STRIDES)):
        _narrow(kept, initializers, heads[3, level][0], chosen)
    before = GraphBuilder("gtv/in")
    feed(kept, source.name, planes(before, bgr=False, scale=1 / 255, offset=0.0))
    _head(builder, heads, [classes[index] for index in chosen])
    made = assemble(
        title,
        [*before.nodes, *kept, *builder.nodes],
        [*before.initializers, *initializers.values(), *builder.initializers],
        image=image_input(),
        outputs=[("detections", ("batch", TOP, 6))],
    )
    made.metadata_props.extend(model.metadata_props)
    return made


def transplant(topology: onnx.ModelProto, state: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """`topology` (a YOLOv8 export) with the weights of `state`, batch norms folded in.

    `state` names tensors as PyTorch does (`model.0.conv.weight`, `model.0.bn.running_mean`...). The class
    branch may have other widths, as YOLOv8's does when it has fewer classes; all other shapes must agree.
    Raises InvalidInput when a weight is missing or of another shape.
    """
    model = onnx.ModelProto()
    model.CopyFrom(topology)
    folded = fold(state)
    for tensor in model.graph.initializer:
        if not tensor.name.startswith("model."):
            continue
        value = folded.get(tensor.name)
        if value is None:
            raise InvalidInput(f"the checkpoint has no {tensor.name}: it is no YOLOv8n detector", field="file")
        if ".cv3." not in tensor.name and list(value.shape) != list(tensor.dims):
            raise InvalidInput(
                f"{tensor.name} is {list(value.shape)} in the checkpoint and {list(tensor.dims)} in YOLOv8n",
                field="file",
            )
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    del model.graph.value_info[:]
    return model


def fold(state: Mapping[str, NDArray[np.float32]], epsilon: float = 1e-3) -> dict[str, NDArray[np.float32]]:
    """Each convolution with its batch norm folded in: w' = w g / sqrt(v + e), b' = b - m g / sqrt(v + e).

    `epsilon` is YOLOv8's own, not PyTorch's default. Weights without a norm stay as they are.
    """
    folded = {name: value for name, value in state.items() if ".bn." not in name}
    for name in list(state):
        if not name.endswith(".bn.weight"):
            continue
        stem = name.removesuffix(".bn.weight")
        gain = state[name] / np.sqrt(state[f"{stem}.bn.running_var"] + epsilon)
        weight = state[f"{stem}.conv.weight"]
        folded[f"{stem}.conv.weight"] = (weight * gain[:, None, None, None]).astype(np.float32)
        folded[f"{stem}.conv.bias"] = (state[f"{stem}.bn.bias"] - state[f"{stem}.bn.running_mean"] * gain).astype(
            np.float32
        )
    return folded


def _heads(
    graph: onnx.GraphProto, weights: Mapping[str, onnx.TensorProto]
) -> dict[tuple[int, int], tuple[str, onnx.TensorProto]]:
    """(branch, level) -> the last convolution's output and weight; branch 2 is boxes, 3 is classes."""
    heads: dict[tuple[int, int], tuple[str, onnx.TensorProto]] = {}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        match = _HEAD.search(node.input[1])
        if match:
            heads[int(match["branch"]), int(match["level"])] = (node.output[0], weights[node.input[1]])
    wanted = {(branch, level) for branch in (2, 3) for level in range(3)}
    if set(heads) != wanted or any(heads[2, level][1].dims[0] != 4 * BINS for level in range(3)):
        raise InvalidInput(
            "this is no YOLOv8 detection export: its head (cv2, cv3 at three strides) was not found", field="file"
        )
    return heads


def _narrow(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, onnx.TensorProto], output: str, chosen: Sequence[int]
) -> None:
    """Keep only the chosen classes' rows of the last class convolution."""
    conv = next(node for node in nodes if output in node.output)
    for name in conv.input[1:]:
        rows = numpy_helper.to_array(weights[name])
        if max(chosen) >= rows.shape[0]:
            raise InvalidInput(f"the model has {rows.shape[0]} classes, but class {max(chosen)} is named", field="file")
        weights[name] = numpy_helper.from_array(np.ascontiguousarray(rows[list(chosen)]), name)


def _head(
    builder: GraphBuilder, heads: Mapping[tuple[int, int], tuple[str, onnx.TensorProto]], classes: Sequence[int]
) -> None:
    flat = {
        key: builder.add("Reshape", name, builder.constant([0, 4 * BINS if key[0] == 2 else len(classes), -1]))
        for key, (name, _) in heads.items()
    }
    sides = builder.add("Concat", *(flat[2, level] for level in range(3)), axis=2)
    logits = builder.add("Concat", *(flat[3, level] for level in range(3)), axis=2)
    cells = builder.add(
        "Concat", *(_cells(builder, heads[2, level][0], stride) for level, stride in enumerate(STRIDES)), axis=0
    )
    best = builder.add("ReduceMax", logits, axes=[1], keepdims=0)
    kind = builder.add("ArgMax", logits, axis=1, keepdims=0)
    top, where = builder.add_many("TopK", [best, builder.constant([TOP])], 2, axis=1)
    score = builder.add("Unsqueeze", builder.add("Sigmoid", top), builder.constant([2]))
    names = builder.constant(np.array(classes, np.float32))
    kind = builder.add("Gather", names, builder.add("GatherElements", kind, where, axis=1))
    kind = builder.add("Unsqueeze", kind, builder.constant([2]))
    # Boxes are decoded for the chosen cells alone.
    rows = builder.add("Transpose", sides, perm=[0, 2, 1])
    picked = builder.add("GatherND", rows, builder.add("Unsqueeze", where, builder.constant([2])), batch_dims=1)
    bins = builder.add("Softmax", builder.add("Reshape", picked, builder.constant([0, TOP, 4, BINS])), axis=3)
    reach = builder.add("MatMul", bins, builder.constant(np.arange(BINS, dtype=np.float32)[:, None]))
    near, far = builder.add_many("Split", [builder.add("Squeeze", reach, builder.constant([3]))], 2, axis=2)
    cell = builder.add("Gather", cells, where, axis=0)
    centre, stride = builder.add_many("Split", [cell, builder.constant([2, 1])], 2, axis=2)
    low = builder.add("Mul", builder.add("Sub", centre, near), stride)
    high = builder.add("Mul", builder.add("Add", centre, far), stride)
    builder.add("Concat", low, high, score, kind, axis=2, output="detections")


def _cells(builder: GraphBuilder, feature: str, stride: int) -> str:
    """[h*w, 3]: the centre of each cell in strides (x, y) and the stride, row by row, for the feature's own size."""
    shape = builder.add("Shape", feature, start=2, end=4)
    height, width = builder.add_many("Split", [shape], 2, axis=0)
    columns = [
        builder.add("Expand", _centres(builder, side, axis), shape) for side, axis in ((width, [0]), (height, [1]))
    ]
    columns.append(builder.add("Expand", builder.constant(np.array([[stride]], np.float32)), shape))
    flat = [builder.add("Reshape", column, builder.constant([-1, 1])) for column in columns]
    return builder.add("Concat", *flat, axis=1)


def _centres(builder: GraphBuilder, length: str, axis: Sequence[int]) -> str:
    """0.5, 1.5 ... of `length` cells, as a row (axis [0]) or a column (axis [1])."""
    scalar = builder.add("Squeeze", length, builder.constant([0]))
    count = builder.add("Range", builder.constant(0), scalar, builder.constant(1))
    half = builder.add("Add", builder.add("Cast", count, to=TensorProto.FLOAT), builder.constant(0.5))
    return builder.add("Unsqueeze", half, builder.constant(list(axis)))
