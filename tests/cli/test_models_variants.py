"""`gtvision models build`: int8 calibrated with one's own pictures, other input sizes, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from cli.demo.scenes import BRIDGE
from cli.models import app, pictures, quantize, sizes, variants
from cli.models import repository as disk
from cli.models.check import check_repository
from cli.triton_server import TritonServer, supported
from functions.shared.errors import InvalidInput, Misconfigured, NotFound, Unavailable
from functions.shared.inference import FrameReading, open_inference
from functions.shared.inference_embedded import load_reader
from tests.cli.conftest import Platform
from tests.support.models import ensure_models, photograph
from tests.support.require import missing


def frames_of_two_cars(count: int) -> list[bytes]:
    """The photograph of two cars as a camera that sways and whose light changes would give it."""
    whole = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert whole is not None
    found = []
    for number in range(count):
        moved = np.roll(whole, (number % 5 - 2) * 7, axis=1)
        lit = cv2.convertScaleAbs(moved, alpha=0.75 + 0.03 * number, beta=number % 7)
        found.append(bytes(cv2.imencode(".jpg", lit)[1].tobytes()))
    return found


def fill(folder: Path, contents: list[bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / f"{number:03d}.jpg").write_bytes(content)
    return folder


def read(repository: Path, jpeg: bytes, url: str | None = None) -> FrameReading:
    async def ask() -> FrameReading:
        engine = open_inference(url, repository, timeout_s=60)
        try:
            return await engine.read(jpeg)
        finally:
            await engine.close()

    return asyncio.run(ask())


def plates(reading: FrameReading) -> set[str]:
    return {item.plate.text for item in reading.observations if item.plate is not None}


@pytest.fixture(scope="module")
def base() -> Path:
    return ensure_models()


@pytest.fixture(scope="module")
def own_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("frames"), frames_of_two_cars(16))


@pytest.fixture(scope="module")
def int8(base: Path, own_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the command, as a user would."""
    out = tmp_path_factory.mktemp("variants") / "int8"
    arguments = ["build", "--int8", "--images", str(own_frames), "--out", str(out), "--repository", str(base)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return out


class TestInt8:
    def test_the_detectors_compute_in_int8_and_all_else_is_the_same(self, base: Path, int8: Path) -> None:
        for path in base.rglob("*"):
            if not path.is_file() or path.suffix not in (".onnx", ".pbtxt", ".py", ".json") or "manifest" in path.name:
                continue
            other = int8 / path.relative_to(base)
            detector = path.suffix == ".onnx" and path.parts[-3] in variants.DETECTORS
            assert (other.read_bytes() == path.read_bytes()) is not detector, path
        for name in variants.DETECTORS:
            graph = onnx.load(str(disk.weights_path(int8, name))).graph
            weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
            assert sum(kind == onnx.TensorProto.INT8 for kind in weights.values()) >= 50
            last = [node for node in graph.node if node.op_type == "Conv" and ".2.weight" in node.input[1]]
            assert all(weights[node.input[1]] == onnx.TensorProto.FLOAT for node in last if "cv3" in node.input[1])
            sizes_on_disk = [disk.weights_path(folder, name).stat().st_size for folder in (int8, base)]
            assert sizes_on_disk[0] < 0.4 * sizes_on_disk[1]

    def test_the_manifest_says_what_it_was_made_of(self, base: Path, int8: Path, own_frames: Path) -> None:
        manifest = disk.read_manifest(int8)
        assert manifest.variant is not None
        assert (manifest.variant.precision, manifest.variant.input) == ("int8", "384x640")
        calibration = manifest.variant.calibration
        assert calibration is not None
        listed = "".join(hashlib.sha256(p.read_bytes()).hexdigest() + "\n" for p in sorted(own_frames.iterdir()))
        assert calibration.sha256 == hashlib.sha256(listed.encode()).hexdigest()
        assert (calibration.origin, calibration.pictures, calibration.held_back) == ("folder", 16, 4)
        assert all(kept is not None and kept >= variants.LEAST_KEPT for kept in calibration.kept.values())
        for name in variants.DETECTORS:
            assert manifest.models[name].made_from == disk.read_manifest(base).models[name].sha256
            assert manifest.models[name].precision == "int8"

    def test_it_passes_the_check_and_the_list_names_it(self, int8: Path) -> None:
        assert [check for check in check_repository(int8) if not check.ok] == []
        listed = CliRunner().invoke(app, ["list", "--json", "--repository", str(int8)])
        assert '"title": "YOLOv8n (Ultralytics), trained on COCO, int8"' in listed.stdout

    def test_it_reads_what_the_float_models_read(self, base: Path, int8: Path) -> None:
        expected = read(base, photograph())
        found = read(int8, photograph())
        assert plates(found) == plates(expected)
        assert len(plates(found)) >= 2
        boxes = [[item.vehicle.box for item in r.observations if item.vehicle] for r in (found, expected)]
        assert all(max(box.iou(other) for other in boxes[1]) > 0.8 for box in boxes[0])

    @pytest.mark.triton
    @pytest.mark.timeout(300)
    def test_triton_serves_it(self, int8: Path) -> None:
        try:
            supported()
            with TritonServer(int8) as server:
                served = read(int8, photograph(), server.url)
        except (Misconfigured, Unavailable) as error:
            if "needs Linux" in error.message or "could not be" in error.message:
                missing(error.message)
            raise
        assert plates(served) == plates(read(int8, photograph()))

    def test_it_is_not_quantised_twice(self, int8: Path, own_frames: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="a variant in int8"):
            variants.build(int8, tmp_path / "twice", "384x640", pictures.of_folder(own_frames))


class TestSizes:
    def test_a_small_input_is_what_the_reader_lays_pictures_into(self, base: Path, tmp_path: Path) -> None:
        out = tmp_path / "small"
        done = CliRunner().invoke(app, ["build", "--input", "320", "--out", str(out), "--repository", str(base)])
        assert done.exit_code == 0, done.output
        fit = load_reader(out).pictures.fit_for_detection(1080, 1920)
        assert (fit.height, fit.width) == (192, 320)
        assert [check for check in check_repository(out) if not check.ok] == []
        assert disk.read_manifest(out).models == disk.read_manifest(base).models
        assert plates(read(out, photograph()))

    def test_the_square_input_holds_every_shape(self, base: Path, tmp_path: Path) -> None:
        variants.build(base, tmp_path / "square", "640")
        laid = load_reader(tmp_path / "square").pictures
        for height, width in ((1080, 1920), (480, 640), (1920, 1080), (200, 2000)):
            fit = laid.fit_for_detection(height, width)
            assert (fit.height, fit.width) == (640, 640)

    def test_the_names_are_those_that_the_reader_takes(self, base: Path, tmp_path: Path) -> None:
        reader = load_reader(base).pictures
        for name, size in sizes.INPUTS.items():
            (tmp_path / name / "alpr" / "1").mkdir(parents=True)
            sizes.write_sizes(tmp_path / name, name)
            taken = reader.read_sizes(sizes.sizes_path(tmp_path / name))
            assert (taken.long_side, taken.sides) == (size.long_side, size.sides)
            assert sizes.name_of(tmp_path / name) == name

    @pytest.mark.parametrize("text", ["{}", "no json", '{"long_side": 640, "sides": [100, 640]}'])
    def test_the_check_names_sizes_that_are_none(self, base: Path, tmp_path: Path, text: str) -> None:
        folder = tmp_path / "models"
        shutil.copytree(base, folder)
        sizes.sizes_path(folder).write_text(text)
        failed = [check for check in check_repository(folder) if not check.ok]
        assert [check.name for check in failed] == ["input size"]

    def test_the_check_names_a_size_that_is_not_the_recorded_one(self, base: Path, tmp_path: Path) -> None:
        folder = tmp_path / "models"
        shutil.copytree(base, folder)
        sizes.write_sizes(folder, "320")
        failed = [check for check in check_repository(folder) if not check.ok]
        assert "the manifest says 384x640" in failed[0].detail


class TestRefusals:
    def test_pictures_that_do_not_do(self, base: Path, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no folder"):
            pictures.of_folder(tmp_path / "nowhere")
        with pytest.raises(InvalidInput, match="0 different pictures"):
            pictures.of_folder(fill(tmp_path / "empty", []))
        same = fill(tmp_path / "same", [photograph()] * 20)
        with pytest.raises(InvalidInput, match="1 different pictures, and a calibration needs at least 16"):
            pictures.of_folder(same)
        broken = fill(tmp_path / "broken", [*frames_of_two_cars(15), photograph()[:3000], b""])
        with pytest.raises(InvalidInput, match=r"01[56]\.jpg is no picture"):
            variants.build(base, tmp_path / "out", "384x640", pictures.of_folder(broken))
        random = np.random.default_rng(1)
        walls = [bytes(cv2.imencode(".png", random.integers(90, 99, (90, 160, 3), np.uint8))[1].tobytes())
                 for _ in range(16)]  # fmt: skip
        with pytest.raises(InvalidInput, match="none of the 16 pictures shows a vehicle"):
            variants.build(base, tmp_path / "out", "384x640", pictures.of_folder(fill(tmp_path / "walls", walls)))
        assert {path.name for path in tmp_path.iterdir()} == {"empty", "same", "broken", "walls"}

    def test_folders_that_do_not_do(self, base: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("dear")
        (tmp_path / "file").write_text("a file")
        for out, why in (
            (base, "where the models come from"), (base / "alpr" / "inside", "lies in the repository"),
            (tmp_path / "mine", "something else than a variant"), (tmp_path / "file", "is a file"),
        ):  # fmt: skip
            with pytest.raises(InvalidInput, match=why):
                variants.build(base, out, "320")
        with pytest.raises(InvalidInput, match="--input takes 640, 384x640, 320, not 1024"):
            variants.build(base, tmp_path / "out", "1024")
        assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"

    def test_options_that_contradict_each_other(self, base: Path, own_frames: Path) -> None:
        both = ["build", "--int8", "--demo", "--images", str(own_frames), "--repository", str(base)]
        assert "not both" in str(CliRunner().invoke(app, both).exception)
        useless = ["build", "--images", str(own_frames), "--repository", str(base)]
        assert "pictures are for --int8" in str(CliRunner().invoke(app, useless).exception)

    def test_a_variant_is_replaced_whole_or_not_at_all(self, base: Path, own_frames: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        variants.build(base, out, "640")
        before = disk.read_manifest(out)
        grey = [bytes(cv2.imencode(".png", np.full((90, 160, 3), tone, np.uint8))[1].tobytes()) for tone in range(16)]
        with pytest.raises(InvalidInput, match="shows a vehicle"):
            variants.build(base, out, "320", pictures.of_folder(fill(tmp_path / "grey", grey)))
        assert disk.read_manifest(out) == before
        variants.build(base, out, "320")
        assert sizes.name_of(out) == "320"
        assert {path.name for path in tmp_path.iterdir()} == {"out", "grey"}


class TestMeasures:
    @pytest.mark.parametrize(
        ("flags", "bits"),
        [("flags\t\t: fpu sse avx2", 7), ("flags\t\t: avx512f avx512_vnni", 8), ("Features\t: asimddp", 8)],
    )
    def test_weights_have_seven_bits_where_the_cpu_would_saturate(self, tmp_path: Path, flags: str, bits: int) -> None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}\n")
        assert quantize.weight_bits(tmp_path / "cpuinfo") == bits
        assert quantize.weight_bits(tmp_path / "absent") == 7

    def test_what_is_kept_of_the_float_models_boxes(self, base: Path) -> None:
        overlaps = load_reader(base).geometry.overlaps
        sure, faint = [0, 0, 100, 100, 0.9, 0], [200, 0, 300, 100, 0.4, 0]
        other, moved = [0, 0, 100, 100, 0.9, 3], [20, 0, 120, 100, 0.5, 0]
        assert quantize.kept_share([np.array([sure, faint])], [np.array([moved])], overlaps) == 1
        assert quantize.kept_share([np.array([sure])], [np.array([other])], overlaps) == 0
        assert quantize.kept_share([np.array([sure])], [np.zeros((0, 6))], overlaps) == 0
        assert quantize.kept_share([np.array([faint])], [np.array([sure])], overlaps) is None


class TestPictures:
    def test_the_demo_gives_frames_with_vehicles(self) -> None:
        try:
            found = list(pictures._drawn(BRIDGE, 2, None))
        except Unavailable as error:
            missing(error.message)
        images = pictures.Pictures("demo", tuple(found)).decoded()
        assert [image.shape for image in images] == [(720, 1280, 3)] * 2
        assert found[0].sha256 != found[1].sha256

    @pytest.mark.e2e
    def test_the_newest_frames_of_the_running_cameras(self, platform: Platform) -> None:
        from cli.client import Client
        from cli.session import Sessions

        contents = frames_of_two_cars(17)
        with Client(platform.run.url, sessions=Sessions(Path(platform.environ["GTV_CONFIG_DIR"]))) as client:
            with pytest.raises(NotFound, match="no camera"):
                pictures.of_cameras(client, wait_s=0)
            for number in range(17):
                camera = {"id": f"cam{number}", "name": f"Camera {number}", "rtsp_url": "rtsp://127.0.0.1:9/x"}
                client.call("POST", "/api/cameras", json=camera)
            with pytest.raises(InvalidInput, match="the 17 cameras within 0 s: 0 different pictures"):
                pictures.of_cameras(client, wait_s=0)
            for number, content in enumerate(contents):
                files = {"frame": ("frame.jpg", content, "image/jpeg")}
                client.call("POST", "/api/ingest/frames", data={"camera_id": f"cam{number}"}, files=files)
            found = pictures.of_cameras(client, 17, wait_s=5)
        assert {item.content for item in found.items} == set(contents)
        assert found.origin == "cameras"
