"""Users, sessions and API keys by HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from functions.auth import machine_keys, sessions, users
from functions.auth.routing import router
from functions.auth.schemas import (
    ID,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyPage,
    PermissionList,
    SessionList,
    UserCreate,
    UserPage,
    UserUpdate,
    UserView,
)
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.revisions import IfMatch, revision_of
from functions.shared.web import Ctx, Who

Cursor = Annotated[str | None, Query(pattern=ID)]
Limit = Annotated[int, Query(ge=1, le=users.PAGE_MAX)]


@router.get("/users")
async def list_users(context: Ctx, cursor: Cursor = None, limit: Limit = 50) -> UserPage:
    return await users.list_users(context, cursor, limit)


@router.post("/users", status_code=201, response_model=UserView, openapi_extra=OPENAPI)
async def create_user(body: UserCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    answer = await users.create_user(context, who, body, await attempt_of(request, who))
    headers = {"Location": f"/api/auth/users/{answer.body['id']}", **answer.headers}
    return JSONResponse(answer.body, answer.status, headers)


@router.get("/users/{user_id}")
async def show_user(user_id: str, context: Ctx, response: Response) -> UserView:
    found = await users.show_user(context, user_id)
    response.headers["ETag"] = f'"{found.revision}"'
    return found


@router.patch("/users/{user_id}")
async def update_user(
    user_id: str, body: UserUpdate, context: Ctx, who: Who, response: Response, if_match: IfMatch = None
) -> UserView:
    """Change role, groups, password, name or state; it counts from the user's next request on. With `If-Match` only the
    revision that was seen is changed (else 409). A new password, and disabling, end the user's sessions."""
    found = await users.update_user(context, who, user_id, body, revision_of(if_match))
    response.headers["ETag"] = f'"{found.revision}"'
    return found


@router.delete("/users/{user_id}", status_code=204)
async def disable_user(user_id: str, context: Ctx, who: Who, if_match: IfMatch = None) -> None:
    """Disable a user. The row stays, since corrections and the audit log name it; `disabled: false` undoes it."""
    await users.disable_user(context, who, user_id, revision_of(if_match))


@router.get("/users/{user_id}/sessions")
async def list_sessions_of_user(user_id: str, context: Ctx, who: Who) -> SessionList:
    """The sessions of a user that hold."""
    return await sessions.list_sessions(context, who, user_id)


@router.delete("/users/{user_id}/sessions", status_code=204)
async def end_sessions_of_user(user_id: str, context: Ctx, who: Who) -> None:
    """End every session of a user, but for the one that asks."""
    await sessions.end_all(context, who, user_id)


@router.get("/sessions")
async def list_sessions(context: Ctx, who: Who) -> SessionList:
    """One's own sessions that hold, the last seen first."""
    return await sessions.list_sessions(context, who, who.user_id)


@router.delete("/sessions", status_code=204)
async def end_other_sessions(context: Ctx, who: Who) -> None:
    """End one's own other sessions."""
    await sessions.end_all(context, who, who.user_id)


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(session_id: str, context: Ctx, who: Who) -> None:
    """End a session of one's own; an admin ends anybody's."""
    await sessions.end_one(context, who, session_id)


@router.get("/permissions")
async def list_permissions() -> PermissionList:
    """What an API key may be given, and which routes that opens."""
    return machine_keys.permissions()


@router.get("/api-keys")
async def list_api_keys(
    context: Ctx, user_id: Annotated[str | None, Query(pattern=ID)] = None, cursor: Cursor = None, limit: Limit = 50
) -> ApiKeyPage:
    """API keys by age, those that are over or revoked too. None shows the key."""
    return await machine_keys.list_keys(context, user_id, cursor, limit)


@router.post("/api-keys", status_code=201, response_model=ApiKeyCreated, openapi_extra=OPENAPI)
async def create_api_key(body: ApiKeyCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Make an API key. The answer is the only one that holds it.

    It is sent as `Authorization: Bearer gtv_...`, or as the password of HTTP Basic with any user name.
    """
    answer = await machine_keys.create_key(context, who, body, await attempt_of(request, who))
    return JSONResponse(answer.body, answer.status, answer.headers)


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(key_id: str, context: Ctx, who: Who) -> None:
    """Revoke an API key: it holds no more from now on."""
    await machine_keys.revoke_key(context, who, key_id)
