"""From the API's answers to what the score needs, and the command itself over a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.demo import fetch
from cli.demo.prepare import fingerprint
from cli.main import run
from functions.shared.errors import InvalidInput, NotFound

START = 1_790_000_000.0
TRUTH: dict[str, Any] = {
    "version": 1,
    "camera": "praca-da-se",
    "title": "Praça da Sé",
    "duration": 40.0,
    "passages": [
        {"id": "praca-da-se-01", "plate": "ABC1D23", "t_enter": 3.0, "t_exit": 11.0, "t_readable": [6.0, 10.0]},
        {"id": "praca-da-se-02", "plate": "XYZ9876", "t_enter": 20.0, "t_exit": 28.0, "t_readable": [23.0, 27.0]},
    ],
}


def rfc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def item(number: int, at: float, plate: str | None, camera: str = "praca-da-se") -> dict[str, Any]:
    times = {"started_at": rfc(at), "ended_at": rfc(at + 5)}
    return {"id": f"d{number}", "camera_id": camera, "plate": plate, **times}


def stored(rounds: int, wrong: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(rounds):
        for each in TRUTH["passages"]:
            at = START + number * 40 + each["t_enter"] + 2
            plate = wrong if wrong and each["plate"] == "XYZ9876" else each["plate"]
            found.append(item(len(found), at, plate))
    return found


@pytest.mark.parametrize(
    ("camera", "found"),
    [
        ({"id": "praca-da-se", "name": "anything"}, True),
        ({"id": "7", "name": "Praça da Sé"}, True),
        ({"id": "7", "name": "PRACA DA SE"}, True),
        ({"id": "7", "name": "praca-da-se"}, True),
        ({"id": "7", "name": "Praça"}, False),
    ],
)
def test_cameras_are_known_by_id_or_name(camera: dict[str, str], found: bool) -> None:
    assert fetch.match_cameras([TRUTH], [camera]) == ({camera["id"]: "praca-da-se"} if found else {})


def test_detections_become_seconds_and_bare_plates() -> None:
    found = fetch.detection_of({**item(1, START, "abc-1d23")}, "cam")
    assert (found.start, found.end, found.plate) == (START, START + 5, "ABC1D23")
    assert fetch.detection_of({**item(1, START, None), "ended_at": None}, "cam").end == START
    assert fetch.detection_of(item(1, START, None), "cam").plate is None


def test_times_must_be_times_with_a_zone() -> None:
    assert fetch.seconds("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
    for bad in ("yesterday", "2026-01-31T12:00:00"):
        with pytest.raises(InvalidInput, match="since"):
            fetch.seconds(bad, "since")


def test_no_demo_camera_is_an_error_that_says_what_to_do() -> None:
    def pages(path: str, limit: int | None, **_: object) -> Iterable[dict[str, Any]]:
        return [{"id": "other", "name": "Other"}]

    with pytest.raises(NotFound, match="demo"):
        fetch.fetch_detections(pages, [TRUTH], since=None, until=None)


@contextmanager
def api_server(detections: list[dict[str, Any]]) -> Iterator[str]:
    """An HTTP server with the two lists that the score asks for, in pages of three."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = parse_qs(parts.query)
            items: list[dict[str, Any]] = [{"id": "praca-da-se", "name": "Praça da Sé"}, {"id": "x", "name": "X"}]
            if parts.path == "/api/detections":
                assert given["camera_id"] == ["praca-da-se"]
                items = detections
            first = int(given.get("cursor", ["0"])[0])
            more = str(first + 3) if first + 3 < len(items) else None
            body = json.dumps({"items": items[first : first + 3], "next_cursor": more}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / f"praca-da-se-{fingerprint()}.json").write_text(json.dumps(TRUTH), encoding="utf-8")
    monkeypatch.setenv("GTV_TOKEN", "a-token")
    monkeypatch.setenv("GTV_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path


def command(url: str, data_dir: Path, *more: str) -> list[str]:
    until = rfc(START + 6 * 40)
    return ["--url", url, "demo", "score", "--data-dir", str(data_dir), "--until", until, *more]


def test_the_command_prints_json_and_ends_well_when_the_aim_is_met(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with api_server(stored(6)) as url:
        assert run(command(url, data_dir, "--since", rfc(START), "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["meets_aim"] is True
    assert (answer["expected"], answer["once"], answer["exact"], answer["findings"]) == (12, 12, 12, [])
    assert [camera["camera"] for camera in answer["cameras"]] == ["praca-da-se"]


def test_the_command_shows_what_is_wrong_and_ends_with_1(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with api_server(stored(6, wrong="XYZ9875")) as url:
        assert run(command(url, data_dir)) == 9
    shown = capsys.readouterr().out
    assert "misread" in shown
    assert "XYZ9875" in shown
    assert "missed" in shown.splitlines()[-1]


def test_without_a_truth_the_command_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command("http://127.0.0.1:9", tmp_path)) == 7
    assert "gtvision demo" in capsys.readouterr().err
