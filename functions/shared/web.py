"""Makes routers a function: errors, access, health, metrics, correlation id, limits and security headers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from functions.shared import api_keys, errors, limits, logs, openapi, swagger
from functions.shared.access import ACCESS, ANY_KEY, FILES, LONG, PUBLIC, Role, Rule
from functions.shared.bodies import DEADLINE
from functions.shared.config import FunctionSettings, load
from functions.shared.context import Context
from functions.shared.edge import Edge
from functions.shared.tokens import Principal

log = logs.get("web")
ACCESS_COOKIE = "gtv_access"
REFRESH_COOKIE = "gtv_refresh"
# A page that signs in by cookie proves by this header that its own script asks, not another site's form.
COOKIE_HEADER = "X-GTV-Console"
MAX_BODY = 10 * 1024 * 1024
MAX_JSON = 256 * 1024

# First match counts, so a child stands above its parent; a test proves that every error has a row.
STATUS: tuple[tuple[type[errors.GTVisionError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.InvalidInput, 422),
    (errors.BrokenImage, 400),
    (errors.NotAuthenticated, 401),
    (errors.Forbidden, 403),
    (errors.TooSlow, 408),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Rejected, 422),
    (errors.StorageFull, 507),
    (errors.CameraUnavailable, 502),
    (errors.TimedOut, 504),
    (errors.Unavailable, 503),
    (errors.Throttled, 429),
    (errors.Misconfigured, 500),
    (errors.GTVisionError, 500),
)

Startup = Callable[[Context], Awaitable[None]]
Worker = Callable[[Context], "contextlib.AbstractAsyncContextManager[None]"]


def status_of(error: errors.GTVisionError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def envelope(code: str, message: str, details: Any = None) -> dict[str, Any]:
    body = {"code": code, "message": message, "details": details or {}, "correlation_id": logs.correlation_id()}
    return {"error": body}


def context_of(request: Request) -> Context:
    return _context(request.scope)


def _context(scope: Scope) -> Context:
    """The process's Context; made at the first request where no lifespan ran (Lambda)."""
    state = scope["app"].state
    if getattr(state, "context", None) is None:
        state.context = state.open_context()
    context: Context = state.context
    return context


Ctx = Annotated[Context, Depends(context_of)]


def address_of(request: Request) -> str:
    """The address that a request comes from, behind the gateways of GTV_TRUSTED_PROXIES."""
    return limits.address_of(request.scope, context_of(request).settings)


async def authorize(request: Request, context: Ctx) -> None:
    """Every route's first dependency: looks its access up, counts it and sets `request.state.principal`."""
    route = request.scope["route"]
    name = f"{request.method} {route.path}"
    rule = ACCESS[name]
    request.state.principal = None
    if name in LONG:
        request.scope[DEADLINE].allow(LONG[name])
    if rule is PUBLIC:
        await limits.count_address(context, request.scope)
        return
    try:
        principal = await identify(request, context)
    except (errors.NotAuthenticated, errors.Forbidden):
        await limits.count_address(context, request.scope)
        raise
    await limits.count_principal(context, request.scope, principal)
    require(rule, principal)
    request.state.principal = principal


async def identify(request: Request, context: Context) -> Principal:
    """Who asks, by access token or API key, as the database knows them now. Raises NotAuthenticated, Forbidden."""
    token = _token(request)
    if token.startswith(api_keys.PREFIX):
        return await api_keys.principal(context, token, address_of(request))
    return await context.verifier.principal(token)


def require(rule: Rule, principal: Principal) -> None:
    """Raises Forbidden unless the principal may call a route of this rule."""
    if principal.role not in rule.roles:
        wanted = ", ".join(role.value for role in Role if role in rule.roles)
        raise errors.Forbidden(f"this is for the roles {wanted}", role=principal.role.value)
    if principal.permissions is None or rule.permission == ANY_KEY:
        return
    if not rule.permission or rule.permission not in principal.permissions:
        wanted = rule.permission or "none, since no API key may do it"
        raise errors.Forbidden(f"the API key lacks the permission for this: {wanted}", permission=rule.permission)


def _token(request: Request) -> str:
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "basic":
            return api_keys.from_basic(token.strip())
        if scheme.lower() != "bearer" or not token:
            raise errors.NotAuthenticated("the Authorization header must read: Bearer TOKEN")
        return token.strip()
    cookie = request.cookies.get(ACCESS_COOKIE)
    if not cookie:
        raise errors.NotAuthenticated("sign in first")
    if request.method not in ("GET", "HEAD") and COOKIE_HEADER not in request.headers:
        raise errors.Forbidden(f"a request that changes something by cookie needs the header {COOKIE_HEADER}")
    return cookie


def principal_of(request: Request) -> Principal:
    principal: Principal | None = request.state.principal
    if principal is None:
        raise errors.NotAuthenticated("sign in first")
    return principal


Who = Annotated[Principal, Depends(principal_of)]


