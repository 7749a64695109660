"""Who may do what: one table for every route. A route that is not in it does not start (`web.create_app`)."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Each role may do what the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @classmethod
    def of(cls, name: str) -> Role:
        return cls[name.upper()]


PUBLIC = None

# Paths whose body may hold a file. Every other body is a small JSON document, which is parsed before anybody is asked
# who they are: some MB of it would hold up the process for seconds.
FILES = frozenset({"/api/ingest/frames", "/api/cameras/import", "/events"})

# "METHOD path" as FastAPI names the route -> the least role, or PUBLIC.
ACCESS: dict[str, Role | None] = {
    "GET /_/health": PUBLIC,
    "GET /_/ready": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/docs": PUBLIC,
    # auth
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/refresh": PUBLIC,
    "POST /api/auth/logout": PUBLIC,
    "GET /api/auth/jwks.json": PUBLIC,
    "GET /api/auth/me": Role.VIEWER,
    "GET /api/auth/users": Role.ADMIN,
    "POST /api/auth/users": Role.ADMIN,
    "PATCH /api/auth/users/{user_id}": Role.ADMIN,
    "POST /api/auth/password": Role.VIEWER,
    "POST /api/auth/keys/rotate": Role.ADMIN,
    # cameras
    "GET /api/cameras": Role.VIEWER,
    "POST /api/cameras": Role.OPERATOR,
    "POST /api/cameras/probe": Role.OPERATOR,
    "POST /api/cameras/import": Role.OPERATOR,
    "POST /api/cameras/keys/rotate": Role.ADMIN,
    "GET /api/cameras/{camera_id}": Role.VIEWER,
    "PATCH /api/cameras/{camera_id}": Role.OPERATOR,
    "DELETE /api/cameras/{camera_id}": Role.OPERATOR,
    "POST /api/cameras/{camera_id}/probe": Role.OPERATOR,
    "GET /api/cameras/{camera_id}/status": Role.VIEWER,
    "GET /api/cameras/{camera_id}/snapshot.jpg": Role.VIEWER,
    "GET /api/groups": Role.VIEWER,
    # Whoever may change what a camera reads may say what plates look like there; an admin's are people and keys.
    "POST /api/groups": Role.OPERATOR,
    "GET /api/groups/{group_id}": Role.VIEWER,
    "PATCH /api/groups/{group_id}": Role.OPERATOR,
    "DELETE /api/groups/{group_id}": Role.OPERATOR,
    # ingest
    "POST /api/ingest/frames": Role.OPERATOR,
    # post-processing
    "POST /events": Role.ADMIN,
    # search
    "GET /api/detections": Role.VIEWER,
    "GET /api/detections/{detection_id}": Role.VIEWER,
    "GET /api/detections/{detection_id}/snapshot.jpg": Role.VIEWER,
    "PATCH /api/detections/{detection_id}": Role.OPERATOR,
    "POST /api/detections/reread": Role.OPERATOR,
    "GET /api/corrections": Role.OPERATOR,
    "GET /api/corrections/{correction_id}/plate.jpg": Role.OPERATOR,
    # An image's link carries its own signature and end.
    "GET /api/images/{key:path}": PUBLIC,
    # console
    "GET /api/events": Role.VIEWER,
    "GET /api/status": Role.VIEWER,
    "GET /": PUBLIC,
    "GET /assets/{path:path}": PUBLIC,
}
