"""`gtvision webhooks` and `gtvision aliases` against a running platform, and a receiver that listens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.stack.parts import nats_binary
from functions.shared import signatures
from functions.shared.errors import Misconfigured
from tests.cli.conftest import PASSWORD, Platform
from tests.support.cli import LocalRun, environ_of, gtvision
from tests.support.require import missing


class Receiver(BaseHTTPRequestHandler):
    seen: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """As that of the other commands, with the loopback allowed as a receiver's network."""
    try:
        nats_binary()
    except Misconfigured as error:
        missing(error.message)
    folder = tmp_path_factory.mktemp("platform")
    settings = {"GTV_ADMIN_PASSWORD": PASSWORD, "GTV_TRITON_URL": "grpc://127.0.0.1:9",
                "GTV_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}  # fmt: skip
    environ = environ_of(folder, **settings)
    with LocalRun(environ, ("--capture-pods", "0")) as run:
        found = Platform(run, {**environ, "GTV_URL": run.url}, folder)
        done = found("login", "--username", "admin", "--password-stdin", given=PASSWORD + "\n")
        assert done.code == 0, done.err
        yield found


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    seen: list[tuple[dict[str, str], bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Receiver,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", seen
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_webhook_from_add_to_remove(
    platform: Platform, receiver: tuple[str, list[tuple[dict[str, str], bytes]]], tmp_path: Path
) -> None:
    url, seen = receiver
    added = platform("webhooks", "add", "Police", url, "--type", "gtv.camera.changed.v1", "--json")
    assert added.code == 0, added.err
    hook, secret = added.json["id"], added.json["secret"]
    tested = platform("webhooks", "test", hook)
    assert (tested.code, "Arrived" in tested.out) == (0, True), tested.err
    # A real event: a camera that is registered reaches the receiver through bus, worker and signature.
    camera = platform("cameras", "add", "Hooked", "-", "--id", "hooked", given="rtsp://127.0.0.1:1/x\n")
    assert camera.code == 0, camera.err
    until = time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    headers, body = seen[1]
    assert json.loads(body)["data"]["change"] == "created"
    # What a developer does with it: offline, with the secret in a file.
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "secret").write_text(secret + "\n")
    given = ("webhooks", "verify", str(tmp_path / "body"), "--id", headers["webhook-id"], "--timestamp",
             headers["webhook-timestamp"], "--secret-file", str(tmp_path / "secret"), "--signature")  # fmt: skip
    assert gtvision(*given, headers["webhook-signature"], environ={}).code == 0
    forged = gtvision(*given, "v1,AAAA", environ={})
    assert (forged.code, secret in forged.err) == (2, False)
    listed = platform("webhooks", "list").out
    assert "Police" in listed
    deliveries = platform("webhooks", "deliveries", "police", "--json").json["items"]
    assert [item["type"] for item in deliveries] == ["gtv.camera.changed.v1", "gtv.webhook.test.v1"]
    assert platform("webhooks", "delivery", hook, deliveries[0]["id"]).code == 0
    again = platform("webhooks", "replay", hook, deliveries[0]["id"], "--json")
    assert again.json == {"replayed": 1}
    span = platform("webhooks", "replay", hook, "--from", "1h", "--delivered", "--json")
    assert span.code == 0, span.err
    assert platform("webhooks", "replay", hook).code == 2
    assert platform("webhooks", "show", "Polize").code == 4
    rotated = platform("webhooks", "rotate-secret", hook)
    assert rotated.out.splitlines()[-1].startswith("whsec_")
    changed = platform("webhooks", "update", hook, "--disable", "--thin", "--clear", "type", "--json")
    assert (changed.json["state"], changed.json["payload"], changed.json["event_types"]) == ("disabled", "thin", [])
    assert "gtv.detection.recorded.v1" in platform("webhooks", "types").out
    assert platform("keys", "rotate", "--json").json["webhooks_encrypted"] == 1
    assert platform("webhooks", "show", hook).code == 0
    assert platform("webhooks", "remove", hook, "--yes").code == 0
    assert platform("webhooks", "show", hook).code == 4


def test_what_does_not_arrive_is_said(platform: Platform) -> None:
    added = platform("webhooks", "add", "Nobody", "http://127.0.0.1:9/", "--json")
    done = platform("webhooks", "test", added.json["id"])
    twice = platform("webhooks", "add", "Nobody", "http://127.0.0.1:9/", "--json")
    refused = platform("webhooks", "show", "nobody")
    assert (twice.code, refused.code, "2 webhooks are named" in refused.err) == (0, 2, True)
    assert (done.code, "refuses the connection" in done.out) == (9, True)
    refused = platform("webhooks", "add", "Inner", "https://169.254.169.254/")
    assert (refused.code, "GTV_WEBHOOK_ALLOWED_NETWORKS" in refused.err) == (2, True)


def test_aliases(platform: Platform) -> None:
    platform("cameras", "add", "Far", "-", "--id", "far", given="rtsp://127.0.0.1:1/y\n")
    added = platform("aliases", "add", "A/7:1000", "far")
    assert added.code == 0, added.err
    assert [item["alias"] for item in platform("aliases", "list", "--json").json["items"]] == ["A/7:1000"]
    assert platform("aliases", "remove", "A/7:1000").code == 0
    assert "no alias" in platform("aliases", "list").out


def test_verify_says_what_is_wrong(tmp_path: Path) -> None:
    secret = signatures.new_secret()
    (tmp_path / "body").write_bytes(b"{}")
    (tmp_path / "secret").write_text(secret)
    old = signatures.headers([secret], "e1", 1_700_000_000, b"{}")
    given = ("webhooks", "verify", str(tmp_path / "body"), "--id", "e1", "--timestamp", "1700000000", "--signature",
             old["webhook-signature"], "--secret-file", str(tmp_path / "secret"))  # fmt: skip
    late = gtvision(*given, environ={})
    assert (late.code, "the signature holds, but" in late.err) == (2, True)
    assert gtvision(*given, "--any-time", environ={}).code == 0