def create_app(
    name: str,
    routers: Sequence[APIRouter],
    *,
    open_context: Callable[[], Context] | None = None,
    startup: Sequence[Startup] = (),
    workers: Sequence[Worker] = (),
) -> FastAPI:
    """An app of `routers`. `startup` runs once in order before the first request, `workers` run beside requests.

    Raises Misconfigured when a route has no row in `access.ACCESS`.
    """

    def default_context() -> Context:
        settings = load(FunctionSettings)
        logs.configure(settings.log_level, settings.log_format)
        return Context(settings, name)

    opener = open_context or default_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context = app.state.context = opener()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(context.close)
            await start_database(context)
            for step in startup:
                await step(context)
            for worker in workers:
                await stack.enter_async_context(worker(context))
            yield

    app = FastAPI(
        title="GT-Vision", version="1", lifespan=lifespan, openapi_url=None, dependencies=[Depends(authorize)],
        generate_unique_id_function=openapi.operation_id,
    )  # fmt: skip
    openapi.describe(app)
    app.state.documents = {}
    app.state.open_context, app.state.context, app.state.name = opener, None, name
    every = [_platform_router(name), swagger.router, *routers]
    _require_access(every)
    app.state.routes = [route for router in every for route in router.routes]
    for router in every:
        app.include_router(router)
    app.add_exception_handler(errors.GTVisionError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_middleware(Edge, function=name, max_body=_max_body, explain=_explain, context=_context)
    return app


def _max_body(path: str) -> int:
    return MAX_BODY if path in FILES else MAX_JSON


async def start_database(context: Context) -> None:
    """Wait for a database that is away, and migrate it where the settings say so."""
    await context.db.wait(context.settings.database_wait_s)
    if context.settings.migrate_on_start:
        await context.db.migrate()


def _require_access(routers: Sequence[APIRouter]) -> None:
    """Looks at the routers, since an app keeps an included router as one opaque route."""
    missing = []
    for route in (route for router in routers for route in router.routes):
        if not isinstance(route, APIRoute):
            raise errors.Misconfigured(f"{route!r} has no dependencies and would be open", mend="make it an API route")
        missing += [name for method in sorted(route.methods or ()) if (name := f"{method} {route.path}") not in ACCESS]
    if missing:
        raise errors.Misconfigured(f"no access is set for {', '.join(missing)}", mend="add it to access.ACCESS")


def _platform_router(name: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/_/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "function": name}

    @router.get("/_/ready")
    async def ready(context: Ctx) -> dict[str, str]:
        await context.db.check()
        return {"status": "ready", "function": name}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.GTVisionError)
    status = status_of(error)
    if status >= 500:
        log.warning("request_failed", path=request.url.path, status=status, code=error.code, reason=error.message)
    headers = {}
    if status in (429, 503):
        headers["Retry-After"] = str(error.details.get("retry_after", 2))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(envelope(error.code, error.message, dict(error.details)), status, headers)


async def _on_invalid(_: Request, error: Exception) -> Response:
    """Pydantic's findings without the input they quote, which may hold a password."""
    assert isinstance(error, RequestValidationError)
    fields = [{"field": _name(found["loc"]), "reason": str(found["msg"])} for found in error.errors()]
    named = "; ".join(f"{item['field']}: {item['reason']}" for item in fields[:5])
    return JSONResponse(envelope("invalid_input", named, {"fields": fields}), 422)


def _name(loc: tuple[int | str, ...]) -> str:
    """A field's name; the name of an unknown one is the sender's and may hold what UTF-8 cannot."""
    name = ".".join(str(part) for part in loc[1:]) or str(loc[0])
    return name.encode("utf-8", "replace").decode()[:200]


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    try:
        await limits.count_address(context_of(request), request.scope)
    except errors.Throttled as throttled:
        return await _on_error(request, throttled)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request.app, request.url.path))
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    message = f"there is no {request.url.path[:200]}" if error.status_code == 404 else str(error.detail)
    body = envelope(codes.get(error.status_code, "rejected"), message)
    return JSONResponse(body, error.status_code, headers)


def _allowed(app: FastAPI, path: str) -> list[str]:
    """The methods of a path; the framework names those of the first route that it fits. `/a/b` is itself before it is
    `/a/{id}`: those with the fewest parameters count."""
    fits = [route for route in app.state.routes if route.path_regex.match(path)]
    fewest = min((len(route.param_convertors) for route in fits), default=0)
    nearest = [route for route in fits if len(route.param_convertors) == fewest]
    return sorted({method for route in nearest for method in route.methods or ()})


async def _explain(request: Request, error: Exception) -> Response:
    if isinstance(error, errors.GTVisionError):
        return await _on_error(request, error)
    if isinstance(error, ClientDisconnect):
        return JSONResponse(envelope("rejected", "the sender went away before the body was whole"), 400)
    log.error("bug", path=request.url.path, exc_info=error)
    return JSONResponse(envelope("internal", "an error of GT-Vision; its log has the correlation id"), 500)
