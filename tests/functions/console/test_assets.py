"""GET / and /assets: the files, and nothing but the files."""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from functions.console import handler
from functions.console.assets import ROOT, TYPES
from functions.shared.web import create_app

FILES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file())


def client() -> httpx.AsyncClient:
    app = create_app("console", [handler.router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gtv.test")


@pytest.mark.parametrize("path", FILES)
async def test_each_file_is_served_as_what_it_is(path: str) -> None:
    async with client() as web:
        answer = await web.get(f"/assets/{path}")
        assert answer.status_code == 200
        assert answer.content == (ROOT / path).read_bytes()
        assert answer.headers["content-type"] == TYPES[Path(path).suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        again = await web.get(f"/assets/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]
        other = await web.get(f"/assets/{path}", headers={"If-None-Match": '"other", W/"one"'})
        assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../handler.py", "..%2fhandler.py", "%2e%2e/handler.py", "js/../../handler.py", "js/..%2f..%2fhandler.py",
        "/etc/passwd", "%2fetc%2fpasswd", "....//handler.py", "..%5chandler.py", "js", "js/", "", ".", "..",
        "css/base.css/", "css//base.css", "css/base.css%00.js", "../assets.py", "css/.hidden.css", "no-such.js",
    ],
)  # fmt: skip
async def test_nothing_outside_the_folder_is_served(path: str) -> None:
    status, body = await asked_as_written(f"/assets/{path}")
    assert status == 404, (path, body)
    assert json.loads(body)["error"]["code"] == "not_found"


async def asked_as_written(path: str) -> tuple[int, bytes]:
    """Status and body of a request whose path no client has tidied up."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("gtv.test", 80),
    }  # fmt: skip
    await create_app("console", [handler.router])(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.console import assets

    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out.js").symlink_to(tmp_path / "secret.js")
    (tmp_path / "root" / "in.js").write_text("fine")
    monkeypatch.setattr(assets, "ROOT", tmp_path / "root")
    async with client() as web:
        assert (await web.get("/assets/in.js")).text == "fine"
        assert (await web.get("/assets/out.js")).status_code == 404


class Markup(HTMLParser):
    """What the policy forbids, as the parser sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.addresses: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        names = dict(attrs)
        if tag == "style" or "style" in names or any(name.startswith("on") for name in names):
            self.faults.append(f"<{tag} {attrs}>")
        if tag == "script" and "src" not in names:
            self.faults.append("an inline script")
        self.addresses += [str(names[name]) for name in ("src", "href") if name in names]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script" and data.strip():
            self.faults.append("an inline script")


async def test_the_page_has_a_policy_and_keeps_it() -> None:
    async with client() as web:
        answer = await web.get("/")
        assert answer.headers["content-type"] == TYPES[".html"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        markup = Markup()
        markup.feed(answer.text)
        assert markup.faults == []
        for address in markup.addresses:
            assert address.startswith("/assets/"), address
            assert (await web.get(address)).status_code == 200


def scripts() -> list[Path]:
    return sorted((ROOT / "js").rglob("*.js"))


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_scripts_build_no_markup_from_text(path: Path) -> None:
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(|new Function"
        r"|createContextualFragment|setAttribute\(\"style|javascript:",
        path.read_text(),
    )
    assert found == []


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_scripts_import_files_that_are_there(path: Path) -> None:
    for name in re.findall(r"from \"([^\"]+)\"", path.read_text()):
        assert (path.parent / name).resolve().is_file(), name


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_scripts_import_each_name_once_and_what_is_exported(path: Path) -> None:
    """A name that comes twice, or from nowhere, stops the whole console and not its own page alone."""
    known: list[str] = []
    for names, source in re.findall(r"import\s*\{([^}]*)\}\s*from\s*\"([^\"]+)\"", path.read_text()):
        text = (path.parent / source).resolve().read_text()
        exported = re.findall(r"^export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+(\w+)", text, re.MULTILINE)
        for name in filter(None, (name.strip() for name in names.split(","))):
            own, _, other = name.partition(" as ")
            assert own in exported, (source, own)
            known.append(other or own)
    assert len(known) == len(set(known)), known


def test_nothing_comes_from_elsewhere() -> None:
    for path in ROOT.rglob("*"):
        if path.is_file():
            text = path.read_text()
            found = re.findall(r"https?://(?!www\.w3\.org/)[^\s\"')]+|@import|url\(['\"]?//", text)
            assert found == [], path
