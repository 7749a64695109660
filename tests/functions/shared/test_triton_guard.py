"""When the guard of a Triton server heals a model, and when it must not."""

from __future__ import annotations

import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from functions.shared.errors import Misconfigured
from functions.shared.triton_asking import Asker, Counts, Failed, question
from functions.shared.triton_errors import kind_of
from functions.shared.triton_guard import HOPELESS_S, IDLE_S, START_S, Guard
from functions.shared.triton_sidecar import main, page_of
from functions.shared.triton_view import View

DEAD = "Stub process '{}_0_0' is not healthy."


class Server(Asker):
    """Stands for a server that polls `view`: a model is loaded while its folder is there, and then well again."""

    def __init__(self, view: View, heals: bool = True) -> None:
        self.view, self.heals = view, heals
        self.ill: dict[str, Failed] = {}
        self.work: dict[str, Counts] = {}
        self.asked: list[str] = []
        self.unloaded: list[str] = []
        self.away = False

    def counts(self) -> dict[str, Counts]:
        if self.away:
            raise Failed("server_away", "failed to connect")
        return {folder.name: self.work.get(folder.name, Counts(0, 0)) for folder in self.view.served.iterdir()}

    def is_ready(self, model: str) -> bool:
        loaded = (self.view.served / model).is_dir()
        if not loaded:
            self.unloaded.append(model)
            if self.heals:
                self.ill.pop(model, None)
        return loaded

    def ask(self, model: str) -> None:
        self.asked.append(model)
        if model in self.ill:
            raise self.ill[model]

    def close(self) -> None:
        return


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def model_in(repository: Path, name: str, file: str = "model.onnx") -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(f'name: "{name}"\n')
    (repository / name / "1" / file).write_text("x = 1\n")


@pytest.fixture
def view(tmp_path: Path) -> View:
    for name in ("vehicle_detector", "plate_ocr"):
        model_in(tmp_path / "models", name)
    model_in(tmp_path / "models", "alpr", "model.py")
    view = View(tmp_path / "view")
    view.lay(tmp_path / "models")
    return view


@pytest.fixture
def server(view: View) -> Server:
    return Server(view)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(server: Server, view: View, clock: Clock) -> Guard:
    return Guard(server, view, clock)


def counted(guard: Guard, line: str) -> bool:
    return line in generate_latest(guard.metrics.registry).decode()


def test_a_dead_process_is_healed_at_once_and_its_caller_left_alone(guard: Guard, server: Server, clock: Clock) -> None:
    guard.look()
    assert guard.ready
    server.ill["plate_ocr"] = Failed("dead_process", DEAD.format("plate_ocr"))
    server.ill["alpr"] = Failed("dead_process", "plate_ocr: " + DEAD.format("plate_ocr"))
    clock.now += IDLE_S + 1
    guard.look()
    assert set(server.unloaded) == {"plate_ocr"}
    assert counted(guard, 'gtv_triton_heals_total{model="plate_ocr",ok="true"} 1.0')
    assert not guard.ready
    del server.ill["alpr"]
    guard.look()
    assert guard.ready
    assert counted(guard, 'gtv_triton_model_up{model="plate_ocr"} 1.0')


def test_the_callers_own_process_is_healed(guard: Guard, server: Server) -> None:
    server.ill["alpr"] = Failed("dead_process", DEAD.format("alpr"))
    guard.look()
    assert set(server.unloaded) == {"alpr"}


def test_an_error_is_healed_when_it_repeats(guard: Guard, server: Server) -> None:
    server.ill["plate_ocr"] = Failed("error", "CUDA error")
    guard.look()
    assert server.unloaded == []
    guard.look()
    assert set(server.unloaded) == {"plate_ocr"}


@pytest.mark.parametrize("kind", ["busy", "timeout"])
def test_a_model_with_too_much_to_do_is_not_healed(guard: Guard, server: Server, kind: str) -> None:
    server.ill["plate_ocr"] = Failed(kind, "Request timeout expired")
    for _ in range(5):
        guard.look()
    assert server.unloaded == []
    assert guard.ready is (kind == "busy")


def test_a_silent_model_that_reads_on_is_busy(guard: Guard, server: Server) -> None:
    server.ill["plate_ocr"] = Failed("timeout", "no answer")
    works, server.work["plate_ocr"] = iter(range(1, 100)), Counts(0, 0)
    given = server.counts

    def counts() -> dict[str, Counts]:
        return {**given(), "plate_ocr": Counts(next(works), 0)}

    server.counts = counts  # type: ignore[method-assign]  # a server that works on
    guard.look()
    assert guard.ready


def test_who_proves_itself_by_its_work_is_not_asked(guard: Guard, server: Server, clock: Clock) -> None:
    guard.look()
    server.asked.clear()
    for number in range(1, 20):
        clock.now += 1
        server.work["plate_ocr"] = Counts(number, 0)
        guard.look()
    assert "plate_ocr" not in server.asked
    assert "vehicle_detector" in server.asked
    server.asked.clear()
    server.work["plate_ocr"] = Counts(30, 1)  # one has failed
    guard.look()
    assert server.asked == ["plate_ocr"]


