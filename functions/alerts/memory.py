"""The lists as one process holds them: what changed is read anew, by version, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from functions.alerts import repository
from functions.alerts.patterns import Book, Entry
from functions.alerts.repository import Place, Stored
from functions.alerts.rules import Finding, Rule, Seen, judge, spans_of
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.tables import Hotlist
from functions.shared.tasks import end

log = logs.get("alerts")
# How old what is held may be when a passage is judged: a new entry counts at the latest after this.
FRESH_S = 0.5
# Cameras are moved to another group seldom.
PLACES_S = 5.0
# Entries that were taken out are kept for this long, for processes to hear of it; one that was away longer reads anew.
REMOVED_KEPT = timedelta(days=7)
_LONGEST_AWAY_S = 86_400.0
_PAGE = 2000
# Pages of a change that is read beside the judging: no passage waits for longer than one of them.
_PART = 500
_AGAIN_S = 1.0


@dataclass
class _Held:
    """A list. `book` None: never read. `version` and `tolerances` are those of the book; `reading` makes another."""

    rule: Rule
    version: int = 0
    tolerances: Mapping[int, float] | None = None
    book: Book | None = None
    reading: asyncio.Task[bool] | None = None


class _Reading:
    """What changed in a list, on its way into its book; or the whole list, into a new book."""

    def __init__(self, context: Context, held: _Held, row: Hotlist) -> None:
        self._context, self._held, self._row, self._rule = context, held, row, held.rule
        # A tolerance that follows the list's own is part of each entry that is held.
        known = held.book if held.tolerances == held.rule.tolerances else None
        self._book, self._since = (Book(), 0) if known is None else (known, held.version)
        self._behind, self._count = "", 0

    async def page(self, size: int) -> bool:
        """Read on; whether there is more. Entries that change meanwhile have a newer version, and are read again."""
        async with self._context.db.read() as session:
            found = await repository.entries_since(session, self._row.id, self._since, self._behind, size)
        for item in found:
            _apply(self._book, self._rule, item)
        self._count += len(found)
        if len(found) == size:
            self._behind = found[-1].pattern
            return True
        held, version = self._held, self._row.entries_version
        held.book, held.version, held.tolerances = self._book, version, self._rule.tolerances
        entries = len(self._book)
        log.info("hotlist_read", hotlist_id=self._row.id, changed=self._count, entries=entries, version=version)
        return False

    async def whole(self, size: int) -> None:
        """Page by page, so that a list of hundreds of thousands does not hold up what else runs here."""
        more = True
        while more:
            more = await self.page(size)
            await asyncio.sleep(0)

    async def beside(self) -> bool:
        """Whether it was read; where it was not the next refresh begins again."""
        try:
            await self.whole(_PART)
        except Exception as error:
            log.warning("hotlist_not_read", hotlist_id=self._row.id, reason=type(error).__name__)
            return False
        return True


class Memory:
    """Lists, their entries, and where the cameras are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held: dict[str, _Held] = {}
        self.places: dict[str, Place] = {}
        self._read_at = self._places_at = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self, max_age_s: float = FRESH_S) -> None:
        """Have what is held be no older than this, but for large changes: those are read beside (`reading`), while
        lists are held as they were before. Raises DatabaseUnavailable."""
        asked_at = time.monotonic()
        if asked_at - self._read_at <= max_age_s:
            return
        async with self._turn:
            if time.monotonic() - self._read_at > max_age_s:
                await self._read()

    async def _read(self) -> None:
        started = time.monotonic()
        first = started - self._read_at > _LONGEST_AWAY_S
        async with self._context.db.read() as session:
            rows = await repository.all_hotlists(session)
            groups = await repository.groups_of(session, [row.id for row in rows])
            if started - self._places_at > PLACES_S:
                self.places, self._places_at = await repository.places(session), started
        held: dict[str, _Held] = {}
        for row in rows:
            rule = rule_of(row, groups[row.id])
            known = self._held.get(row.id)
            if known is not None and first:
                _stop(known)
            if known is None or first:
                known = _Held(rule)
            known.rule = rule
            if (known.version, known.tolerances) != (row.entries_version, rule.tolerances):
                await self._read_entries(known, row, whole=first)
            held[row.id] = known
        for gone in self._held.keys() - held.keys():
            _stop(self._held[gone])
        self._held, self._read_at = held, started

    async def _read_entries(self, held: _Held, row: Hotlist, *, whole: bool) -> None:
        """One page at once; what is more is read beside the judging, but by a process that holds nothing yet."""
        if held.reading is not None and not held.reading.done():
            return
        reading = _Reading(self._context, held, row)
        if whole:
            await reading.whole(_PAGE)
        elif await reading.page(_PAGE):
            held.reading = asyncio.create_task(reading.beside(), name=f"hotlist-{row.id}")

    @property
    def reading(self) -> bool:
        """Whether large changes are being read: what is judged now has to be judged once more (`read_up`)."""
        return bool(self._tasks())

    def _tasks(self) -> list[asyncio.Task[bool]]:
        found = (held.reading for held in self._held.values())
        return [task for task in found if task is not None and not task.done()]

    async def read_up(self) -> None:
        """Wait until what is being read now has been read. Raises DatabaseUnavailable."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)
            if all(not task.cancelled() and task.result() for task in tasks):
                return
            await asyncio.sleep(_AGAIN_S)
            await self.refresh(0.0)

    async def close(self) -> None:
        await end(*self._tasks())

    def rules(self) -> Iterator[Rule]:
        return (held.rule for held in self._held.values())

    def rule(self, hotlist_id: str) -> Rule | None:
        held = self._held.get(hotlist_id)
        return held.rule if held else None

    def judge(self, seen: Seen) -> list[Finding]:
        """What the lists say of a passage. One that says who may pass says nothing while it is being read: half of it
        would tell of who is on the other half."""
        zone = self._context.settings.zone
        found = []
        for held in self._held.values():
            busy = held.reading is not None and not held.reading.done()
            if held.book is not None and not (busy and held.rule.kind == "allow"):
                found.append(judge(held.rule, held.book, seen, zone))
        return [finding for finding in found if finding is not None]

    def listed(self, hotlist_id: str, seen: Seen) -> bool:
        """Whether the list has the plate of a passage, whatever else it asks for."""
        held = self._held.get(hotlist_id)
        if held is None or held.book is None or seen.plate is None:
            return False
        return held.book.find(seen.plate, seen.at.timestamp(), with_twins=held.rule.twins) is not None


def _stop(held: _Held) -> None:
    if held.reading is not None:
        held.reading.cancel()


def _apply(book: Book, rule: Rule, item: Stored) -> None:
    if item.removed:
        book.drop(item.id)
    else:
        book.put(entry_of(rule, item))


def entry_of(rule: Rule, item: Stored) -> Entry:
    """An entry with the tolerance that counts for it."""
    tolerance = rule.tolerance(len(item.pattern)) if item.tolerance is None else item.tolerance
    until = item.valid_until.timestamp() if item.valid_until else None
    return Entry(item.id, item.pattern, item.match, tolerance if item.match == "fuzzy" else 0.0, until)


def rule_of(row: Hotlist, groups: list[str]) -> Rule:
    return Rule(
        id=row.id, name=row.name, kind=row.kind, priority=row.priority, reason=row.reason, enabled=row.enabled,
        valid_from=row.valid_from, valid_until=row.valid_until, hours=spans_of(row.hours),
        groups=None if row.all_groups else frozenset(groups), directions=frozenset(row.directions), twins=row.twins,
        tolerances={int(length): float(far) for length, far in row.tolerances.items()},
        escalate_after_min=row.escalate_after_min, emails=tuple(row.emails), hook=row.hook_encrypted,
    )  # fmt: skip
