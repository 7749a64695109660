"""Attacks on the ID tokens of an OpenID provider. Each differs from a good one in the one thing that it names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.auth import oidc_provider
from functions.auth.oidc_provider import Endpoints, Provider
from functions.shared.config import FunctionSettings
from functions.shared.errors import NotAuthenticated


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """No database is asked."""
    return sqlite_url


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER, CLIENT, NONCE = "https://id.example.org", "gtv", "n-0"


def jwk_of(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**found, "kid": kid, "use": "sig"}


@pytest.fixture
def known(settings: FunctionSettings) -> Provider:
    """A provider whose keys are at hand."""
    known = Provider(settings.model_copy(update={"oidc_issuer": ISSUER, "oidc_client_id": CLIENT}))
    known._endpoints = time.monotonic(), Endpoints("", "", None, "http://127.0.0.1:9/keys", basic=True)
    known._keys, known._keys_at = oidc_provider._signing_keys({"keys": [jwk_of(KEY, "one")]}), time.monotonic()
    return known


def signed(key: Any = KEY, algorithm: str = "RS256", kid: str | None = "one", **changed: Any) -> str:
    at = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "s", "iat": at, "exp": at + 300, "nonce": NONCE, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, {"kid": kid} if kid else None)


async def test_a_token_that_holds(known: Provider) -> None:
    for token in (signed(), signed(kid=None), signed(aud=[CLIENT, "x"], azp=CLIENT), signed(iss=ISSUER + "/")):
        assert (await known.verified(token, NONCE))["sub"] == "s"


BAD: list[dict[str, Any]] = [
    {"exp": 1}, {"exp": None}, {"aud": "other"}, {"aud": None}, {"iss": "https://evil.example"}, {"iss": None},
    {"nonce": "n-1"}, {"nonce": None}, {"azp": "other"}, {"sub": None}, {"sub": ""}, {"sub": "x" * 256},
    {"iat": int(time.time()) + 900}, {"kid": "two"}, {"key": OTHER},
]  # fmt: skip


async def test_a_token_that_does_not_hold(known: Provider) -> None:
    for changed in BAD:
        with pytest.raises(NotAuthenticated):
            await known.verified(signed(**changed), NONCE)


async def test_tokens_without_a_signature_of_the_provider(known: Provider) -> None:
    public = json.dumps(jwk_of(KEY, "one"))
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').decode().rstrip("=")
    payload = signed().split(".")[1]
    lied = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    mac = hmac.new(public.encode(), f"{lied}.{payload}".encode(), hashlib.sha256).digest()
    by_hand = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    forged = [f"{head}.{payload}.", f"{lied}.{payload}.{by_hand}", "", "a.b.c", "x" * 10_000]
    for token in forged:
        with pytest.raises(NotAuthenticated):
            await known.verified(token, NONCE)


def test_symmetric_and_encryption_keys_of_a_set_are_left_out() -> None:
    keys = [{"kty": "oct", "k": "AA", "kid": "a"}, {**jwk_of(KEY, "b"), "use": "enc"}, "x", jwk_of(OTHER, "c")]
    assert set(oidc_provider._signing_keys({"keys": keys})) == {"c"}
