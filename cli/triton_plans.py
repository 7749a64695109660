"""`gtvision triton plans`: what TensorRT builds its plans from, and the commands that build them.

TensorRT takes 8-bit pictures as inputs only, and wants them cast before anything else is done to them; our graphs
transpose first, which costs less on a CPU. A plan fits one kind of GPU and one version of TensorRT, so it is built
where it will run, by `trtexec` in NVIDIA's container; see infra/triton/plans.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.models.repository import writing
from functions.shared.errors import Misconfigured

SOURCE, PLAN, SCRIPT = "model.tensorrt.onnx", "model.plan", "build_plans.sh"
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"
Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Profile:
    """The shapes [pictures, height, width, 3] that a plan is built for: least, usual (it is fastest there), largest."""

    least: Shape
    usual: Shape
    largest: Shape


PROFILES = {
    "vehicle_detector": Profile((1, 160, 160, 3), (4, 384, 640, 3), (8, 640, 640, 3)),
    "plate_detector": Profile((1, 160, 160, 3), (4, 384, 640, 3), (8, 640, 640, 3)),
    "plate_corners": Profile((1, 96, 208, 3), (4, 96, 208, 3), (16, 640, 640, 3)),
    "plate_ocr": Profile((1, 48, 160, 3), (8, 48, 160, 3), (32, 48, 160, 3)),
    "plate_reader": Profile((1, 64, 128, 3), (8, 64, 128, 3), (16, 64, 128, 3)),
}


def cast_first(model: Any) -> Any:
    """The ONNX model with its 8-bit input cast to float before all else. It gives the same, number for number."""
    import onnx
    from onnx import TensorProto, helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    (given,) = made.graph.input
    if given.type.tensor_type.elem_type != TensorProto.UINT8:
        return made
    cast = f"{given.name}/float"
    for node in made.graph.node:
        for place, name in enumerate(node.input):
            if name == given.name:
                node.input[place] = cast
    made.graph.node.insert(0, helper.make_node("Cast", [given.name], [cast], to=TensorProto.FLOAT))
    # Shapes that were inferred for 8-bit values between here and the old cast would contradict.
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    return made


def command(model: str) -> str:
    """The line that builds one model's plan in half precision, from the repository's folder."""
    profile, folder = PROFILES[model], f"{model}/1"
    shapes = (("min", profile.least), ("opt", profile.usual), ("max", profile.largest))
    options = [f"--{name}Shapes=images:{'x'.join(map(str, shape))}" for name, shape in shapes]
    parts = [f"--onnx={folder}/{SOURCE}", f"--saveEngine={folder}/{PLAN}.part", "--fp16", *options, "--skipInference"]
    return f"{TRTEXEC} {' '.join(parts)} && mv {folder}/{PLAN}.part {folder}/{PLAN}"


def script(models: list[str]) -> str:
    lines = [
        "#!/bin/sh",
        "# Run on the GPU that will serve, in the container of the TensorRT that Triton has.",
        "set -eu",
    ]
    return "\n".join([*lines, 'cd "$(dirname "$0")"', *map(command, models), ""])


def write(repository: Path) -> list[str]:
    """Write each model's source and the script. Returns the models. Raises Misconfigured where one is missing."""
    import onnx

    models = [name for name in PROFILES if (repository / name / "1" / "model.onnx").is_file()]
    absent = sorted(set(PROFILES) - set(models) - {"plate_reader"})
    if absent:
        raise Misconfigured(f"{repository} holds no weights of {', '.join(absent)}", mend="run: gtvision models fetch")
    with writing(repository):
        for name in models:
            folder = repository / name / "1"
            onnx.save(cast_first(onnx.load(str(folder / "model.onnx"))), str(folder / SOURCE))
        target = repository / SCRIPT
        target.write_text(script(models))
        target.chmod(0o755)
    return models
