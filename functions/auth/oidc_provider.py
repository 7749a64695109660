"""What an OpenID provider is asked: its description, its keys, a code for a token. Each a fixed, bounded request.

Discovery 1.0 and Core 1.0, section 3.1: the authorization code flow, with PKCE (RFC 7636). Plain httpx and PyJWT.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import jwt

from functions.shared import logs
from functions.shared.config import FunctionSettings
from functions.shared.errors import NotAuthenticated, Unavailable

log = logs.get("auth.oidc")
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
MAX_ANSWER = 512 * 1024
# Of the signatures that a provider may use, those by a key that it alone has. Never "none", never HMAC.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEPT_S, LEEWAY_S = 3600.0, 60
# A key id that is not known is a reason to ask for the keys anew, at the most this often.
REFETCH_S = 10.0
AWAY = "the sign-in service cannot be reached; try again, or sign in by password"


@dataclass(frozen=True)
class Endpoints:
    """What of a provider's description is used."""

    authorization: str
    token: str
    userinfo: str | None
    keys: str
    basic: bool


class Provider:
    """The provider of the settings, as one process knows it: description and keys are kept for an hour."""

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings, self.issuer = settings, settings.oidc_issuer
        self._endpoints: tuple[float, Endpoints] | None = None
        self._keys: dict[str, Any] = {}
        self._keys_at = float("-inf")
        self._lock = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """Raises Unavailable when the provider does not answer, or answers as another one."""
        async with self._lock:
            if self._endpoints is None or time.monotonic() - self._endpoints[0] > KEPT_S:
                found = await self._ask("GET", f"{self.issuer}/.well-known/openid-configuration")
                self._endpoints = time.monotonic(), self._read(found)
            return self._endpoints[1]

    def _read(self, found: Mapping[str, Any]) -> Endpoints:
        if str(found.get("issuer", "")).rstrip("/") != self.issuer:
            log.error("oidc_issuer_differs", wanted=self.issuer, told=str(found.get("issuer"))[:200])
            raise Unavailable(AWAY)
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        userinfo = found.get("userinfo_endpoint")
        try:
            return Endpoints(
                str(found["authorization_endpoint"]), str(found["token_endpoint"]),
                str(userinfo) if userinfo else None, str(found["jwks_uri"]), "client_secret_basic" in methods,
            )  # fmt: skip
        except KeyError as error:
            log.error("oidc_description_lacks", what=str(error))
            raise Unavailable(AWAY) from None

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> tuple[str, str]:
        """The ID token and the access token for a code. Raises NotAuthenticated where the provider refuses it."""
        ends, settings = await self.endpoints(), self._settings
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
            "client_id": settings.oidc_client_id,
        }  # fmt: skip
        headers = {}
        if settings.oidc_client_secret is not None:
            secret = settings.oidc_client_secret.get_secret_value()
            if ends.basic:
                # RFC 6749, section 2.3.1: each half is form-encoded before they are joined.
                pair = f"{quote(settings.oidc_client_id, safe='')}:{quote(secret, safe='')}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        found = await self._ask("POST", ends.token, data=form, headers=headers)
        token = found.get("id_token")
        if not isinstance(token, str):
            log.error("oidc_without_id_token", keys=sorted(found)[:10])
            raise NotAuthenticated("the sign-in service sent no identity")
        return token, str(found.get("access_token", ""))

    async def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """More claims of the user; {} where the provider has no such endpoint."""
        ends = await self.endpoints()
        if ends.userinfo is None or not access_token:
            return {}
        return await self._ask("GET", ends.userinfo, headers={"Authorization": f"Bearer {access_token}"})

    async def verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (Core 1.0, section 3.1.3.7). Raises NotAuthenticated."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid") or ""), str(header.get("alg")))
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=list(ALGORITHMS), audience=self._settings.oidc_client_id, leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError) as error:
            log.warning("oidc_token_refused", reason=type(error).__name__)
            raise NotAuthenticated("the sign-in service sent an identity that does not hold") from None
        azp = claims.get("azp")
        good = (
            str(claims["iss"]).rstrip("/") == self.issuer
            and hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
            and (azp is None or azp == self._settings.oidc_client_id)
            and isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= 255
        )  # fmt: skip
        if not good:
            log.warning("oidc_token_refused", reason="issuer, nonce, azp or sub")
            raise NotAuthenticated("the sign-in service sent an identity that is not for this sign-in")
        return claims

    async def _key(self, kid: str, algorithm: str) -> Any:
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError(algorithm)
        ends = await self.endpoints()
        async with self._lock:
            age = time.monotonic() - self._keys_at
            if age > KEPT_S or (self._named(kid) is None and age > REFETCH_S):
                found = await self._ask("GET", ends.keys)
                self._keys, self._keys_at = _signing_keys(found), time.monotonic()
            named = self._named(kid)
        if named is None:
            raise jwt.InvalidKeyError("unknown key")
        return jwt.PyJWK(named, algorithm=algorithm).key

    def _named(self, kid: str) -> Any:
        """The key of an id; a provider with one key need not name it."""
        if kid in self._keys:
            return self._keys[kid]
        return next(iter(self._keys.values())) if not kid and len(self._keys) == 1 else None

    async def _ask(self, method: str, url: str, **arguments: Any) -> dict[str, Any]:
        """A JSON object. Raises Unavailable, or NotAuthenticated for an answer of 4xx."""
        try:
            async with (
                httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=True) as client,
                client.stream(method, url, **arguments) as answer,
            ):
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise Unavailable(AWAY)
        except httpx.HTTPError as error:
            log.error("oidc_away", url=url, reason=type(error).__name__)
            raise Unavailable(AWAY) from None
        if 400 <= answer.status_code < 500 and method == "POST":
            log.warning("oidc_code_refused", status=answer.status_code)
            raise NotAuthenticated("the sign-in service did not accept this sign-in; begin again")
        try:
            found = json.loads(body) if answer.status_code == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            log.error("oidc_answer_not_understood", url=url, status=answer.status_code)
            raise Unavailable(AWAY)
        return found


def _signing_keys(found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a JWK set that may sign, by id; symmetric ones never."""
    keys = [one for one in found.get("keys", []) if isinstance(one, dict)]
    usable = [one for one in keys if one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig"]
    return {str(one.get("kid") or ""): one for one in usable}


def challenge_of(verifier: str) -> str:
    """PKCE's S256 (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
