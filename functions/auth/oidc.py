"""Sign-in by an OpenID provider: the way there, the way back, and whom of us it names.

What the way back needs (state, nonce, PKCE verifier) waits in a cookie of the browser, encrypted and short-lived: no
replica has to remember anything, and a link that somebody else began cannot be finished here.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import keys, passwords, repository, service, sessions
from functions.auth.oidc_provider import Provider, challenge_of
from functions.auth.schemas import USERNAME
from functions.auth.throttle import Origin
from functions.shared import audit, logs
from functions.shared.access import Role
from functions.shared.audit import Act
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import GTVisionError, Misconfigured, NotAuthenticated, NotFound
from functions.shared.tables import User

log = logs.get("auth.oidc")
CALLBACK = "/api/auth/oidc/callback"
LIFE_S = 600
_RANK = (Role.INTEGRATOR, Role.VIEWER, Role.OPERATOR, Role.ADMIN)
_providers: WeakKeyDictionary[Context, Provider] = WeakKeyDictionary()


def refusal(message: str, reason: str) -> NotAuthenticated:
    """The provider knows them, we do not let them in; `reason` is a short word for the page."""
    return NotAuthenticated(message, reason=reason)


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and the cookie that it brings back."""

    url: str
    cookie: str


def enabled(settings: FunctionSettings) -> bool:
    return bool(settings.oidc_issuer and settings.oidc_client_id)


async def check_settings(context: Context) -> None:
    """At the start: half a configuration is an error that says what is missing."""
    settings = context.settings
    if bool(settings.oidc_issuer) != bool(settings.oidc_client_id):
        raise Misconfigured(
            "sign-in by OIDC needs both GTV_OIDC_ISSUER and GTV_OIDC_CLIENT_ID", mend="set both, or neither"
        )


def _provider(context: Context) -> Provider:
    if not enabled(context.settings):
        raise NotFound("no OpenID provider is set")
    return _providers.setdefault(context, Provider(context.settings))


async def depart(context: Context, base_url: str) -> Departure:
    """Begin a sign-in. Raises NotFound where there is no provider, Unavailable where it does not answer."""
    provider, settings = _provider(context), context.settings
    ends = await provider.endpoints()
    kept = {
        "state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48), "redirect_uri": redirect_uri(settings, base_url), "at": int(time.time()),
    }  # fmt: skip
    query = {
        "response_type": "code", "client_id": settings.oidc_client_id, "scope": settings.oidc_scopes,
        "redirect_uri": kept["redirect_uri"], "state": kept["state"], "nonce": kept["nonce"],
        "code_challenge": challenge_of(str(kept["verifier"])), "code_challenge_method": "S256",
    }  # fmt: skip
    joint = "&" if "?" in ends.authorization else "?"
    return Departure(f"{ends.authorization}{joint}{urlencode(query)}", context.vault.encrypt(json.dumps(kept)))


def redirect_uri(settings: FunctionSettings, base_url: str) -> str:
    """Our address as the provider has it registered: GTV_PUBLIC_URL, else the one that the browser asked at."""
    return (settings.public_url or base_url).rstrip("/") + CALLBACK


async def arrive(context: Context, query: Mapping[str, str], cookie: str, origin: Origin) -> service.SignedIn:
    """End a sign-in that came back. Raises NotAuthenticated (with a reason for the page) or Unavailable."""
    provider, kept = _provider(context), _opened(context, cookie)
    if not hmac.compare_digest(query.get("state", "").encode(), kept["state"].encode()):
        raise refusal("this sign-in was not begun in this browser, or took too long; begin again", "state")
    if query.get("iss", provider.issuer).rstrip("/") != provider.issuer:
        raise refusal("another sign-in service answered than the one that was asked", "provider")  # RFC 9207
    if "code" not in query:
        log.warning("oidc_refused_there", error=query.get("error", "")[:100])
        raise refusal("the sign-in service did not let you in", "provider")
    id_token, access_token = await provider.exchange(query["code"], kept["verifier"], kept["redirect_uri"])
    claims = await provider.verified(id_token, kept["nonce"])
    more = await provider.userinfo(access_token)
    # Userinfo is no signed answer: it may add to the token, speak of the same subject, and change nothing of it.
    if more and more.get("sub") == claims["sub"]:
        claims = {**more, **claims}
    return await _enter(context, claims, origin)


def _opened(context: Context, cookie: str) -> dict[str, str]:
    try:
        kept: dict[str, Any] = json.loads(context.vault.decrypt(cookie)) if cookie else {}
    except (GTVisionError, ValueError):
        kept = {}
    if not kept or int(kept["at"]) + LIFE_S < time.time():
        raise refusal("this sign-in was not begun in this browser, or took too long; begin again", "state")
    return {name: str(value) for name, value in kept.items()}


async def _enter(context: Context, claims: Mapping[str, Any], origin: Origin) -> service.SignedIn:
    try:
        user = await _user_of(context, claims)
    except NotAuthenticated as error:
        log.warning("login_refused", address=origin.address, why=f"oidc {error.details['reason']}")
        details = {"address": origin.address, "why": f"oidc: {error.details['reason']}", "sub": str(claims["sub"])}
        async with context.db.transaction() as session:
            await audit.record(context.vault, session, "nobody", Act("login.refused", "", None, details))
        raise
    if user.disabled:
        await service.refused(context, user, origin, "disabled")
        raise refusal("this account has been disabled", "disabled")
    try:
        await service.require_active(context, user, origin)
    except NotAuthenticated as error:
        raise refusal(error.message, "inactive") from None
    pair = await keys.issue(context, user)
    async with context.db.transaction() as session:
        if not await repository.holds(session, user):
            raise refusal("this account has been disabled", "disabled")
        await sessions.begin(context, session, user, pair, ("oidc", origin))
        act = Act("login", user.id, None, {"address": origin.address, "method": "oidc"})
        await audit.record(context.vault, session, sessions.principal_of(user, pair.family), act)
    log.info("login", user_id=user.id, address=origin.address, method="oidc")
    return service.SignedIn(user, pair, origin.devices)


