"""What a browser keeps of a sign-in: the two tokens, and the proof that it has signed in before."""

from __future__ import annotations

from fastapi import Request, Response

from functions.auth import repository
from functions.auth.schemas import Me, Session
from functions.auth.service import SignedIn
from functions.auth.throttle import DEVICE_S, Origin
from functions.shared.context import Context
from functions.shared.web import ACCESS_COOKIE, REFRESH_COOKIE, address_of

DEVICE_COOKIE = "gtv_device"
ACCESS_PATH, REFRESH_PATH = "/api", "/api/auth"
_MAX_COOKIE = 1024


def origin_of(request: Request) -> Origin:
    """Where a sign-in comes from."""
    agent = "".join(letter for letter in request.headers.get("user-agent", "")[:200] if letter.isprintable())
    return Origin(address_of(request), agent, request.cookies.get(DEVICE_COOKIE, "")[:_MAX_COOKIE])


async def session_answer(context: Context, response: Response, signed: SignedIn, *, cookie: bool) -> Session:
    """The answer to a sign-in: tokens in the body, or in cookies that no script reads."""
    settings, pair, me = context.settings, signed.pair, await _me(context, signed)
    if not cookie:
        return Session(
            access_token=pair.access, refresh_token=pair.refresh, token_type="Bearer",
            expires_in=settings.access_ttl_s, user=me,
        )  # fmt: skip
    set_cookies(context, response, signed)
    return Session(token_type="Cookie", expires_in=settings.access_ttl_s, user=me)


async def _me(context: Context, signed: SignedIn) -> Me:
    user, groups = signed.user, None
    if not user.all_groups:
        async with context.db.read() as session:
            groups = (await repository.groups_of(session, [user.id])).get(user.id, [])
    return Me.of(user, groups=groups)


def set_cookies(context: Context, response: Response, signed: SignedIn) -> None:
    settings, pair = context.settings, signed.pair
    rows = [
        (ACCESS_COOKIE, pair.access, ACCESS_PATH, settings.access_ttl_s),
        (REFRESH_COOKIE, pair.refresh, REFRESH_PATH, settings.refresh_ttl_s),
    ]
    if signed.devices:
        rows.append((DEVICE_COOKIE, signed.devices, REFRESH_PATH, DEVICE_S))
    for name, value, path, life in rows:
        response.set_cookie(
            name, value, max_age=life, path=path, httponly=True, samesite="strict", secure=settings.cookie_secure
        )


def end_cookies(response: Response) -> None:
    """The device stays known: who has signed out here may sign in here."""
    response.delete_cookie(ACCESS_COOKIE, ACCESS_PATH, httponly=True, samesite="strict")
    response.delete_cookie(REFRESH_COOKIE, REFRESH_PATH, httponly=True, samesite="strict")
