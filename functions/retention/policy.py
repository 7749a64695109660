"""For how long each class is kept: the settings' days, unless a rule of the platform, a group's or a camera's own says
otherwise, the nearest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.retention import repository
from functions.retention.classes import CLASSES, DataClass, default_days
from functions.retention.due import Cutoffs
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.tables import RetentionRule

# A camera's own days are those of what it saw.
_OF_CAMERA = frozenset({"detections", "images"})


@dataclass(frozen=True)
class Plan:
    """`days` of the platform, 0 for ever; `by_group` of groups that differ."""

    of: DataClass
    default: int
    days: int
    by_group: Mapping[str, int]
    cutoffs: Cutoffs


async def plans(context: Context, at: datetime) -> list[Plan]:
    """How each class that retention deletes stands at a time."""
    async with context.db.read() as session:
        found, cameras = await repository.rules(session), await repository.cameras(session)
    return [_plan(each, context.settings, found, cameras, at) for each in CLASSES if not each.by_itself]


def _plan(
    each: DataClass,
    settings: FunctionSettings,
    found: Sequence[RetentionRule],
    cameras: Sequence[tuple[str, str | None, int | None]],
    at: datetime,
) -> Plan:
    own = {row.group_id: row.days for row in found if row.class_name == each.name}
    default = default_days(each, settings)
    days = own.pop("", default)
    apart: dict[int, list[str]] = defaultdict(list)
    for camera_id, group_id, of_camera in cameras if each.by_camera else ():
        of_group = own.get(group_id or "", days)
        wanted = of_camera if of_camera is not None and each.name in _OF_CAMERA else of_group
        if wanted != days:
            apart[wanted].append(camera_id)
    cutoffs = Cutoffs(_cutoff(days, at), {_cutoff(number, at): tuple(names) for number, names in apart.items()})
    return Plan(each, default, days, own, cutoffs)


def oldest_cutoff(found: Sequence[Plan]) -> datetime | None:
    """The time before which no picture is kept by its age anywhere; None where some are kept for ever."""
    pictured = [plan.cutoffs for plan in found if plan.of.name in ("detections", "images", "corrections")]
    times = [at for each in pictured for at in (each.default, *each.apart)]
    known = [at for at in times if at is not None]
    return min(known) if known and len(known) == len(times) else None


def _cutoff(days: int, at: datetime) -> datetime | None:
    return at - timedelta(days=days) if days else None
