"""The lists as one process holds them: what changed is read anew, by version, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from functions.alerts import repository
from functions.alerts.patterns import Book, Entry
from functions.alerts.repository import Place, Stored
from functions.alerts.rules import Finding, Rule, Seen, judge, spans_of
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.tables import Hotlist

log = logs.get("alerts")
# How old what is held may be when a passage is judged: a new entry counts at the latest after this.
FRESH_S = 0.5
# Cameras are moved to another group seldom.
PLACES_S = 5.0
# Entries that were taken out are kept for this long, for processes to hear of it; one that was away longer reads anew.
REMOVED_KEPT = timedelta(days=7)
_LONGEST_AWAY_S = 86_400.0
_PAGE = 2000


@dataclass
class _Held:
    rule: Rule
    revision: int
    version: int
    book: Book


class Memory:
    """Lists, their entries, and where the cameras are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held: dict[str, _Held] = {}
        self.places: dict[str, Place] = {}
        self._read_at = self._places_at = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self, max_age_s: float = FRESH_S) -> None:
        """Have what is held be no older than this. Raises DatabaseUnavailable."""
        asked_at = time.monotonic()
        if asked_at - self._read_at <= max_age_s:
            return
        async with self._turn:
            if time.monotonic() - self._read_at > max_age_s:
                await self._read()

    async def _read(self) -> None:
        started = time.monotonic()
        if started - self._read_at > _LONGEST_AWAY_S:
            self._held = {}
        async with self._context.db.read() as session:
            rows = await repository.all_hotlists(session)
            groups = await repository.groups_of(session, [row.id for row in rows])
            if started - self._places_at > PLACES_S:
                self.places, self._places_at = await repository.places(session), started
        held: dict[str, _Held] = {}
        for row in rows:
            rule = rule_of(row, groups[row.id])
            known = self._held.get(row.id)
            # A tolerance that follows the list's own is part of each entry that is held.
            if known is None or known.rule.tolerances != rule.tolerances:
                known = _Held(rule, row.revision, 0, Book())
            known.rule, known.revision = rule, row.revision
            if known.version != row.entries_version:
                await self._read_entries(known, row)
            held[row.id] = known
        self._held, self._read_at = held, started

    async def _read_entries(self, held: _Held, row: Hotlist) -> None:
        behind, count, since = "", 0, held.version
        while True:
            # Page by page, so that a list of hundreds of thousands does not hold up what else runs here.
            async with self._context.db.read() as session:
                page = await repository.entries_since(session, row.id, since, behind, _PAGE)
            for item in page:
                _apply(held.book, held.rule, item)
            count += len(page)
            if len(page) < _PAGE:
                break
            behind = page[-1].pattern
            await asyncio.sleep(0)
        held.version = row.entries_version
        log.info("hotlist_read", hotlist_id=row.id, changed=count, entries=len(held.book), version=held.version)

    def rules(self) -> Iterator[Rule]:
        return (held.rule for held in self._held.values())

    def rule(self, hotlist_id: str) -> Rule | None:
        held = self._held.get(hotlist_id)
        return held.rule if held else None

    def judge(self, seen: Seen) -> list[Finding]:
        """What the lists say of a passage."""
        zone = self._context.settings.zone
        found = (judge(held.rule, held.book, seen, zone) for held in self._held.values())
        return [finding for finding in found if finding is not None]

    def listed(self, hotlist_id: str, seen: Seen) -> bool:
        """Whether the list has the plate of a passage, whatever else it asks for."""
        held = self._held.get(hotlist_id)
        if held is None or seen.plate is None:
            return False
        return held.book.find(seen.plate, seen.at.timestamp(), with_twins=held.rule.twins) is not None


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
