"""The committed plate reader: its size, its shapes, its log, and what it reads of plates that it has never seen."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from cli.models.repository import SOURCE

MODEL = SOURCE / "plate_reader" / "1" / "model.onnx"
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COUNT = 240


@pytest.fixture(scope="module")
def session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def synthesis() -> ModuleType:
    sys.path.insert(0, str(SOURCE / "training"))
    try:
        return importlib.import_module("synthesis")
    finally:
        sys.path.remove(str(SOURCE / "training"))


@pytest.fixture(scope="module")
def fresh(synthesis: ModuleType, session: Any) -> tuple[list[Any], Any, Any]:
    """Plates of seeds below those of training, half of them hard, with the reader's places and layouts."""
    samples = [synthesis.sample(500_000 + number, hard=number % 2 == 1) for number in range(COUNT)]
    crops = [synthesis.crop(one, np.random.default_rng(number)) for number, one in enumerate(samples)]
    places, layouts = session.run(None, {"images": np.stack(crops)})
    return samples, places, layouts


def text_of(places: Any) -> str:
    return "".join(CHARACTERS[index - 1] for index in places.argmax(axis=-1) if index)


def test_it_is_small_and_the_one_that_the_log_tells_of() -> None:
    log = json.loads((SOURCE / "training" / "log.json").read_text())
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == log["sha256"]
    assert MODEL.stat().st_size < 4_000_000
    weights = sum(math.prod(value.dims) for value in onnx.load(str(MODEL)).graph.initializer)
    assert weights < 1_000_000
    assert log["weights"] < 1_000_000
    assert log["seconds"] < 7200
    assert log["synthetic"]["exact"] > 0.5


def test_its_shapes_are_those_of_its_configuration() -> None:
    text = (SOURCE / "plate_reader" / "config.pbtxt").read_text()
    graph = onnx.load(str(MODEL)).graph
    shapes = [[int(n) for n in dims.split(",")] for dims in re.findall(r"\n    dims: \[ ([-\d, ]+) \]", text)]
    assert re.findall(r"\n    name: \"(\w+)\"", text)[:3] == [value.name for value in (*graph.input, *graph.output)]
    for value, dims in zip((*graph.input, *graph.output), shapes, strict=True):
        real = value.type.tensor_type.shape.dim
        assert [entry.dim_value for entry in real][1:] == dims
        assert real[0].dim_param  # any batch


def test_it_answers_probabilities_and_a_batch_changes_nothing(session: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 128, 3), dtype=np.uint8)
    places, layouts = session.run(None, {"images": pictures})
    assert np.allclose(places.sum(axis=-1), 1, atol=1e-4)
    assert np.allclose(layouts.sum(axis=-1), 1, atol=1e-4)
    alone = session.run(None, {"images": pictures[1:2]})
    assert np.allclose(alone[0][0], places[1], atol=1e-4)
    assert np.allclose(alone[1][0], layouts[1], atol=1e-4)


def test_it_reads_plates_of_one_row_and_of_two(fresh: tuple[list[Any], Any, Any]) -> None:
    samples, places, _ = fresh
    right = np.array([text_of(places[row]) == one.text for row, one in enumerate(samples)])
    rows = np.array([one.rows for one in samples])
    assert right[rows == 1].mean() >= 0.85
    assert right[rows == 2].mean() >= 0.8


def test_it_tells_the_layouts_apart_by_any_light(fresh: tuple[list[Any], Any, Any]) -> None:
    samples, _, layouts = fresh
    right = np.array([layouts[row].argmax() == one.layout for row, one in enumerate(samples)])
    infrared = np.array([one.light == "infrared" for one in samples])
    assert right.mean() >= 0.95
    assert right[infrared].mean() >= 0.9


def test_its_probabilities_are_neither_boasts_nor_doubts(fresh: tuple[list[Any], Any, Any]) -> None:
    samples, places, _ = fresh
    sure = places.max(axis=-1).prod(axis=-1)
    right = np.array([text_of(places[row]) == one.text for row, one in enumerate(samples)])
    assert abs(sure.mean() - right.mean()) < 0.08
    assert right[sure > 0.95].mean() > right[sure < 0.7].mean()


def test_it_reads_no_pattern_into_texts_that_have_none(synthesis: ModuleType, session: Any) -> None:
    share = synthesis.Share(1, 1, 1, 1, 0, 0)
    others: list[Any] = []
    number = 0
    while len(others) < 40:
        one = synthesis.sample(600_000 + number, share=share, follow=False)
        number += 1
        written = "".join("N" if character.isdigit() else "L" for character in one.text)
        if written not in ("LLLNNNN", "LLLNLNN"):
            others.append(one)
    crops = np.stack([synthesis.crop(one, np.random.default_rng(row)) for row, one in enumerate(others)])
    places, _ = session.run(None, {"images": crops})
    twins = str.maketrans("OI", "01")  # which only a pattern can tell apart
    read = [text_of(row).translate(twins) for row in places]
    assert np.mean([text == one.text.translate(twins) for text, one in zip(read, others, strict=True)]) >= 0.4


def test_where_there_is_no_plate_it_says_so(synthesis: ModuleType, session: Any) -> None:
    nothing = [synthesis.sample(700_000 + n, share=synthesis.Share(0, 0, 0, 0, 0, 1)) for n in range(60)]
    crops = np.stack([synthesis.crop(one, np.random.default_rng(row)) for row, one in enumerate(nothing)])
    places, layouts = session.run(None, {"images": crops})
    assert (layouts.argmax(axis=-1) == synthesis.NOTHING).mean() >= 0.85
    assert np.mean([text_of(row) == "" for row in places]) >= 0.8
