"""A float32 detector of the repository to int8: static quantisation, ranges measured on pictures.

Every convolution between the input and the head's last ones computes in int8 (weights int8 by output channel,
activations uint8), and what lies between them (SiLU, concatenation, resizing...) stays in int8, so that nothing is
converted back and forth. The last convolutions, whose scores decide, and the choice of boxes after them stay float32.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.shared.errors import InvalidInput, Misconfigured

Array = NDArray[Any]

OPERATIONS = ["Conv", "Mul", "Sigmoid", "Concat", "Add", "MaxPool", "Resize", "Split"]
_LAST = re.compile(r"(?:^|\.)cv[23]\.[012]\.2\.weight$")
_OURS = "gtv"
_CPU_INFO = Path("/proc/cpuinfo")


def weight_bits(cpu_info: Path = _CPU_INFO) -> int:
    """8 where the CPU multiplies uint8 by int8 without overflow (VNNI, AMX, or Arm), else 7.

    AVX2's and AVX-512's own instruction adds two such products in 16 bits, which saturates with 8-bit weights (ONNX
    Runtime, "Quantize ONNX models", on reduce_range).
    """
    try:
        text = cpu_info.read_text()
    except OSError:
        return 7
    x86 = re.search(r"^flags\s*:(.*)$", text, re.M)
    return 8 if x86 is None or re.search(r"\b(avx_vnni|avx512_vnni|amx_int8)\b", x86[1]) else 7


def quantised(model: bytes, inputs: Sequence[Array], bits: int) -> bytes:
    """`model` (a detector as `yolo.servable` makes it) in int8.

    `inputs`: letterboxed pictures, uint8 [H, W, 3] RGB, from which the ranges of all activations are measured.
    Raises InvalidInput when the model is no such float detector, Misconfigured when a library is missing.
    """
    with _quiet(), tempfile.TemporaryDirectory(prefix="gtvision-int8-") as scratch:
        before, after = Path(scratch) / "float.onnx", Path(scratch) / "int8.onnx"
        before.write_bytes(model)
        _quantise(before, after, inputs, bits)
        return after.read_bytes()


def _quantise(before: Path, after: Path, inputs: Sequence[Array], bits: int) -> None:
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise Misconfigured(f"int8 needs the package {error.name}", mend="pip install 'gt-vision[cli]'") from None
    graph = onnx.load(str(before)).graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        raise InvalidInput("the model is quantised already; give a repository with float32 models", field="repository")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            self._left: Iterator[Array] = iter(inputs)

        def get_next(self) -> dict[str, Array] | None:
            picture = next(self._left, None)
            return None if picture is None else {"images": picture[None]}

    quantization.quantize_static(
        str(before), str(after), Reader(), quant_format=quantization.QuantFormat.QDQ, op_types_to_quantize=OPERATIONS,
        per_channel=True, reduce_range=bits == 7, activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8, nodes_to_exclude=kept_float(graph),
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )  # fmt: skip


def kept_float(graph: Any) -> list[str]:
    """The nodes that stay float32: ours at both ends, the head's last convolutions, and all that follows these."""
    last = [node for node in graph.node if node.op_type == "Conv" and _LAST.search(node.input[1])]
    if len(last) != 6:
        raise InvalidInput("the model is no YOLOv8 detector of the repository: its head was not found", field="model")
    kept: list[str] = []
    made: set[str] = set()
    names = {node.name for node in last}
    for node in graph.node:
        if node.name in names or node.name.startswith(_OURS) or made.intersection(node.input):
            kept.append(node.name)
            if not node.name.startswith(f"{_OURS}/in"):
                made.update(node.output)
    return kept


@contextmanager
def _quiet() -> Iterator[None]:
    """The library warns of each model that it has not preprocessed; ours are prepared."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def kept_share(float_boxes: Sequence[Array], boxes: Sequence[Array], overlaps: Any, least: float = 0.5) -> float | None:
    """The share of the float model's boxes of score 0.5 and more that another model finds too (IoU at least `least`,
    same class). Rows are x1, y1, x2, y2, score, class, suppressed; one array a picture. None without such a box.
    """
    wanted = found = 0
    for ours, others in zip(float_boxes, boxes, strict=True):
        for row in ours[ours[:, 4] >= 0.5]:
            wanted += 1
            same = others[others[:, 5] == row[5]] if len(others) else others
            found += bool(len(same) and np.max(overlaps(row[None, :4], same[:, :4])) >= least)
    return found / wanted if wanted else None
