"""Who may do what: one table for every route. A route that is not in it does not start (`web.create_app`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Operator may do what a viewer may, admin everything. An integrator is a machine: it reads detections, brings
    frames and reads in, and keeps its own webhooks."""

    INTEGRATOR = "integrator"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @classmethod
    def of(cls, name: str) -> Role:
        """Raises KeyError for a name that is no role."""
        return cls[name.upper()]


ADMINS = frozenset({Role.ADMIN})
OPERATORS = ADMINS | {Role.OPERATOR}
STAFF = OPERATORS | {Role.VIEWER}
MACHINES = OPERATORS | {Role.INTEGRATOR}
EVERYONE = STAFF | {Role.INTEGRATOR}


@dataclass(frozen=True)
class Rule:
    """Who may call a route: people of these roles, and such API keys of theirs as have `permission` ("": none;
    ANY_KEY: all)."""

    roles: frozenset[Role]
    permission: str = ""


PUBLIC = None
ANY_KEY = "any"

# Paths whose body may hold a file. Every other body is a small JSON document, which is parsed before anybody is asked
# who they are: some MB of it would hold up the process for seconds.
FILES = frozenset({"/api/ingest/frames", "/api/cameras/import", "/api/hotlists/import", "/events"})

# "METHOD path" as FastAPI names the route -> its rule, or PUBLIC.
ACCESS: dict[str, Rule | None] = {
    "GET /_/health": PUBLIC,
    "GET /_/ready": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/docs": PUBLIC,
    # auth
    "GET /api/auth/ways": PUBLIC,
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/refresh": PUBLIC,
    "POST /api/auth/logout": PUBLIC,
    "GET /api/auth/jwks.json": PUBLIC,
    "GET /api/auth/oidc/start": PUBLIC,
    "GET /api/auth/oidc/callback": PUBLIC,
    # An API key may ask what it is, whatever its permissions; people and their sessions are no business of a machine's.
    "GET /api/auth/me": Rule(EVERYONE, ANY_KEY),
    "GET /api/auth/sessions": Rule(EVERYONE),
    "DELETE /api/auth/sessions": Rule(EVERYONE),
    "DELETE /api/auth/sessions/{session_id}": Rule(EVERYONE),
    "POST /api/auth/password": Rule(EVERYONE),
    "GET /api/auth/users": Rule(ADMINS),
    "POST /api/auth/users": Rule(ADMINS),
    "GET /api/auth/users/{user_id}": Rule(ADMINS),
    "PATCH /api/auth/users/{user_id}": Rule(ADMINS),
    "DELETE /api/auth/users/{user_id}": Rule(ADMINS),
    "GET /api/auth/users/{user_id}/sessions": Rule(ADMINS),
    "DELETE /api/auth/users/{user_id}/sessions": Rule(ADMINS),
    "GET /api/auth/permissions": Rule(ADMINS),
    "GET /api/auth/api-keys": Rule(ADMINS),
    "POST /api/auth/api-keys": Rule(ADMINS),
    "DELETE /api/auth/api-keys/{key_id}": Rule(ADMINS),
    "POST /api/auth/keys/rotate": Rule(ADMINS),
    # cameras
    "GET /api/cameras": Rule(EVERYONE, "cameras:read"),
    "POST /api/cameras": Rule(OPERATORS, "cameras:write"),
    "POST /api/cameras/probe": Rule(OPERATORS, "cameras:write"),
    "POST /api/cameras/import": Rule(OPERATORS, "cameras:write"),
    "POST /api/cameras/keys/rotate": Rule(ADMINS),
    "GET /api/cameras/{camera_id}": Rule(EVERYONE, "cameras:read"),
    "PATCH /api/cameras/{camera_id}": Rule(OPERATORS, "cameras:write"),
    "DELETE /api/cameras/{camera_id}": Rule(OPERATORS, "cameras:write"),
    "POST /api/cameras/{camera_id}/probe": Rule(OPERATORS, "cameras:write"),
    "GET /api/cameras/{camera_id}/status": Rule(EVERYONE, "cameras:read"),
    "GET /api/cameras/{camera_id}/snapshot.jpg": Rule(EVERYONE, "cameras:read"),
    "GET /api/groups": Rule(EVERYONE, "cameras:read"),
    # Whoever may change what a camera reads may say what plates look like there; an admin's are people and keys.
    "POST /api/groups": Rule(OPERATORS, "cameras:write"),
    "GET /api/groups/{group_id}": Rule(EVERYONE, "cameras:read"),
    "PATCH /api/groups/{group_id}": Rule(OPERATORS, "cameras:write"),
    "DELETE /api/groups/{group_id}": Rule(OPERATORS, "cameras:write"),
    # ingest
    "POST /api/ingest/frames": Rule(MACHINES, "ingest:write"),
    # post-processing
    "POST /events": Rule(ADMINS),
    # search
    "GET /api/detections": Rule(EVERYONE, "detections:read"),
    "GET /api/search/settings": Rule(EVERYONE, "detections:read"),
    "GET /api/detections/export.csv": Rule(EVERYONE, "detections:read"),
    "GET /api/detections/stats": Rule(EVERYONE, "detections:read"),
    "GET /api/detections/{detection_id}/evidence.pdf": Rule(STAFF, "detections:read"),
    "GET /api/plates/{plate}/route": Rule(EVERYONE, "detections:read"),
    "GET /api/plates/{plate}/companions": Rule(STAFF, "detections:read"),
    "GET /api/detections/{detection_id}": Rule(EVERYONE, "detections:read"),
    "GET /api/detections/{detection_id}/snapshot.jpg": Rule(EVERYONE, "detections:read"),
    "PATCH /api/detections/{detection_id}": Rule(OPERATORS, "detections:write"),
    # By people alone: what is revealed has somebody who looked.
    "POST /api/detections/{detection_id}/reveal": Rule(STAFF),
    "POST /api/detections/reread": Rule(OPERATORS, "detections:write"),
    "GET /api/corrections": Rule(OPERATORS, "detections:read"),
    "GET /api/corrections/{correction_id}/plate.jpg": Rule(OPERATORS, "detections:read"),
    # An image's link carries its own signature and end.
    "GET /api/images/{key:path}": PUBLIC,
    # alerts
    "GET /api/hotlists": Rule(STAFF, "hotlists:read"),
    "POST /api/hotlists": Rule(OPERATORS, "hotlists:write"),
    # What would have been found is a look-up of plates in the past.
    "POST /api/hotlists/preview": Rule(OPERATORS, "hotlists:write"),
    "POST /api/hotlists/keys/rotate": Rule(ADMINS),
    "GET /api/hotlists/{hotlist_id}": Rule(STAFF, "hotlists:read"),
    "PATCH /api/hotlists/{hotlist_id}": Rule(OPERATORS, "hotlists:write"),
    "DELETE /api/hotlists/{hotlist_id}": Rule(OPERATORS, "hotlists:write"),
    "POST /api/hotlists/{hotlist_id}/preview": Rule(OPERATORS, "hotlists:write"),
    "GET /api/hotlists/{hotlist_id}/entries": Rule(STAFF, "hotlists:read"),
    "POST /api/hotlists/{hotlist_id}/entries": Rule(OPERATORS, "hotlists:write"),
    "DELETE /api/hotlists/{hotlist_id}/entries/{entry_id}": Rule(OPERATORS, "hotlists:write"),
    "POST /api/hotlists/import": Rule(OPERATORS, "hotlists:write"),
    "GET /api/hotlists/{hotlist_id}/entries/export.csv": Rule(OPERATORS, "hotlists:read"),
    "GET /api/alerts": Rule(EVERYONE, "alerts:read"),
    "GET /api/alerts/counts": Rule(EVERYONE, "alerts:read"),
    "GET /api/alerts/{alert_id}": Rule(EVERYONE, "alerts:read"),
    "POST /api/alerts/{alert_id}/acknowledge": Rule(OPERATORS, "alerts:write"),
    # webhooks
    # retention
    "GET /api/retention/policy": Rule(ADMINS),
    "PUT /api/retention/policy/{class_name}": Rule(ADMINS),
    "DELETE /api/retention/policy/{class_name}": Rule(ADMINS),
    "GET /api/retention/runs": Rule(ADMINS),
    "POST /api/retention/runs": Rule(ADMINS),
    "GET /api/retention/runs/{run_id}": Rule(ADMINS),
    "POST /api/retention/reconcile": Rule(ADMINS),
    "GET /api/retention/holds": Rule(ADMINS),
    "POST /api/retention/holds": Rule(ADMINS),
    "POST /api/retention/holds/{hold_id}/release": Rule(ADMINS),
    "POST /api/privacy/report": Rule(ADMINS),
    "POST /api/privacy/erase": Rule(ADMINS),
    "GET /api/privacy/lookups": Rule(ADMINS),
    "POST /api/privacy/lookups/{user_id}/allow": Rule(ADMINS),
    "GET /api/auth/audit": Rule(ADMINS),
    "GET /api/auth/audit/export": Rule(ADMINS),
    "POST /api/auth/audit/verify": Rule(ADMINS),
    "POST /api/auth/audit/keys/rotate": Rule(ADMINS),
    # console
    "GET /api/events": Rule(EVERYONE, "detections:read"),
    "GET /api/status": Rule(EVERYONE, "status:read"),
    "GET /": PUBLIC,
    "GET /assets/{path:path}": PUBLIC,
}

# What an API key may be given.
PERMISSIONS = tuple(sorted({rule.permission for rule in ACCESS.values() if rule is not None} - {"", ANY_KEY}))
