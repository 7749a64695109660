"""A real OpenID provider for the tests, with a client of ours registered at it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.support.ports import free_port
from tests.support.require import require


class OidcServer:
    """`with OidcServer() as provider: provider.issuer; provider.register(uri); provider.add("ana", name="Ana")`."""

    def __init__(self) -> None:
        self.port = free_port()
        # The provider insists on TLS, but for this name.
        self.issuer = f"http://localhost:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def register(self, redirect_uri: str, how: str = "client_secret_basic") -> tuple[str, str]:
        """A client's id and secret, as the provider gives them out."""
        body = {"redirect_uris": [redirect_uri], "token_endpoint_auth_method": how}
        answer = httpx.post(f"{self.issuer}/oauth2/clients", json=body)
        answer.raise_for_status()
        found = answer.json()
        return str(found["client_id"]), str(found["client_secret"])

    def add(self, subject: str, **claims: Any) -> None:
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def approve(self, url: str, subject: str) -> str:
        """What a person does there: choose who they are. Returns where they are sent next."""
        answer = httpx.post(url, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def deny(self, url: str) -> str:
        answer = httpx.post(url, data={"action": "deny"})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def __enter__(self) -> OidcServer:
        require(importlib.util.find_spec("oidc_provider_mock"), "oidc-provider-mock is not installed")
        script = Path(__file__).with_name("oidc_server.py")
        command = [sys.executable, "-W", "ignore", str(script), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{self.issuer}/jwks").raise_for_status()
            except httpx.HTTPError:
                assert self._process.poll() is None, "the OpenID provider has ended"
                assert time.monotonic() < until, "the OpenID provider did not start"
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
