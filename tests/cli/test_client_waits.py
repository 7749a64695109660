"""The command line against a full quota: it waits as long as it is told, and no longer than it has patience."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from cli import client as module
from cli.client import Client
from cli.session import Sessions
from functions.shared.errors import Throttled


class Server:
    """Answers 429 so often, then 200; what a quota's refusal says, and what another's does."""

    def __init__(self, refusals: int, *, retry_after: int, quota: bool = True) -> None:
        self.left, self.asked = refusals, 0
        self._details = {"retry_after": retry_after, **({"policy": "user"} if quota else {})}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.left:
            self.left -= 1
            error = {"code": "throttled", "message": "too many", "details": self._details, "correlation_id": "c"}
            return httpx.Response(429, json={"error": error})
        return httpx.Response(200, json={"method": request.method})


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def asking(server: Server, folder: Path) -> Client:
    client = Client("http://gtv.test", token="t", sessions=Sessions(folder))
    client._http = httpx.Client(base_url="http://gtv.test", transport=httpx.MockTransport(server))
    return client


def test_it_waits_as_long_as_it_is_told(slept: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(2, retry_after=12)
    with asking(server, tmp_path) as client:
        assert client.get("/api/cameras") == {"method": "GET"}
        assert client.call("POST", "/api/groups", json={}) == {"method": "POST"}
    assert slept == [12, 12]
    written = capsys.readouterr()
    assert (written.out, written.err.count("going on in 12 s")) == ("", 2)


def test_its_patience_ends(slept: list[float], tmp_path: Path) -> None:
    server = Server(1000, retry_after=60)
    with asking(server, tmp_path) as client, pytest.raises(Throttled):
        client.get("/api/cameras")
    assert sum(slept) == module.PATIENCE_S


def test_another_refusal_is_told_at_once(slept: list[float], tmp_path: Path) -> None:
    server = Server(1, retry_after=300, quota=False)
    with asking(server, tmp_path) as client, pytest.raises(Throttled):
        client.get("/api/cameras")
    assert (slept, server.asked) == ([], 1)