def test_what_healing_does_not_help_is_tried_less_and_less(view: View, clock: Clock) -> None:
    server = Server(view, heals=False)
    guard = Guard(server, view, clock)
    server.ill["plate_ocr"] = Failed("dead_process", DEAD.format("plate_ocr"))
    tried = []
    for _ in range(60):
        before = len(server.unloaded)
        guard.look()
        if len(server.unloaded) > before:
            tried.append(clock.now)
        clock.now += 1
    assert tried[0] == 1000
    gaps = [later - sooner for sooner, later in pairwise(tried)]
    assert 2 <= len(gaps) <= 4
    assert gaps == sorted(gaps)
    clock.now += HOPELESS_S
    guard.look()
    assert guard.hopeless
    assert (view.served / "plate_ocr").is_dir(), "it is always put back"


def test_a_server_that_is_away_is_hopeless_in_the_end(guard: Guard, server: Server, clock: Clock) -> None:
    server.away = True
    guard.look()
    assert not guard.ready
    assert not guard.hopeless, "it may still load its models"
    clock.now += START_S + 1
    assert guard.hopeless


def test_without_a_view_it_only_watches(server: Server, clock: Clock) -> None:
    guard = Guard(server, None, clock)
    server.ill["plate_ocr"] = Failed("dead_process", DEAD.format("plate_ocr"))
    for _ in range(3):
        guard.look()
    assert server.unloaded == []
    assert guard.down.keys() == {"plate_ocr"}


def test_its_page_tells_probes(guard: Guard, server: Server, clock: Clock) -> None:
    page = page_of(guard, "127.0.0.1", 0)

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    try:
        assert get("/_/ready")[0] == 503, "nothing is known yet"
        assert get("/_/health")[0] == 200
        guard.look()
        assert get("/_/ready") == (200, "every model answers\n")
        server.ill["plate_ocr"] = Failed("timeout", "no answer")
        clock.now += IDLE_S + 1
        guard.look()
        clock.now += HOPELESS_S + 1
        assert get("/_/ready") == (503, "does not answer: plate_ocr for 61 s\n")
        assert get("/_/health")[0] == 503
        assert 'gtv_triton_model_up{model="plate_ocr"} 0.0' in get("/metrics")[1]
        assert get("/")[0] == 404
        with pytest.raises(Misconfigured, match="cannot be bound"):
            page_of(guard, "127.0.0.1", page.port)
    finally:
        page.close()


# The view


def test_the_view_holds_models_alone(view: View, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    (repository / "training").mkdir()
    (repository / "training" / "train.py").write_text("")
    (repository / "without_weights" / "1").mkdir(parents=True)
    (repository / "without_weights" / "config.pbtxt").write_text("")
    (repository / "alpr" / "1" / "__pycache__").mkdir()
    assert view.lay(repository) == ("alpr", "plate_ocr", "vehicle_detector")
    assert {path.name for path in view.served.iterdir()} == {"alpr", "plate_ocr", "vehicle_detector"}
    (repository / "plate_ocr" / "1" / "model.onnx").write_text("half of another")
    assert (view.served / "plate_ocr" / "1" / "model.onnx").read_text() == "x = 1\n"
    code = view.served / "alpr" / "1" / "model.py"
    assert list(code.parent.glob("__pycache__/model.*.pyc")), "or the server loads the model twice"


def test_what_a_guard_left_half_way_is_put_back(view: View, server: Server) -> None:
    view.take_out("plate_ocr")
    assert view.names() == ("alpr", "plate_ocr", "vehicle_detector")
    guard = Guard(server, view)
    guard.stop()
    guard.run()
    assert (view.served / "plate_ocr").is_dir()


def test_the_sidecar_lays_the_view(tmp_path: Path) -> None:
    model_in(tmp_path / "models", "plate_ocr")
    assert main(["--lay", str(tmp_path / "models"), "--view", str(tmp_path / "served")]) == 0
    assert View(tmp_path / "served").names() == ("plate_ocr",)


# Words


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        ("StatusCode.INTERNAL", DEAD.format("plate_ocr"), "dead_process"),
        ("StatusCode.UNAVAILABLE", "plate_ocr: " + DEAD.format("plate_ocr"), "dead_process"),
        ("StatusCode.UNAVAILABLE", "Request for model 'alpr': Exceeds maximum queue size", "busy"),
        ("StatusCode.UNAVAILABLE", "Request timeout expired", "busy"),
        ("StatusCode.DEADLINE_EXCEEDED", "Deadline Exceeded", "timeout"),
        ("StatusCode.UNAVAILABLE", "failed to connect to all addresses", "server_away"),
        ("StatusCode.UNAVAILABLE", "Request for unknown model: 'alpr' is not found", "no_model"),
        ("StatusCode.INTERNAL", "[ONNXRuntimeError] : 1 : FAIL", "error"),
    ],
)
def test_what_a_server_says_in_short_words(status: str, message: str, kind: str) -> None:
    assert kind_of(status, message) == kind


def test_whose_process_is_dead() -> None:
    failure = Failed("dead_process", "vehicle_detector: Stub process 'vehicle_detector_0_0' is not healthy.")
    assert failure.dead_process_of("vehicle_detector")
    assert not failure.dead_process_of("alpr")


def test_a_model_is_asked_with_the_least_of_its_warm_up() -> None:
    samples = [
        {"inputs": {"images": {"dims": ["384", "640", "3"]}}},
        {"inputs": {"images": {"dims": ["160", "160", "3"]}}},
    ]
    config = {
        "input": [{"name": "images", "data_type": "TYPE_UINT8", "dims": ["-1", "-1", "3"]}],
        "model_warmup": samples,
    }
    assert question(config).shape() == [1, 160, 160, 3]
    text = {"input": [{"name": "jpeg", "data_type": "TYPE_STRING", "dims": ["1"]}]}
    assert (question(text).datatype(), question(text).shape()) == ("BYTES", [1, 1])
