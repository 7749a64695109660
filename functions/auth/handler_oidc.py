"""Sign-in by an OpenID provider by HTTP: two redirects of the browser."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from functions.auth import oidc
from functions.auth.cookies import origin_of, set_cookies
from functions.auth.routing import router
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.errors import GTVisionError, NotFound, Unavailable
from functions.shared.openapi import may_answer
from functions.shared.web import Ctx

log = logs.get("auth.oidc")
COOKIE, PATH = "gtv_oidc", "/api/auth/oidc"
# Where the console takes over: it changes the fresh cookies for a session of its own, or says why there is none.
# What a provider adds to our address. All of it is read as it came: a provider may add more.
_BACK = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": said}
        for name, said in (
            ("code", "the provider's, to be changed for who it is"),
            ("state", "what `start` sent along"),
            ("error", "why the provider let nobody in"),
        )
    ]
}
ENTERED, REFUSED = "/#/oidc", "/#/oidc-refused"


@router.get("/oidc/start", status_code=302, response_class=RedirectResponse, responses=may_answer(404))
async def start(request: Request, context: Ctx) -> RedirectResponse:
    """Go to the OpenID provider to sign in there."""
    try:
        departure = await oidc.depart(context, str(request.base_url))
    except Unavailable:
        return _refused("away")
    answer = RedirectResponse(departure.url, 302)
    # Lax: the provider sends the browser back from another site, and the cookie has to come along.
    answer.set_cookie(
        COOKIE, departure.cookie, max_age=oidc.LIFE_S, path=PATH, httponly=True, samesite="lax",
        secure=context.settings.cookie_secure,
    )  # fmt: skip
    return answer


@router.get(
    "/oidc/callback", status_code=302, response_class=RedirectResponse, responses=may_answer(404), openapi_extra=_BACK
)
async def callback(request: Request, context: Ctx) -> RedirectResponse:
    """Back from the OpenID provider: signed in by cookies, and on to the console."""
    answer = await _entered(request, context)
    answer.delete_cookie(COOKIE, PATH, httponly=True, samesite="lax")
    return answer


async def _entered(request: Request, context: Context) -> RedirectResponse:
    try:
        signed = await oidc.arrive(context, request.query_params, request.cookies.get(COOKIE, ""), origin_of(request))
    except NotFound:
        raise
    except Unavailable:
        return _refused("away")
    except GTVisionError as error:
        log.warning("oidc_refused", code=error.code, reason=error.message)
        return _refused(str(error.details.get("reason", "identity")))
    answer = RedirectResponse(ENTERED, 302)
    set_cookies(context, answer, signed)
    return answer


def _refused(reason: str) -> RedirectResponse:
    return RedirectResponse(f"{REFUSED}?{urlencode({'reason': reason})}", 302)
