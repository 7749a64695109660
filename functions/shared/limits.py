"""Which quota a request counts to, and what its answer says of it.

Whoever is signed in counts as that user or API key, so that colleagues behind one address do not slow each other; all
others count as their address. Decision 0010 has the reasons for the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from functions.shared.addresses import client_address, network_of
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.errors import Throttled
from functions.shared.quotas import Policy, Verdict
from functions.shared.tokens import Principal

USER, ADDRESS, PICTURES, INGEST, CAMERA = "user", "address", "pictures", "ingest", "camera"
# Asked by machines that watch over us, and files that a page is made of.
_FREE = ("/_/", "/metrics", "/assets/", "/api/docs")
_MACHINES = ("/api/ingest/", "/events")
_SIGNED = "/api/images/"
CAMERA_WINDOW_S = 10
# In the ASGI scope: what was counted for this request, a list of Verdict.
VERDICTS = "gtv.verdicts"


def is_free(path: str) -> bool:
    return path == "/" or path.startswith(_FREE)


def address_of(scope: Scope, settings: FunctionSettings) -> str:
    """The address that a request comes from, the one answer for all rooms."""
    return client_address(scope, settings.trusted_proxies)


async def count_address(context: Context, scope: Scope) -> None:
    """Count a request of nobody in particular. Raises Throttled."""
    if is_free(scope["path"]) or scope.get(VERDICTS):
        return
    settings = context.settings
    pictures = scope["path"].startswith(_SIGNED)
    policy = Policy(PICTURES, settings.rate_pictures) if pictures else Policy(ADDRESS, settings.rate_address)
    await _count(context, scope, policy, network_of(address_of(scope, settings)))


async def count_principal(context: Context, scope: Scope, principal: Principal) -> None:
    """Count a request of a user or an API key. Raises Throttled."""
    settings = context.settings
    machine = scope["path"].startswith(_MACHINES)
    policy = Policy(INGEST, settings.rate_ingest) if machine else Policy(USER, settings.rate_user)
    await _count(context, scope, policy, principal.key_id or principal.user_id)


async def count_camera(context: Context, scope: Scope, camera_id: str) -> None:
    """Count a frame that somebody brings for a camera. Raises Throttled."""
    policy = Policy(CAMERA, context.settings.rate_camera * CAMERA_WINDOW_S, CAMERA_WINDOW_S)
    await _count(context, scope, policy, camera_id)


async def _count(context: Context, scope: Scope, policy: Policy, who: str) -> None:
    if policy.quota == 0:
        return
    verdict = await context.quotas.hit(policy, who)
    scope.setdefault(VERDICTS, []).append(verdict)
    if not verdict.allowed:
        raise Throttled(
            f"more than {policy.quota} requests in {policy.window_s} s; try again in {verdict.reset_s} s",
            retry_after=verdict.reset_s, policy=policy.name, quota=policy.quota, window_s=policy.window_s,
        )  # fmt: skip


def headers(verdicts: Sequence[Verdict]) -> list[tuple[bytes, bytes]]:
    """RateLimit and RateLimit-Policy of the IETF's draft (draft-ietf-httpapi-ratelimit-headers-10), with every quota
    that counted; and the three of its drafts up to 06, which most clients know, with the one that is nearest."""
    if not verdicts:
        return []
    policies = ", ".join(f'"{one.policy.name}";q={one.policy.quota};w={one.policy.window_s}' for one in verdicts)
    states = ", ".join(f'"{one.policy.name}";r={one.remaining};t={one.reset_s}' for one in verdicts)
    nearest = min(verdicts, key=lambda one: one.remaining / one.policy.quota)
    return [
        (b"ratelimit-policy", policies.encode()),
        (b"ratelimit", states.encode()),
        (b"ratelimit-limit", str(nearest.policy.quota).encode()),
        (b"ratelimit-remaining", str(nearest.remaining).encode()),
        (b"ratelimit-reset", str(nearest.reset_s).encode()),
    ]