async def _user_of(context: Context, claims: Mapping[str, Any]) -> User:
    """Our user of an identity (issuer and subject), made or linked at the first sign-in. Raises NotAuthenticated.

    A user of ours with the same name is never taken over, unless an admin said that the account signs in this way.
    """
    settings = context.settings
    issuer, subject = settings.oidc_issuer, str(claims["sub"])
    try:
        async with context.db.transaction() as session:
            user = await repository.user_of_oidc(session, issuer, subject)
            if user is None:
                user = await _linked(session, settings, claims)
            if user is None:
                return await _make(context, session, claims)
            await _follow(context, session, user, claims)
            return user
    except IntegrityError:
        raise refusal("this account is just being made; sign in again", "state") from None


async def _linked(session: AsyncSession, settings: FunctionSettings, claims: Mapping[str, Any]) -> User | None:
    """The account that an admin made for this identity by its name, from now on tied to it; None: there is none."""
    user = await repository.user_named(session, _username(settings, claims))
    if user is None:
        return None
    if user.sign_in != "oidc" or user.oidc_subject is not None:
        raise refusal("an account with your name is there already; ask an admin", "name_taken")
    user.oidc_issuer, user.oidc_subject = settings.oidc_issuer, str(claims["sub"])
    return user


async def _make(context: Context, session: AsyncSession, claims: Mapping[str, Any]) -> User:
    settings = context.settings
    role = role_of(settings, claims)
    if role is None:
        raise refusal("you have no access to GT-Vision; ask an admin", "no_access")
    name = str(claims.get("name") or "")[:120]
    user = User(
        id=new_id(), username=_username(settings, claims), full_name=name if name and name.isprintable() else None,
        role=role.value, password_hash=passwords.NONE, disabled=False, all_groups=False, sign_in="oidc",
        oidc_issuer=settings.oidc_issuer, oidc_subject=str(claims["sub"]), revision=1, created_at=now(),
    )  # fmt: skip
    session.add(user)
    await session.flush()
    await _scope(session, settings, user, claims, new=True)
    details = {"username": user.username, "role": user.role, "sign_in": "oidc"}
    await audit.record(context.vault, session, "oidc", Act("user.created", user.id, None, details))
    return user


async def _follow(context: Context, session: AsyncSession, user: User, claims: Mapping[str, Any]) -> None:
    """What the provider says of role and groups counts anew at each sign-in, where the settings read it there."""
    settings, before = context.settings, user.role
    if settings.oidc_role_claim:
        role = role_of(settings, claims)
        if role is None:
            raise refusal("you have no access to GT-Vision any more; ask an admin", "no_access")
        user.role = role.value
    changed = await _scope(session, settings, user, claims, new=False)
    if user.role != before or changed:
        user.revision += 1
        details = {"username": user.username, "role": [before, user.role], "groups": changed}
        await audit.record(context.vault, session, "oidc", Act("user.updated", user.id, None, details))


async def _scope(
    session: AsyncSession, settings: FunctionSettings, user: User, claims: Mapping[str, Any], *, new: bool
) -> bool:
    """Set the groups where the provider names them, and of a new user; whether that changed anything."""
    if user.role == Role.ADMIN:
        changed, user.all_groups = not user.all_groups, True
        return changed
    if settings.oidc_groups_claim:
        wanted = values_of(claims, settings.oidc_groups_claim)
    elif new:
        wanted = set(settings.oidc_default_groups)
    else:
        return False
    every = "*" in wanted
    there = set() if every else await repository.groups_there(session, wanted)
    present = set((await repository.groups_of(session, [user.id])).get(user.id, []))
    if (every, there) == (user.all_groups, present):
        return False
    user.all_groups = every
    await repository.set_groups(session, user.id, there)
    return True


def _username(settings: FunctionSettings, claims: Mapping[str, Any]) -> str:
    """A user name of ours from the claim; of an address the part before the @. Raises NotAuthenticated."""
    given = claims.get(settings.oidc_username_claim) or claims.get("email") or claims["sub"]
    name = str(given).partition("@")[0].strip().lower()
    name = re.sub(r"[^a-z0-9._-]", "-", name)[:64].lstrip("._-")
    if not re.fullmatch(USERNAME, name):
        raise refusal("the sign-in service sent no name that can be a user name here", "name")
    return name


def role_of(settings: FunctionSettings, claims: Mapping[str, Any]) -> Role | None:
    """The highest role that the claim's values give, else the default one."""
    found = {
        settings.oidc_roles[value] for value in values_of(claims, settings.oidc_role_claim) & {*settings.oidc_roles}
    }
    return max(found, key=_RANK.index) if found else settings.oidc_default_role


def values_of(claims: Mapping[str, Any], path: str) -> set[str]:
    """The values of a claim; `realm_access.roles` goes into an object where no claim has the whole name.

    >>> values_of({"a": {"b": ["x", "y"]}, "c": "z"}, "a.b") == {"x", "y"}
    True
    """
    if not path:
        return set()
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return {found}
    return {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()
