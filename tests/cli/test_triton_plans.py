"""The configurations for a GPU, and what TensorRT builds its plans from. No GPU is needed to prove these."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from cli import triton_plans
from cli.triton_plans import PLAN, PROFILES, SOURCE, Profile
from cli.triton_server import Assembly, assemble, clear_memory, supported
from functions.shared.errors import Misconfigured, Unavailable
from functions.shared.triton_view import View
from tests.support.models import ensure_models
from tests.support.require import missing

text_format = importlib.import_module("google.protobuf.text_format")  # protobuf brings no types
MODELS = sorted(PROFILES)


def config(model: str, *path: str) -> ModelConfig:
    """As Triton reads it: a misspelt field is an error."""
    text = ensure_models().joinpath(model, *(path or ("config.pbtxt",))).read_text()
    parsed: ModelConfig = text_format.Parse(text, ModelConfig())
    return parsed


@pytest.mark.parametrize("model", [*MODELS, "alpr"])
def test_a_gpu_changes_how_a_model_is_run_and_not_what_it_is(model: str) -> None:
    usual, gpu = config(model), config(model, "configs", "gpu.pbtxt")
    assert (gpu.name, gpu.max_batch_size) == (usual.name, usual.max_batch_size)
    assert (list(gpu.input), list(gpu.output)) == (list(usual.input), list(usual.output))
    assert gpu.HasField("dynamic_batching")
    (group,) = gpu.instance_group
    if model == "alpr":
        assert (gpu.backend, group.kind, group.count) == ("python", ModelInstanceGroup.KIND_CPU, 4)
        return
    assert (gpu.platform, gpu.default_model_filename) == ("tensorrt_plan", PLAN)
    assert group.kind == ModelInstanceGroup.KIND_GPU
    assert usual.backend == "onnxruntime"


@pytest.mark.parametrize("model", MODELS)
def test_a_plan_takes_what_is_asked_of_it(model: str) -> None:
    """The warm-up, which is also the guard's question, the largest batch and its preferred sizes lie in the profile."""
    gpu, profile = config(model, "configs", "gpu.pbtxt"), PROFILES[model]
    assert profile.largest[0] == gpu.max_batch_size == max(gpu.dynamic_batching.preferred_batch_size)
    assert profile.least[0] == 1
    assert len(gpu.model_warmup) == 2
    for sample in gpu.model_warmup:
        shape = (sample.batch_size, *sample.inputs["images"].dims)
        assert all(low <= side <= high for low, side, high in zip(profile.least, shape, profile.largest, strict=True))
    (usual,) = [sample for sample in gpu.model_warmup if sample.name == "usual"]
    assert (usual.batch_size, *usual.inputs["images"].dims) == profile.usual
    fixed = [side for side in gpu.input[0].dims if side != -1]
    for shape in (profile.least, profile.usual, profile.largest):
        assert [side for side, given in zip(shape[1:], gpu.input[0].dims, strict=True) if given != -1] == fixed


@pytest.mark.parametrize("model", MODELS)
def test_cast_first_a_model_gives_the_same(model: str) -> None:
    path = ensure_models() / model / "1" / "model.onnx"
    made = triton_plans.cast_first(onnx.load(str(path)))
    (first,) = [node for node in made.graph.node if "images" in node.input]
    assert first.op_type == "Cast", "TensorRT takes 8-bit values for a cast alone"
    shape = PROFILES[model].least
    images = np.random.default_rng(7).integers(0, 256, (2, *shape[1:]), dtype=np.uint8)
    cpu = {"providers": ["CPUExecutionProvider"]}
    before = onnxruntime.InferenceSession(str(path), **cpu).run(None, {"images": images})
    after = onnxruntime.InferenceSession(made.SerializeToString(), **cpu).run(None, {"images": images})
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_script_builds_every_plan_in_half_precision(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(ensure_models(), repository, ignore=shutil.ignore_patterns("training", "__pycache__"))
    assert sorted(triton_plans.write(repository)) == MODELS
    script = repository / triton_plans.SCRIPT
    assert os.access(script, os.X_OK)
    # A trtexec that writes down what it is given, for want of a GPU; the shell is a real one.
    tool = tmp_path / "trtexec"
    tool.write_text('#!/bin/sh\nfor a; do case "$a" in --saveEngine=*) echo "$@" > "${a#--saveEngine=}";; esac; done\n')
    tool.chmod(0o755)
    script.write_text(script.read_text().replace(triton_plans.TRTEXEC, str(tool)))
    subprocess.run(["sh", str(script)], check=True, cwd="/")
    for model in MODELS:
        assert (repository / model / "1" / SOURCE).is_file()
        said = (repository / model / "1" / PLAN).read_text()
        assert "--fp16" in said
        profile = PROFILES[model]
        for name, shape in (("min", profile.least), ("opt", profile.usual), ("max", profile.largest)):
            assert f"--{name}Shapes=images:{'x'.join(map(str, shape))} " in said
    assert "plate_ocr" in View(tmp_path / "view").lay(repository)


def test_a_repository_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no weights of plate_corners"):
        triton_plans.write(tmp_path)


def test_a_profile_is_ordered() -> None:
    for model, profile in PROFILES.items():
        assert isinstance(profile, Profile)
        ordered = zip(profile.least, profile.usual, profile.largest, strict=True)
        assert all(low <= usual <= high for low, usual, high in ordered), model


@pytest.fixture(scope="module")
def parts() -> Assembly:
    try:
        supported()
        return assemble()
    except (Misconfigured, Unavailable) as error:
        missing(error.message)


@pytest.mark.triton
@pytest.mark.timeout(400)
def test_the_real_server_chooses_them_and_lacks_the_gpu_alone(parts: Assembly, tmp_path: Path) -> None:
    """`--model-config-name=gpu`: `alpr` loads, and each network fails for want of TensorRT's backend, nothing else."""
    view = View(tmp_path / "view")
    view.lay(ensure_models())
    for model in MODELS:
        (view.served / model / "1" / PLAN).write_bytes(b"a plan would lie here")
    command = [
        str(parts.binary), f"--model-repository={view.served}", f"--backend-directory={parts.backends}",
        "--model-config-name=gpu", "--allow-http=false", "--allow-grpc=false", "--allow-metrics=false",
        f"--backend-config=python,shm-region-prefix-name=gtv_triton_{os.getpid()}_gpu_", "--exit-timeout-secs=5",
    ]  # fmt: skip
    log = tmp_path / "triton.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=parts.environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        assert server.wait(300) != 0, "it ends, since models are missing"
    finally:
        # The processes of `alpr` may outlive a server that ends like this.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        clear_memory(f"gtv_triton_{os.getpid()}_gpu_")
    said = log.read_text()
    assert "successfully loaded 'alpr'" in said
    refused = dict(re.findall(r"failed to load '(\w+)' version 1: ([^\"\n]+)", said))
    assert sorted(refused) == MODELS, said[-3000:]
    for reason in refused.values():
        assert "tensorrt" in reason, reason
        assert "backend" in reason, reason
