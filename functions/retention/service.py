"""The rules of retention: who may change what is kept, legal holds, the reports of runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from functions.retention import cursors, policy, repository
from functions.retention.classes import BY_NAME, CLASSES, chosen, default_days
from functions.retention.schemas import (
    Allowed,
    GroupDays,
    HoldCreate,
    HoldPage,
    HoldQuery,
    HoldView,
    LookupsPage,
    LookupsView,
    PolicyChange,
    PolicyPage,
    PolicyView,
    Release,
    RunPage,
    RunQuery,
    RunView,
)
from functions.shared import audit, lookups
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.plates import normalise, twins
from functions.shared.tables import LegalHold, RetentionRule, RetentionRun
from functions.shared.tokens import Principal


def require_everything(who: Principal) -> None:
    """What concerns all cameras is for those who may see them all. Raises Forbidden."""
    if not who.scope.everything:
        raise Forbidden("this is for administrators who see the cameras of every group")


def whole_plate(text: str) -> str:
    """A plate as somebody writes it down. Raises InvalidInput."""
    plate = normalise(text)
    if not (plate.isascii() and plate.isalnum() and len(plate) <= 10):
        raise InvalidInput("plate: must be one whole plate, 1 to 10 letters and digits", field="plate")
    return plate


async def policies(context: Context) -> PolicyPage:
    found = {plan.of.name: plan for plan in await policy.plans(context, now())}
    items = []
    for each in CLASSES:
        plan, default = found.get(each.name), default_days(each, context.settings)
        items.append(PolicyView(
            name=each.name, what=each.what, where=each.where, basis=each.basis,
            setting=f"GTV_{each.setting.upper()}" if each.setting else None, default_days=default,
            days=plan.days if plan else default, kept=each.kept or None,
            groups=[GroupDays(group_id=name, days=days) for name, days in (plan.by_group if plan else {}).items()],
        ))  # fmt: skip
    return PolicyPage(items=items)


async def set_policy(context: Context, who: Principal, name: str, change: PolicyChange) -> PolicyView:
    """Make a rule for a class, of the platform or of a group. Raises NotFound, InvalidInput."""
    _require_chosen(name)
    group_id = change.group_id or ""
    async with context.db.transaction() as session:
        await _require_group(session, name, group_id)
        row = await repository.rule(session, name, group_id)
        before = row.days if row else None
        if row is None:
            row = RetentionRule(class_name=name, group_id=group_id)
            session.add(row)
        row.days, row.updated_at, row.updated_by = change.days, now(), who.username
        details = {"class": name, "group_id": change.group_id, "before": before, "days": change.days}
        await audit.record(context.vault, session, who, Act("retention.policy", name, change.reason, details))
    return await _policy(context, name)


async def drop_policy(context: Context, who: Principal, name: str, group_id: str | None) -> PolicyView:
    """Back to what holds without the rule. Raises NotFound."""
    _require_chosen(name)
    async with context.db.transaction() as session:
        row = await repository.rule(session, name, group_id or "")
        if row is None:
            raise NotFound("there is no such rule")
        details = {"class": name, "group_id": group_id, "before": row.days, "days": None}
        await session.delete(row)
        await audit.record(context.vault, session, who, Act("retention.policy", name, details=details))
    return await _policy(context, name)


def _require_chosen(name: str) -> None:
    if name not in BY_NAME:
        raise NotFound("there is no such class of data")
    if not chosen(name):
        raise InvalidInput(f"the days of {name} are fixed, or a setting's alone", field="class_name")


async def _require_group(session: Any, name: str, group_id: str) -> None:
    if not group_id:
        return
    if not BY_NAME[name].by_camera:
        raise InvalidInput(f"group_id: {name} are kept alike for all groups", field="group_id")
    if not await repository.group_is_there(session, group_id):
        raise InvalidInput("group_id: there is no group of this id", field="group_id")


async def _policy(context: Context, name: str) -> PolicyView:
    return next(item for item in (await policies(context)).items if item.name == name)


async def add_hold(context: Context, who: Principal, attempt: Attempt, body: HoldCreate) -> Answer:
    """Raises InvalidInput."""
    plate = None if body.plate is None else whole_plate(body.plate)
    if body.until is not None and body.until <= now():
        raise InvalidInput("until: lies in the past", field="until")

    async def work(session: Any) -> Answer:
        if body.camera_id and not await repository.camera_is_there(session, body.camera_id):
            raise InvalidInput("camera_id: there is no camera of this id", field="camera_id")
        if body.detection_id and not await repository.detection_is_there(session, body.detection_id):
            raise InvalidInput("detection_id: there is no such detection", field="detection_id")
        row = LegalHold(
            id=new_id(), case_number=body.case_number, reason=body.reason, plate=plate,
            twin=next(iter(twins(plate)), None) if plate else None, camera_id=body.camera_id,
            detection_id=body.detection_id, seen_from=body.seen_from, seen_to=body.seen_to, until=body.until,
            created_at=now(), created_by=who.username,
        )  # fmt: skip
        session.add(row)
        await session.flush()
        view = hold_view(row).model_dump(mode="json")
        details = {name: view[name] for name in (
            "case_number", "plate", "twin", "camera_id", "detection_id", "seen_from", "seen_to", "until"
        ) if view[name] is not None}  # fmt: skip
        await audit.record(context.vault, session, who, Act("holds.add", row.id, body.reason, details))
        return Answer(201, view)

    return await once(context, attempt, work)


async def holds(context: Context, query: HoldQuery) -> HoldPage:
    behind = cursors.decode(query.cursor)
    async with context.db.read() as session:
        rows = await repository.holds(session, behind, query.limit + 1, every=query.all)
    last = rows[query.limit - 1] if len(rows) > query.limit else None
    items = [hold_view(row) for row in rows[: query.limit]]
    return HoldPage(items=items, next_cursor=cursors.encode(last.created_at, last.id) if last else None)


async def release_hold(context: Context, who: Principal, hold_id: str, body: Release) -> HoldView:
    """Raises NotFound, Conflict."""
    async with context.db.transaction() as session:
        row = await repository.hold_for_update(session, hold_id)
        if row is None:
            raise NotFound("there is no such hold")
        if row.released_at is not None:
            raise Conflict("the hold was released before")
        row.released_at, row.released_by, row.release_reason = now(), who.username, body.reason
        details = {"case_number": row.case_number}
        await audit.record(context.vault, session, who, Act("holds.release", row.id, body.reason, details))
    return hold_view(row)


def hold_view(row: LegalHold) -> HoldView:
    own = {name: getattr(row, name) for name in HoldView.model_fields if name != "in_force"}
    return HoldView(**own, in_force=row.released_at is None and (row.until is None or row.until > now()))


async def runs(context: Context, query: RunQuery) -> RunPage:
    behind = cursors.decode(query.cursor)
    async with context.db.read() as session:
        rows = await repository.runs(session, query.kind, behind, query.limit + 1)
    last = rows[query.limit - 1] if len(rows) > query.limit else None
    items = [run_view(row) for row in rows[: query.limit]]
    return RunPage(items=items, next_cursor=cursors.encode(last.started_at, last.id) if last else None)


async def one_run(context: Context, run_id: str) -> RunView:
    """Raises NotFound."""
    async with context.db.read() as session:
        row = await repository.run(session, run_id)
    if row is None:
        raise NotFound("there is no such run")
    return run_view(row)


def run_view(row: RetentionRun) -> RunView:
    return RunView.model_validate({name: getattr(row, name) for name in RunView.model_fields})


async def looked_up(context: Context) -> LookupsPage:
    """How much each person looked up, most in the day first."""
    limits, at = lookups.Limits.of(context.settings), now()
    spans = dict(lookups.WINDOWS)
    async with context.db.read() as session:
        found = await repository.lookups_since(
            session, at - spans["hour"] - lookups.SPAN, at - spans["day"] - lookups.SPAN
        )
    items = []
    for user_id, username, hour, day in found:
        counts: dict[lookups.Window, int] = {"hour": hour, "day": day}
        over = [name for name, count in counts.items() if 0 < limits.of_window(name) < count]
        items.append(LookupsView(user_id=user_id, username=username, hour=hour, day=day, over=over))
    return LookupsPage(items=items, limit_hour=limits.hour, limit_day=limits.day, stop=limits.stop)


async def allow(context: Context, who: Principal, user_id: str, reason: str) -> Allowed:
    """Strike somebody's counts, so that they may go on; kept in the log. Raises Forbidden for oneself."""
    if user_id == who.user_id:
        raise Forbidden("nobody allows themselves more: ask another administrator")
    async with context.db.transaction() as session:
        gone = await repository.forget_lookups(session, user_id)
        await audit.record(context.vault, session, who, Act("privacy.allow", user_id, reason, {"counts": gone}))
    return Allowed(user_id=user_id, forgotten=gone)


def due_at(hour: int, at: Any) -> Any:
    """The last time before `at` that the clock struck this hour (UTC)."""
    struck = at.replace(hour=hour, minute=0, second=0, microsecond=0)
    return cast(Any, struck if struck <= at else struck - timedelta(days=1))
