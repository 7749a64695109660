"""Alerts before people: lists of them, one with its log, acknowledged."""

from __future__ import annotations

import re
from typing import Any

from functions.alerts import raising
from functions.alerts import repository_alerts as rows
from functions.alerts.repository_alerts import ACKNOWLEDGED, OPEN, AlertFilters, Shown
from functions.alerts.schemas import HEX_ID
from functions.alerts.schemas_alerts import (
    Acknowledgement,
    AlertCounts,
    AlertDetail,
    AlertPage,
    AlertQuery,
    AlertView,
    ClonedEvidence,
    NotificationView,
    Sighting,
)
from functions.shared import audit, logs, lookups, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Conflict, InvalidInput, NotFound
from functions.shared.outbox import enqueue
from functions.shared.plates import normalise
from functions.shared.tables import AlertNotification
from functions.shared.tokens import Principal

log = logs.get("alerts")
MOST_COUNTED = 1000
# What is told of an alert in words, which may name a plate.
_OF_DESK = frozenset({"state", "escalated", "kind", "min_priority"})
_NOT_ASKED = {"cursor", "limit", "reason"}
_TEXTS = ("reason", "note", "withdrawn_reason")


async def list_alerts(context: Context, who: Principal, query: AlertQuery) -> AlertPage:
    """A page of alerts, newest first. Raises InvalidInput naming the field that is wrong."""
    if query.start and query.end and query.start > query.end:
        raise InvalidInput("from: lies after to", field="from")
    if query.cursor is not None and not re.fullmatch(HEX_ID, query.cursor):
        raise InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
    plate = normalise(query.plate) if query.plate else None
    if plate is not None and context.settings.search_reason == "plate" and not query.reason:
        raise InvalidInput("reason: a search by plate needs one, a case number or text", field="reason")
    filters = AlertFilters(
        states=tuple(query.state), escalated=query.escalated, kinds=tuple(query.kind), start=query.start,
        hotlist_ids=tuple(query.hotlist_id), camera_ids=tuple(query.camera_id), group_ids=tuple(query.group_id),
        plate=plate, min_priority=query.min_priority, end=query.end,
    )  # fmt: skip
    async with context.db.read() as session:
        found = await rows.alerts(session, who.scope, filters, query.cursor, query.limit + 1)
        seen = await rows.cameras_in(session, who.scope, _others(found))
    kept = found[: query.limit]
    shown = len({row.alert.plate for row in kept} - {None})
    # The desk's own filters (state, kind, priority) step over nothing: what is open, the page asks for by itself.
    asked = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude=_NOT_ASKED)
    narrowed = query.cursor is not None or bool(asked.keys() - _OF_DESK)
    if plate is not None or lookups.is_lookup(len(kept), shown, narrowed=narrowed):
        async with context.db.transaction() as session:
            act = Act("alerts.search", plate or "", query.reason, {**asked, "found": len(found), "plates": shown})
            await audit.record(context.vault, session, who, act)
    items = [await view(context, who, shown, seen) for shown in kept]
    return AlertPage(items=items, next_cursor=kept[-1].alert.id if len(found) > query.limit else None)


async def show_alert(context: Context, who: Principal, alert_id: str) -> AlertDetail:
    """Raises NotFound."""
    async with context.db.read() as session:
        found = await rows.alert(session, who.scope, alert_id) if re.fullmatch(HEX_ID, alert_id) else None
        if found is None:
            raise NotFound("there is no such alert")
        sightings = found.alert.details.get("sightings", [])
        cameras = [item["camera_id"] for item in sightings]
        seen = await rows.cameras_in(session, who.scope, [*cameras, *_others([found])])
        told = await rows.notifications(session, alert_id)
    shown = await view(context, who, found, seen)
    return AlertDetail(
        **shown.model_dump(),
        sightings=[
            Sighting(**item, camera_name=seen[item["camera_id"]]) for item in sightings if item["camera_id"] in seen
        ],
        notifications=[_notification(row) for row in told],
    )


async def acknowledge(context: Context, who: Principal, alert_id: str, given: Acknowledgement) -> AlertDetail:
    """Say that an alert is seen to. Raises NotFound, Conflict (somebody did before)."""
    async with context.db.transaction() as session:
        alert = None
        if re.fullmatch(HEX_ID, alert_id):
            alert = await rows.alert_for_update(session, who.scope, alert_id)
        if alert is None:
            raise NotFound("there is no such alert")
        if alert.state == ACKNOWLEDGED:
            raise Conflict(f"{alert.acknowledged_by} acknowledged it already", acknowledged_by=alert.acknowledged_by)
        was_open = alert.state == OPEN
        alert.state, alert.acknowledged_at, alert.acknowledged_by = ACKNOWLEDGED, now(), who.username
        alert.outcome, alert.note, alert.escalate_at = given.outcome, given.note or None, None
        enqueue(session, raising.told_acknowledged(alert))
        details = {"plate": alert.plate, "hotlist_id": alert.hotlist_id, "outcome": given.outcome, "open": was_open}
        act = Act("alerts.acknowledge", alert.id, given.note or None, details)
        await audit.record(context.vault, session, who, act)
    log.info("alert_acknowledged", alert_id=alert_id, by=who.username)
    return await show_alert(context, who, alert_id)


async def counts(context: Context, who: Principal) -> AlertCounts:
    async with context.db.read() as session:
        found, escalated = await rows.count_open(session, who.scope, MOST_COUNTED)
    return AlertCounts(open=found, escalated=escalated)


def _others(found: list[Shown]) -> list[str]:
    return [shown.alert.other_camera_id for shown in found if shown.alert.other_camera_id]


async def view(context: Context, who: Principal, shown: Shown, seen: dict[str, str]) -> AlertView:
    """`seen`: names of other cameras that are in the scope of who asks."""
    alert, passage = shown.alert, shown.passage
    entry = alert.entry or {}
    hidden = masking.hides(context.settings, who)
    own = AlertView.model_fields.keys() & set(alert.__table__.columns.keys())
    facts: dict[str, Any] = {name: getattr(alert, name) for name in own}
    pattern = entry.get("pattern")
    if hidden:
        facts["plate"], pattern = masking.masked(alert.plate), masking.masked(pattern)
        # "the plate is ... by now", or what people wrote.
        facts |= {name: masking.masked_text(facts[name]) for name in _TEXTS}
    # How far and how fast tells where the other camera is.
    evidence = alert.details.get("cloned") if alert.other_camera_id in seen else None
    pictured = None if hidden or passage is None else passage
    return AlertView(
        **facts, camera_name=shown.camera_name, plate_format=passage.plate_format if passage else None,
        type=passage.vehicle_type if passage else None, color=passage.color if passage else None,
        direction=passage.direction if passage else None,
        pattern=pattern, match=entry.get("match"), distance=entry.get("distance"), twin=bool(entry.get("twin")),
        cloned=ClonedEvidence(**evidence) if evidence else None,
        snapshot_url=await _link(context, pictured.snapshot_key if pictured else None),
        plate_snapshot_url=await _link(context, pictured.plate_snapshot_key if pictured else None),
    )  # fmt: skip


async def _link(context: Context, key: str | None) -> str | None:
    return None if key is None else await context.store.link(key, context.settings.link_ttl_s)


def _notification(row: AlertNotification) -> NotificationView:
    own = ("id", "event", "channel", "target", "status", "attempts", "error", "created_at", "sent_at")
    return NotificationView(next_try_at=row.due_at, **{name: getattr(row, name) for name in own})
