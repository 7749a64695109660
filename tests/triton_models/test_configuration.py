"""What config.pbtxt says and what the code holds must agree."""

from __future__ import annotations

import re
from types import ModuleType

import onnx
import pytest

from cli.models import ocr, yolo
from cli.models.catalog import MODELS, NAMES, OWN, Model, OwnModel
from cli.models.repository import SOURCE, weights_path
from tests.support.models import ensure_models


def config(name: str) -> str:
    """What the model takes and gives; the pictures that warm it up are another matter."""
    return (SOURCE / name / "config.pbtxt").read_text().split("model_warmup")[0]


@pytest.mark.parametrize("model", [*MODELS, *OWN], ids=lambda model: model.name)
def test_a_models_file_has_the_shapes_that_its_configuration_names(
    model: Model | OwnModel, pipeline: ModuleType
) -> None:
    name = model.name
    outputs = model.outputs if isinstance(model, OwnModel) else (model.output,)
    text = config(name)
    graph = onnx.load(str(weights_path(ensure_models(), name))).graph
    assert f'name: "{name}"' in text
    assert outputs == pipeline.OUTPUTS[name]
    assert all(f'name: "{output}"' in text for output in outputs)
    assert int(re.findall(r"max_batch_size: (\d+)", text)[0]) == pipeline.MAX_BATCH[name]
    shapes = [[int(n) for n in dims.split(",")] for dims in re.findall(r"dims: \[ ([-\d, ]+) \]", text)]
    for value, dims in zip((*graph.input, *graph.output), shapes, strict=True):
        real = value.type.tensor_type.shape.dim
        given = [entry.dim_value or -1 for entry in real][1:]
        # An exporter may leave open what the configuration fixes.
        assert len(given) == len(dims)
        assert all(size in (-1, wanted) for size, wanted in zip(given, dims, strict=True))
        assert real[0].dim_param  # any batch


def test_the_reader_knows_what_the_models_give(pipeline: ModuleType, decoding: ModuleType, views: ModuleType) -> None:
    assert pipeline.VEHICLE_TYPES == yolo.VEHICLE_TYPES
    assert decoding.ALPHABET == ocr.ALPHABET
    assert views.HEIGHT == ocr.HEIGHT
    assert set(pipeline.MAX_BATCH) == set(NAMES)
