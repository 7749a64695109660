"""Sessions: mode 0600 from the first byte, one entry a URL, refreshed by one process at a time."""

from __future__ import annotations

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.client import Client, normal_url
from cli.session import Session, Sessions
from functions.shared.errors import InvalidInput, Misconfigured, NotAuthenticated
from tests.cli.conftest import PASSWORD, Platform
from tests.support.cli import gtvision

TOKENS = Session("access", "refresh", 0.0, "admin", "admin")


def test_the_file_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.fdopen

    def opened(descriptor: int, *arguments: object, **named: object) -> object:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return real(descriptor, *arguments, **named)  # type: ignore[call-overload]  # passed through

    monkeypatch.setattr(os, "fdopen", opened)
    former = os.umask(0)
    try:
        Sessions(tmp_path / "new").put("http://a", TOKENS)
    finally:
        os.umask(former)
    file = tmp_path / "new" / "sessions.json"
    assert seen == [0o600]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_one_entry_a_url(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    sessions.put("http://a", TOKENS)
    sessions.put("http://b", Session("other", "r", 0.0, "eva", "viewer"))
    sessions.remove("http://a")
    assert sessions.get("http://a") is None
    found = sessions.get("http://b")
    assert found is not None
    assert found.username == "eva"


def test_a_broken_file_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "sessions.json").write_text("{")
    with pytest.raises(Misconfigured) as caught:
        Sessions(tmp_path).get("http://a")
    assert "gtvision login" in str(caught.value.details["mend"])


def test_a_session_does_not_show_its_tokens() -> None:
    assert "access" not in repr(TOKENS).replace("Session(", "")
    assert "refresh" not in repr(TOKENS)


@pytest.mark.parametrize(("given", "normal"), [("http://h:1/", "http://h:1"), ("h:8080", "http://h:8080")])
def test_addresses_are_alike(given: str, normal: str) -> None:
    assert normal_url(given) == normal


@pytest.mark.parametrize("given", ["ftp://h", "http://", "http://user:pw@h"])
def test_what_is_no_address_is_refused_without_being_quoted(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normal_url(given)
    assert "pw" not in caught.value.message


def _sessions(platform: Platform, tmp_path: Path) -> Sessions:
    sessions = Sessions(tmp_path)
    with Client(platform.run.url, token="", sessions=sessions) as client:
        client.login("admin", PASSWORD)
    return sessions


def test_a_stale_session_refreshes_itself(platform: Platform, tmp_path: Path) -> None:
    sessions = _sessions(platform, tmp_path)
    old = sessions.get(platform.run.url)
    assert old is not None
    sessions.put(platform.run.url, Session(old.access_token, old.refresh_token, time.time() - 1, "admin", "admin"))
    with Client(platform.run.url, token="", sessions=sessions) as client:
        assert client.get("/api/auth/me")["username"] == "admin"
    new = sessions.get(platform.run.url)
    assert new is not None
    assert new.refresh_token != old.refresh_token


def test_processes_that_refresh_at_once_do_not_end_the_session(platform: Platform, tmp_path: Path) -> None:
    """A refresh token used twice ends its session, so the processes must take turns."""
    sessions = _sessions(platform, tmp_path)
    old = sessions.get(platform.run.url)
    assert old is not None
    sessions.put(platform.run.url, Session(old.access_token, old.refresh_token, time.time() - 1, "admin", "admin"))
    environ = {**platform.environ, "GTV_CONFIG_DIR": str(tmp_path)}
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: gtvision("whoami", environ=environ), range(4)))
    assert [one.code for one in done] == [0] * 4, [one.err for one in done]


def test_a_token_that_the_server_refuses_is_refreshed_once(platform: Platform, tmp_path: Path) -> None:
    sessions = _sessions(platform, tmp_path)
    old = sessions.get(platform.run.url)
    assert old is not None
    sessions.put(platform.run.url, Session("no.token.atall", old.refresh_token, time.time() + 900, "admin", "admin"))
    with Client(platform.run.url, token="", sessions=sessions) as client:
        assert client.get("/api/auth/me")["username"] == "admin"


def test_without_a_session_the_way_in_is_named(platform: Platform, tmp_path: Path) -> None:
    client = Client(platform.run.url, token="", sessions=Sessions(tmp_path))
    with client, pytest.raises(NotAuthenticated) as caught:
        client.get("/api/cameras")
    assert "gtvision login" in str(caught.value.details["mend"])


def test_logout_ends_the_session_here_and_there(platform: Platform, tmp_path: Path) -> None:
    sessions = _sessions(platform, tmp_path)
    kept = sessions.get(platform.run.url)
    assert kept is not None
    with Client(platform.run.url, token="", sessions=sessions) as client:
        assert client.logout()
        assert not client.logout()
    sessions.put(platform.run.url, Session("x", kept.refresh_token, 0.0, "admin", "admin"))
    with Client(platform.run.url, token="", sessions=sessions) as client, pytest.raises(NotAuthenticated):
        client.get("/api/auth/me")


def test_login_writes_the_file_and_no_password(platform: Platform) -> None:
    file = platform.folder / "config" / "sessions.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(json.loads(file.read_text())) == [platform.run.url]
    assert PASSWORD not in file.read_text()


def test_gtv_token_wins_over_the_session(platform: Platform, tmp_path: Path) -> None:
    session = Sessions(platform.folder / "config").get(platform.run.url)
    assert session is not None
    with Client(platform.run.url, token=session.access_token, sessions=Sessions(tmp_path)) as client:
        assert client.get("/api/auth/me")["role"] == "admin"
