"""PP-OCR recognition cut down to what a plate can say.

The network knows 18,710 characters; a plate has 36. Adding up in the graph turns 3 MB of output for a
plate into 6 kB.
"""

from __future__ import annotations

import string

import numpy as np
import onnx

from cli.models.graphs import GraphBuilder, assemble, feed, image_input, needed, planes
from functions.shared.errors import Misconfigured

ALPHABET = string.digits + string.ascii_uppercase
HEIGHT = 48
OPSET = 11
"""The network's own; the nodes added here are written in it."""
_SEPARATORS = "-·.•:_ "
"""Between a plate's letters and digits stands a dash, a dot or nothing: all the same to the decoder."""


def build(model: onnx.ModelProto) -> onnx.ModelProto:
    """In: `images` uint8 [N, 48, W, 3] RGB, W a multiple of 8. Out: `symbols` float32 [N, T, 38]: for each step the
    probabilities of blank, 0-9, A-Z (either case) and everything else; T is W / 8.
    """
    characters = _characters(model)
    groups = _groups(characters)
    graph = model.graph
    final, source = graph.output[0].name, graph.input[0].name
    before, after = GraphBuilder("gtv/in"), GraphBuilder("gtv")
    # PP-OCR is trained on BGR pictures in -1..1.
    kept = needed(graph.node, [final])
    feed(kept, source, planes(before, bgr=True, scale=2 / 255, offset=-1.0))
    columns = np.flatnonzero(groups.sum(axis=1))
    chosen = after.add("Gather", final, after.constant(columns.astype(np.int64)), axis=2)
    known = after.add("MatMul", chosen, after.constant(groups[columns]))
    total = after.add("ReduceSum", known, axes=[2], keepdims=1)
    rest = after.add("Relu", after.add("Sub", after.constant(1.0), total))
    after.add("Concat", known, rest, axis=2, output="symbols")
    return assemble(
        "plate_ocr",
        [*before.nodes, *kept, *after.nodes],
        [*before.initializers, *graph.initializer, *after.initializers],
        image=image_input(HEIGHT),
        outputs=[("symbols", ("batch", "steps", len(ALPHABET) + 2))],
        opset=OPSET,
    )


def _characters(model: onnx.ModelProto) -> list[str]:
    """The network's classes in order: blank, the list in its metadata, space."""
    listed = next((entry.value for entry in model.metadata_props if entry.key == "character"), None)
    if listed is None:
        raise Misconfigured("the OCR model carries no list of characters", mend="the pin is wrong; report it")
    return ["", *listed.split("\n"), " "]


def _groups(characters: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """[classes, 37] of 0 and 1: which class counts for which symbol."""
    groups = np.zeros((len(characters), len(ALPHABET) + 1), np.float32)
    groups[0, 0] = 1
    for index, character in enumerate(characters):
        if len(character) == 1 and character.upper() in ALPHABET and character.isascii():
            groups[index, 1 + ALPHABET.index(character.upper())] = 1
        elif character and character in _SEPARATORS:
            groups[index, 0] = 1
    return groups
