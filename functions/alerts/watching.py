"""What a message about a passage changes: alerts raised, withdrawn, or none.

A message is only the occasion. What counts is the passage as the database has it, read under a lock that all
messages about it take: so messages may come twice, late or in any order, to any number of processes, and the last
word is always what the passage is now.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import cloned, raising, repository
from functions.alerts import repository_alerts as rows
from functions.alerts.cloned import Limits, Sighting
from functions.alerts.memory import Memory
from functions.alerts.patterns import Entry, matches
from functions.alerts.repository_alerts import Passage
from functions.alerts.rules import Seen
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.plates import registration
from functions.shared.tables import CLONED_LIST, Alert, Detection
from functions.shared.tasks import end

log = logs.get("alerts")
# Pause of judging once more after a failure, and how long it is waited for at the end.
_AGAIN_S, _LAST_S = 1.0, 2.0
# Sightings that an alert about a cloned plate lists.
_MOST_SIGHTINGS = 20


async def _nothing() -> None:
    pass


class Watch:
    """Judges passages by the lists of one process's memory. `changed` is awaited where something changes outside of
    `observe`."""

    def __init__(self, context: Context, memory: Memory, changed: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._context, self._memory, self._changed = context, memory, changed
        self._once_more: deque[DetectionRecorded] = deque()
        self._catching_up: asyncio.Task[None] | None = None
        settings = context.settings
        self._window = timedelta(seconds=settings.clone_window_s)
        self._max_age = timedelta(seconds=settings.alert_max_age_s)
        self._limits = Limits(settings.clone_speed_kmh, settings.clone_min_km)

    async def observe(self, told: DetectionRecorded) -> bool:
        """Act on a message; whether anything may have changed. Raises DatabaseUnavailable."""
        await self._memory.refresh()
        if self._memory.reading:
            self._judge_later(told)
        return await self._judge(told)

    def _judge_later(self, told: DetectionRecorded) -> None:
        """Judged now by the lists as they were, and once more when what changed in them is read."""
        self._once_more.append(told)
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up(), name="alerts-catch-up")

    async def _catch_up(self) -> None:
        while self._once_more:
            try:
                await self._memory.read_up()
                # Those alone that were there by then: another change may be read for who came since.
                for _ in range(len(self._once_more)):
                    if await self._judge(self._once_more[0]):
                        await self._changed()
                    self._once_more.popleft()
            except Exception as error:
                log.warning("judging_waits", reason=type(error).__name__, passages=len(self._once_more))
                await asyncio.sleep(_AGAIN_S)

    async def caught_up(self) -> None:
        """Wait until no passage is to be judged once more."""
        if self._catching_up is not None:
            await asyncio.wait({self._catching_up})

    async def close(self) -> None:
        """What is to be judged once more has a moment left; then it stays at what the lists said before."""
        if self._catching_up is not None:
            await asyncio.wait({self._catching_up}, timeout=_LAST_S)
            await end(self._catching_up)

    async def _judge(self, told: DetectionRecorded) -> bool:
        if told.replaced_by is not None:
            await self._settle(told.detection_id, replaced_by=told.replaced_by)
            await self._settle(told.replaced_by)
            return True
        if not await self._concerned(told):
            return False
        await self._settle(told.detection_id)
        return True

    async def _concerned(self, told: DetectionRecorded) -> bool:
        """Whether a passage needs the lock at all: most have nothing to do with any list."""
        place = self._memory.places.get(told.camera_id)
        seen = Seen(
            told.camera_id, place.group_id if place else None, told.started_at, told.plate, told.direction,
            told.uncertain, told.final,
        )  # fmt: skip
        # A camera that is new to the memory has a group that is not known yet: the database is asked.
        if place is None or self._memory.judge(seen):
            return True
        async with self._context.db.read() as session:
            if await rows.has_alerts(session, told.detection_id):
                return True
            if not (told.plate and told.final and told.plate_format) or told.uncertain or place.latitude is None:
                return False
            around = (told.started_at - self._window, told.ended_at + self._window)
            return await rows.seen_elsewhere(session, told.plate, told.camera_id, around)

    async def _settle(self, detection_id: str, replaced_by: str | None = None) -> None:
        async with self._context.db.transaction() as session:
            await repository.lock(session, f"passage:{detection_id}")
            seen = await rows.passage(session, detection_id)
            # Before any row is locked, and always after the passage: nobody waits for one who waits for them.
            if seen is not None and certain(seen.row):
                await repository.lock(session, f"plate:{registration(seen.row.plate or '')}")
            alerts = await rows.alerts_of(session, detection_id)
            if seen is None:
                if replaced_by is not None:
                    for alert in alerts:
                        await raising.withdraw(session, alert, f"the passage was part of another one, {replaced_by}")
                return
            for alert in alerts:
                await self._follow(session, alert, seen)
            if now() - seen.row.ended_at <= self._max_age:
                await self._raise(
                    session, seen, {item.hotlist_id for item in alerts if item.detection_id == seen.row.id}
                )

    async def _raise(self, session: AsyncSession, seen: Passage, known: set[str]) -> None:
        for finding in self._memory.judge(seen_of(seen)):
            if finding.rule.id not in known:
                alert = await raising.raise_alert(session, finding, seen)
                log.info("alert_raised", alert_id=alert.id, hotlist_id=alert.hotlist_id, kind=alert.kind)
        await self._raise_cloned(session, seen)

    async def _follow(self, session: AsyncSession, alert: Alert, seen: Passage) -> None:
        """Hold an alert against the passage as it is now."""
        wrong = await self._wrong(session, alert, seen)
        if wrong:
            await raising.withdraw(session, alert, wrong)
            return
        if alert.detection_id == seen.row.id and alert.kind != "cloned":
            alert.plate, alert.plate_confidence = seen.row.plate or alert.plate, seen.row.plate_confidence
            alert.uncertain = seen.row.uncertain
        await raising.reinstate(session, alert, self._memory.rule(alert.hotlist_id))

    async def _wrong(self, session: AsyncSession, alert: Alert, seen: Passage) -> str:
        """Why an alert does not hold; "" where it does. By the entry as it was: a list that has changed since makes no
        alert wrong."""
        plate = seen.row.plate
        other = f"the plate is {plate} by now" if plate else "no plate is read any more"
        if alert.kind == "cloned":
            one, two = alert.detection_id, alert.other_detection_id
            rest = two if seen.row.id == one else one
            known, far = registration(alert.plate), await rows.plate_of(session, rest)
            held = plate is not None and registration(plate) == known and (far is None or registration(far) == known)
            # Neither plate nor camera is named: whoever sees the alert may not see the other passage.
            return "" if held else "the plate of one of the passages is another by now"
        if plate is None:
            return other
        if alert.kind == "not_listed":
            return f"{other}, which is on the list" if self._memory.listed(alert.hotlist_id, seen_of(seen)) else ""
        entry = alert.entry or {}
        kept = Entry(entry["id"], entry["pattern"], entry["match"], entry["tolerance"])
        return "" if matches(kept, plate, with_twins=entry["twins"]) else other

    async def _raise_cloned(self, session: AsyncSession, seen: Passage) -> None:
        rule, here = self._memory.rule(CLONED_LIST), sighting_of(seen)
        row = seen.row
        if (
            rule is None
            or here is None
            or not certain(row)
            or not rule.counts(seen_of(seen), self._context.settings.zone)
        ):
            return
        assert row.plate is not None
        around = [each for each in await rows.neighbours(session, row, self._window) if rule.counts_at(each.group_id)]
        found = [place for each in around if (place := sighting_of(each))]
        far = [other for other in found if cloned.impossible(here, other, self._limits)]
        if not far:
            return
        before = await rows.clone_alert(
            session, row.plate, (row.started_at - self._window, row.ended_at + self._window)
        )  # fmt: skip
        if before is not None:
            _add_sighting(before, here)
            return
        other = max(far, key=lambda item: (cloned.kmh(here, item), item.detection_id))
        earlier, later = cloned.in_order(here, other)
        if await rows.raised_before(session, rule.id, later.detection_id):
            return
        # It is about the later passage, whichever is told of: its plate may be in the other numbering.
        (about,) = (each for each in (seen, *around) if each.row.id == later.detection_id)
        alert = raising.alert_of(rule, "cloned", about)
        alert.other_camera_id, alert.other_detection_id = earlier.camera_id, earlier.detection_id
        sightings = [_sighting_row(item) for item in (earlier, later)]
        alert.details = {"cloned": cloned.evidence(here, other), "sightings": sightings}
        await raising.put(session, alert, rule)
        log.info("alert_raised", alert_id=alert.id, hotlist_id=alert.hotlist_id, kind=alert.kind)


def certain(row: Detection) -> bool:
    """Whether a passage is over and its plate surely read: a misreading must not make a clone."""
    return bool(row.final and row.plate and row.plate_format and not row.uncertain)


def seen_of(found: Passage) -> Seen:
    row = found.row
    return Seen(row.camera_id, found.group_id, row.started_at, row.plate, row.direction, row.uncertain, row.final)


def sighting_of(found: Passage) -> Sighting | None:
    if found.latitude is None or found.longitude is None:
        return None
    row = found.row
    return Sighting(
        row.id, row.camera_id, found.latitude, found.longitude, row.started_at, row.ended_at, row.color,
        row.color_confidence, row.vehicle_type, row.vehicle_confidence,
    )  # fmt: skip


def _sighting_row(item: Sighting) -> dict[str, str]:
    return {"detection_id": item.detection_id, "camera_id": item.camera_id, "seen_at": item.started_at.isoformat()}


def _add_sighting(alert: Alert, item: Sighting) -> None:
    """Another sighting of a plate that is known to be cloned; once."""
    known = list(alert.details.get("sightings", ()))
    if len(known) < _MOST_SIGHTINGS and all(each["detection_id"] != item.detection_id for each in known):
        alert.details = {**alert.details, "sightings": [*known, _sighting_row(item)]}
