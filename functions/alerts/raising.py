"""Alerts come to be, are withdrawn, hold after all, are escalated: the row, its event and who is to be told, in the
caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository_alerts as rows
from functions.alerts.repository_alerts import OPEN, WITHDRAWN, Passage
from functions.alerts.rules import Finding, Rule
from functions.shared.contracts import AlertAcknowledged, AlertEscalated, AlertRaised, AlertWithdrawn, new_id, now
from functions.shared.outbox import enqueue
from functions.shared.tables import Alert, AlertNotification, Hotlist

RAISED, ESCALATED, GONE = "raised", "escalated", "withdrawn"


async def raise_alert(session: AsyncSession, finding: Finding, seen: Passage) -> Alert:
    """Raise the alert of a list about a passage."""
    hit = finding.hit
    entry = None
    if hit is not None:
        found = hit.entry
        entry = {
            "id": found.id, "pattern": found.pattern, "match": found.kind, "tolerance": found.tolerance,
            "distance": hit.distance, "twin": hit.twin, "twins": finding.rule.twins,
        }  # fmt: skip
    alert = alert_of(finding.rule, finding.kind, seen)
    alert.entry = entry
    return await put(session, alert, finding.rule)


def alert_of(rule: Rule, kind: str, seen: Passage) -> Alert:
    row, at = seen.row, now()
    after = rule.escalate_after_min
    return Alert(
        id=new_id(), hotlist_id=rule.id, kind=kind, list_name=rule.name, priority=rule.priority, reason=rule.reason,
        camera_id=row.camera_id, detection_id=row.id, other_detection_id=None, other_camera_id=None,
        seen_at=row.started_at, plate=row.plate, plate_confidence=row.plate_confidence, uncertain=row.uncertain,
        entry=None, details={}, state=OPEN, raised_at=at, escalate_at=at + timedelta(minutes=after) if after else None,
        correlation_id=row.correlation_id,
    )  # fmt: skip


async def put(session: AsyncSession, alert: Alert, rule: Rule) -> Alert:
    session.add(alert)
    # First the alert: notifications refer to it.
    await session.flush()
    enqueue(session, told_raised(alert))
    notify(session, alert, RAISED, rule.emails, hook=rule.hook is not None)
    return alert


def told_raised(alert: Alert, *, again: bool = False) -> AlertRaised:
    entry = alert.entry or {}
    return AlertRaised(
        **_common(alert), again=again, pattern=entry.get("pattern"), match=entry.get("match"),
        distance=entry.get("distance"),
    )  # fmt: skip


def told_acknowledged(alert: Alert) -> AlertAcknowledged:
    return AlertAcknowledged(
        **_common(alert), acknowledged_by=alert.acknowledged_by or "",
        acknowledged_at=cast(datetime, alert.acknowledged_at), outcome=alert.outcome, note=alert.note,
    )  # fmt: skip


def _common(alert: Alert) -> dict[str, Any]:
    own = (
        "hotlist_id", "list_name", "kind", "priority", "reason", "camera_id", "detection_id", "plate",
        "plate_confidence", "uncertain", "seen_at", "raised_at", "correlation_id",
    )  # fmt: skip
    return {"alert_id": alert.id, **{name: getattr(alert, name) for name in own}}


def notify(session: AsyncSession, alert: Alert, event: str, emails: tuple[str, ...], *, hook: bool) -> None:
    """Have the receivers be told; `sending` does it after the commit."""
    targets = [("email", address) for address in dict.fromkeys(emails)] + ([("hook", alert.hotlist_id)] if hook else [])
    for channel, target in targets:
        session.add(
            AlertNotification(
                id=new_id(), alert_id=alert.id, event=event, channel=channel, target=target, status="waiting",
                attempts=0, due_at=now(), created_at=now(),
            )
        )  # fmt: skip


async def withdraw(session: AsyncSession, alert: Alert, reason: str) -> None:
    """It does not hold. Nothing for one that was withdrawn before. Who was told of it is told of this too."""
    if alert.withdrawn_at is not None:
        return
    alert.withdrawn_at, alert.withdrawn_reason, alert.escalate_at = now(), reason[:500], None
    if alert.state == OPEN:
        alert.state = WITHDRAWN
    enqueue(session, AlertWithdrawn(**_common(alert), withdrawn_at=alert.withdrawn_at, withdrawn_reason=reason))
    emails, hook = [], False
    for row in await rows.notifications(session, alert.id):
        if row.status == "waiting" and row.attempts == 0:
            row.status, row.due_at = "dropped", None
        elif row.channel == "email":
            emails.append(row.target)
        else:
            hook = True
    notify(session, alert, GONE, tuple(emails), hook=hook)


async def reinstate(session: AsyncSession, alert: Alert, rule: Rule | None) -> None:
    """It holds after all."""
    if alert.withdrawn_at is None:
        return
    alert.withdrawn_at = alert.withdrawn_reason = None
    if alert.state == WITHDRAWN:
        alert.state = OPEN
        after = rule.escalate_after_min if rule and alert.escalated_at is None else None
        alert.escalate_at = now() + timedelta(minutes=after) if after else None
    enqueue(session, told_raised(alert, again=True))
    if rule is not None:
        notify(session, alert, RAISED, rule.emails, hook=rule.hook is not None)


def escalate(session: AsyncSession, alert: Alert, hotlist: Hotlist | None) -> None:
    """Nobody acknowledged it in time: those of the second line are told, or else the first ones once more."""
    alert.escalated_at, alert.escalate_at = now(), None
    enqueue(session, AlertEscalated(**_common(alert), escalated_at=alert.escalated_at))
    if hotlist is not None:
        emails = tuple(hotlist.escalation_emails or hotlist.emails)
        notify(session, alert, ESCALATED, emails, hook=hotlist.hook_encrypted is not None)
