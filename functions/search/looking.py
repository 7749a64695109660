"""Who looks somebody up, and why: the reason that is asked for, and the row that each look-up leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared import audit, masking
from functions.shared.context import Context
from functions.shared.errors import Forbidden, InvalidInput
from functions.shared.tables import AuditRow
from functions.shared.tokens import Principal


@dataclass(frozen=True)
class Look:
    """One look-up: by whom, and the reason that they gave."""

    who: Principal
    reason: str | None = None

    def hides(self, context: Context) -> bool:
        return masking.hides(context.settings, self.who)


def look_of(context: Context, who: Principal, reason: str | None, *, by_plate: bool) -> Look:
    """Raises InvalidInput where a reason is missing that the platform asks for."""
    given = (reason or "").strip() or None
    if by_plate and given is None and context.settings.search_reason == "plate":
        raise InvalidInput("reason: a search by plate needs one: a case number or text", field="reason")
    return Look(who, given)


def require_unmasked(context: Context, look: Look, what: str) -> None:
    """Raises Forbidden for somebody who sees plates masked."""
    if look.hides(context):
        raise Forbidden(f"plates are masked for your role: {what}", role=look.who.role.value)


async def record(context: Context, look: Look, action: str, subject: str, details: Mapping[str, Any]) -> AuditRow:
    """Write down a look-up before its answer goes out: whoever is not written down gets none."""
    act = audit.Act(action, subject, look.reason, dict(details))
    async with context.db.transaction() as session:
        return await audit.record(context.vault, session, look.who, act)
