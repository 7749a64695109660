"""The outside of `auth`: /api/auth."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from functions.auth import keys, service
from functions.auth.keys import Pair
from functions.auth.schemas import (
    Login,
    Me,
    PasswordChange,
    Refresh,
    Session,
    UserCreate,
    UserPage,
    UserUpdate,
    UserView,
)
from functions.shared.context import Context
from functions.shared.errors import Forbidden
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.tables import User
from functions.shared.web import ACCESS_COOKIE, COOKIE_HEADER, REFRESH_COOKIE, Ctx, Startup, Who, address_of, create_app

router = APIRouter(prefix="/api/auth", tags=["auth"])
startup: list[Startup] = [keys.ensure_keys, service.ensure_admin]
ACCESS_PATH, REFRESH_PATH = "/api", "/api/auth"


@router.post("/login", response_model_exclude_none=True)
async def login(body: Login, request: Request, response: Response, context: Ctx) -> Session:
    """Sign in with a name and a password; a token pair, or cookies for a browser (`session: "cookie"`)."""
    user, pair = await service.login(context, body.username, body.password.get_secret_value(), _address(request))
    return _session(context, response, user, pair, cookie=body.session == "cookie")


@router.post("/refresh", response_model_exclude_none=True)
async def refresh(request: Request, response: Response, context: Ctx, body: Refresh | None = None) -> Session:
    """Change a refresh token (in the body, else the cookie) for a new pair. Each holds for one use."""
    token, cookie = _refresh_token(request, body)
    user, pair = await service.refresh(context, token)
    return _session(context, response, user, pair, cookie=cookie)


@router.post("/logout", status_code=204)
async def logout(request: Request, response: Response, context: Ctx, body: Refresh | None = None) -> None:
    """End the session of a refresh token and take its cookies away."""
    token, cookie = _refresh_token(request, body)
    await service.logout(context, token)
    if cookie:
        response.delete_cookie(ACCESS_COOKIE, ACCESS_PATH, httponly=True, samesite="strict")
        response.delete_cookie(REFRESH_COOKIE, REFRESH_PATH, httponly=True, samesite="strict")


@router.get("/me")
async def me(context: Ctx, who: Who) -> Me:
    return _me(await service.me(context, who))


@router.get("/jwks.json")
async def jwks(context: Ctx) -> JSONResponse:
    """The public keys of the tokens (RFC 7517)."""
    return JSONResponse(await keys.jwks(context), headers={"Cache-Control": "public, max-age=60"})


@router.post("/password", status_code=204)
async def change_password(body: PasswordChange, request: Request, context: Ctx, who: Who) -> None:
    """Change one's own password; every session signs in anew when its access token ends."""
    await service.change_password(context, who, body, _address(request))


@router.get("/users")
async def list_users(
    context: Ctx,
    cursor: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    limit: Annotated[int, Query(ge=1, le=service.PAGE_MAX)] = 50,
) -> UserPage:
    return await service.list_users(context, cursor, limit)


@router.post("/users", status_code=201, response_model=UserView, openapi_extra=OPENAPI)
async def create_user(body: UserCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    answer = await service.create_user(context, body, await attempt_of(request, who))
    return JSONResponse(answer.body, answer.status, answer.headers)


@router.patch("/users/{user_id}")
async def update_user(user_id: str, body: UserUpdate, context: Ctx) -> UserView:
    """Change role, password or state. A disabled user cannot refresh; an access token in use ends within its life."""
    return UserView.of(await service.update_user(context, user_id, body))


@router.post("/keys/rotate")
async def rotate_keys(context: Ctx) -> dict[str, object]:
    """A new signing key, and every private key encrypted anew under the first of GTV_FERNET_KEYS."""
    return await service.rotate_keys(context)


def _address(request: Request) -> str:
    return address_of(request)


def _refresh_token(request: Request, body: Refresh | None) -> tuple[str | None, bool]:
    """The token, and whether it came by cookie, which only our own page may send (SameSite and the header)."""
    if body is not None and body.refresh_token:
        return body.refresh_token, False
    token = request.cookies.get(REFRESH_COOKIE)
    if token and COOKIE_HEADER not in request.headers:
        raise Forbidden(f"a request that changes something by cookie needs the header {COOKIE_HEADER}")
    return token, token is not None


def _me(user: User) -> Me:
    return Me.model_validate(user, from_attributes=True)


def _session(context: Context, response: Response, user: User, pair: Pair, *, cookie: bool) -> Session:
    settings = context.settings
    if not cookie:
        return Session(
            access_token=pair.access, refresh_token=pair.refresh, token_type="Bearer",
            expires_in=settings.access_ttl_s, user=_me(user),
        )  # fmt: skip
    rows = (
        (ACCESS_COOKIE, pair.access, ACCESS_PATH, settings.access_ttl_s),
        (REFRESH_COOKIE, pair.refresh, REFRESH_PATH, settings.refresh_ttl_s),
    )
    for name, value, path, life in rows:
        response.set_cookie(
            name, value, max_age=life, path=path, httponly=True, samesite="strict", secure=settings.cookie_secure
        )
    return Session(token_type="Cookie", expires_in=settings.access_ttl_s, user=_me(user))


app = create_app("auth", [router], startup=startup)
