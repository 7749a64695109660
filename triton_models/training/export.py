"""From trained weights to the model that is served: temperatures, ONNX, the proof that both answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from batches import Validation, classes
from network import CLASSES, LAYOUTS, PLACES, Exported, PlateReader
from torch import Tensor
from torch.nn import functional

OPSET = 17
CLOSE = 2e-4


def temperatures(found: tuple[Tensor, Tensor], held: Validation) -> tuple[float, float]:
    """The temperatures (of characters, of layout) under which the held-back truth is the likeliest."""
    places = torch.tensor([classes(text) for text in held.texts])
    return _fit(found[0].flatten(0, 1), places.flatten()), _fit(found[1], torch.from_numpy(held.layouts))


def _fit(logits: Tensor, wanted: Tensor) -> float:
    tried = np.geomspace(0.3, 3.0, 93)
    costs = [float(functional.cross_entropy(logits / float(value), wanted)) for value in tried]
    return round(float(tried[int(np.argmin(costs))]), 4)


def write(net: PlateReader, fitted: tuple[float, float], path: Path) -> None:
    """The net as ONNX with a batch of any size. Raises RuntimeError where ONNX Runtime answers otherwise than torch."""
    model = Exported(net, *fitted).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.randint(0, 256, (2, 64, 128, 3), dtype=torch.uint8)
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["images"],
        output_names=["places", "layout"],
        dynamic_axes={"images": {0: "batch"}, "places": {0: "batch"}, "layout": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    state_shapes(path)
    _prove(model, path)


def state_shapes(path: Path) -> None:
    """Writes the outputs' sizes into the file, where the export leaves all of them open and not only the batch."""
    model = onnx.load(str(path))
    for output, sizes in zip(model.graph.output, ((PLACES, CLASSES), (LAYOUTS,)), strict=True):
        for dim, size in zip(output.type.tensor_type.shape.dim[1:], sizes, strict=True):
            dim.Clear()
            dim.dim_value = size
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _prove(model: Exported, path: Path) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 5, 16):
        pictures = torch.randint(0, 256, (count, 64, 128, 3), dtype=torch.uint8)
        with torch.inference_mode():
            wanted = model(pictures)
        for one, other in zip(session.run(None, {"images": pictures.numpy()}), wanted, strict=True):
            apart = float(np.abs(one - other.numpy()).max())
            if apart > CLOSE:
                raise RuntimeError(
                    f"ONNX Runtime is {apart:g} away from torch for a batch of {count}: not written for use"
                )
