"""The outside of `auth`: /api/auth. People and keys are in `handler_people`, sign-in by OIDC in `handler_oidc`."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from functions.auth import (
    first_start,
    handler_oidc,  # noqa: F401  # its routes
    handler_people,  # noqa: F401  # its routes
    keys,
    oidc,
    routing,
    service,
    sessions,
)
from functions.auth.cookies import end_cookies, origin_of, session_answer
from functions.auth.schemas import KeyRotation, Login, Me, PasswordChange, Refresh, Session, SignInWays
from functions.shared.context import Context
from functions.shared.errors import Forbidden
from functions.shared.web import ACCESS_COOKIE, COOKIE_HEADER, REFRESH_COOKIE, Ctx, Startup, Who, create_app

router = routing.router


async def _check_oidc(context: Context) -> None:
    await oidc.check_settings(context)


startup: list[Startup] = [_check_oidc, keys.ensure_keys, first_start.ensure_admin]


@router.get("/ways")
async def ways(context: Ctx) -> SignInWays:
    """How one may sign in here."""
    settings = context.settings
    return SignInWays(oidc=settings.oidc_name if oidc.enabled(settings) else None)


@router.post("/login", response_model_exclude_unset=True)
async def login(body: Login, request: Request, response: Response, context: Ctx) -> Session:
    """Sign in with a name and a password; a token pair, or cookies for a browser (`session: "cookie"`)."""
    signed = await service.login(context, body.username, body.password.get_secret_value(), origin_of(request))
    return await session_answer(context, response, signed, cookie=body.session == "cookie")


@router.post("/refresh", response_model_exclude_unset=True)
async def refresh(request: Request, response: Response, context: Ctx, body: Refresh | None = None) -> Session:
    """Change a refresh token (in the body, else the cookie) for a new pair. Each holds for one use."""
    token, cookie = _refresh_token(request, body)
    user, pair = await service.refresh(context, token)
    return await session_answer(context, response, service.SignedIn(user, pair, ""), cookie=cookie)


@router.post("/logout", status_code=204)
async def logout(request: Request, response: Response, context: Ctx, body: Refresh | None = None) -> None:
    """End the session of a refresh token, else of the access token, and take its cookies away. Both stop at once."""
    token, cookie = _refresh_token(request, body)
    if token:
        await sessions.logout(context, token, "refresh")
    else:
        await sessions.logout(context, _bearer(request), "access")
    if cookie:
        end_cookies(response)


@router.get("/me")
async def me(context: Ctx, who: Who) -> Me:
    """Who asks, as the server knows them."""
    return await service.me(context, who)


@router.get("/jwks.json")
async def jwks(context: Ctx) -> JSONResponse:
    """The public keys of the tokens that are valid (RFC 7517)."""
    return JSONResponse(await keys.jwks(context), headers={"Cache-Control": "public, max-age=60"})


@router.post("/password", status_code=204)
async def change_password(body: PasswordChange, request: Request, context: Ctx, who: Who) -> None:
    """Change one's own password; the other sessions of the account end."""
    await service.change_password(context, who, body, origin_of(request))


@router.post("/keys/rotate")
async def rotate_keys(context: Ctx, who: Who, body: KeyRotation | None = None) -> dict[str, object]:
    """A new signing key, and every private key encrypted anew under the first of GTV_FERNET_KEYS. Nobody is signed
    out, unless `revoke_old` is asked for."""
    return await service.rotate_keys(context, who, body or KeyRotation())


def _refresh_token(request: Request, body: Refresh | None) -> tuple[str | None, bool]:
    """The token, and whether it came by cookie, which only our own page may send (SameSite and the header)."""
    if body is not None and body.refresh_token:
        return body.refresh_token, False
    token = request.cookies.get(REFRESH_COOKIE)
    if token and COOKIE_HEADER not in request.headers:
        raise Forbidden(f"a request that changes something by cookie needs the header {COOKIE_HEADER}")
    return token, token is not None


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.cookies.get(ACCESS_COOKIE) if COOKIE_HEADER in request.headers else None


app = create_app("auth", [router], startup=startup)
