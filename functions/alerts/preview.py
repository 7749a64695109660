"""What a list would have been told of in the past days: by indexes, and within a time that somebody waits for.

Exact entries are looked up by their plates, wildcards by what is literal at either end, fuzzy ones by what a reader
confuses and by their first or last characters. What an `allow` list would have said is found newest first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository, repository_preview, service
from functions.alerts.entries import checked
from functions.alerts.memory import entry_of, rule_of
from functions.alerts.patterns import ANY, ONE, Book, Entry
from functions.alerts.repository import Stored
from functions.alerts.repository_preview import Past, Where
from functions.alerts.rules import Finding, Rule, Seen, judge, spans_of
from functions.alerts.schemas import PRIORITIES, PreviewAnswer, PreviewHit, PreviewQuery, RulePreview
from functions.shared import audit, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Conflict, Forbidden, InvalidInput
from functions.shared.plates import CONFUSABLE, STRANGER, twins
from functions.shared.tables import CLONED_LIST
from functions.shared.tokens import Principal

BUDGET_S = 3.0
_CHUNK = 500
# Rows of one range of an index; more are not looked at, and the answer says so.
_RANGE = 5000
# Detections that an allow list is held against.
_SCANNED = 20_000
_ENDS = 3
_MOST_VARIANTS = 400
_MOST_PATTERNS = 2000


@dataclass
class _Search:
    """One preview at work."""

    rule: Rule
    book: Book
    where: Where
    until: float = field(default_factory=lambda: time.monotonic() + BUDGET_S)
    found: dict[str, tuple[Past, Finding]] = field(default_factory=dict)
    looked_at: set[str] = field(default_factory=set)
    complete: bool = True

    @property
    def over(self) -> bool:
        if time.monotonic() > self.until:
            self.complete = False
            return True
        return False

    def hold(self, rows: Iterable[Past], context: Context) -> None:
        for row in rows:
            if row.id not in self.looked_at:
                self.looked_at.add(row.id)
                seen = Seen(row.camera_id, row.group_id, row.started_at, row.plate, row.direction, row.uncertain, True)
                finding = judge(self.rule, self.book, seen, context.settings.zone)
                if finding is not None:
                    self.found[row.id] = (row, finding)


async def preview_rule(context: Context, who: Principal, given: RulePreview) -> PreviewAnswer:
    """What a list that is not there yet would have been told of. Raises InvalidInput, Forbidden (patterns, for roles
    that see plates masked)."""
    if given.group_ids is None and not who.scope.everything:
        raise InvalidInput("group_ids: name groups of yours; null means every camera", field="group_ids")
    priority = PRIORITIES[given.priority] if isinstance(given.priority, str) else given.priority
    rule = Rule(
        id="preview", name="preview", kind=given.kind, priority=priority, reason=given.reason, enabled=True,
        hours=spans_of([item.model_dump() for item in given.hours]), twins=given.twins,
        groups=None if given.group_ids is None else frozenset(given.group_ids),
        directions=frozenset(given.directions), tolerances={int(key): far for key, far in given.tolerances.items()},
    )  # fmt: skip
    wanted = [checked(item) for item in given.entries]
    if any(item["match"] != "exact" for item in wanted):
        _require_unmasked(context, who)
    stored = [
        Stored(str(index), item["pattern"], item["match"], item["tolerance"], None, False, 1)
        for index, item in enumerate(wanted)
    ]
    how = PreviewQuery(days=given.days, limit=given.limit)
    return await _preview(context, who, rule, [entry_of(rule, item) for item in stored], how, None)


async def preview_hotlist(context: Context, who: Principal, hotlist_id: str, query: PreviewQuery) -> PreviewAnswer:
    """What a list as it is now would have been told of, had it been there. Raises NotFound, Conflict (no entries),
    Forbidden (patterns, for roles that see plates masked)."""
    async with context.db.read() as session:
        row = await service.existing(session, who, hotlist_id)
        if row.kind == CLONED_LIST:
            raise Conflict("this list has no entries: its plates are found by themselves")
        groups = (await repository.groups_of(session, [row.id]))[row.id]
        found = await repository.patterns_of(session, row.id, ("wildcard", "fuzzy"), _MOST_PATTERNS)
    if found:
        _require_unmasked(context, who)
    rule = rule_of(row, groups)
    # The validity of list and entries is about what comes; a preview asks about what has been.
    stored = [Stored(item.id, item.pattern, item.match, item.tolerance, None, False, 1) for item in found]
    past = replace(rule, enabled=True, valid_from=None, valid_until=None)
    patterns = [entry_of(past, item) for item in stored]
    return await _preview(context, who, past, patterns, query, row.id)


def _require_unmasked(context: Context, who: Principal) -> None:
    """Raises Forbidden: by pattern after pattern a role that sees plates masked could tell each of them."""
    if masking.hides(context.settings, who):
        raise Forbidden("plates are masked for your role: only whole plates can be previewed", role=who.role.value)


async def _preview(
    context: Context, who: Principal, rule: Rule, entries: Sequence[Entry], how: PreviewQuery, stored: str | None
) -> PreviewAnswer:
    """`entries` beside the exact ones of a list that is stored."""
    if context.settings.search_reason == "plate" and not rule.reason:
        raise InvalidInput("reason: a look-up of plates needs one, a case number or text", field="reason")
    since = now() - timedelta(days=how.days)
    book = Book()
    for entry in entries:
        book.put(entry)
    search = _Search(rule, book, Where(since, who.scope, rule.groups), complete=len(entries) < _MOST_PATTERNS)
    async with context.db.read() as session:
        if rule.kind == "allow":
            await _newest_first(context, session, search, stored)
        else:
            if stored is not None:
                await _by_list(context, session, search, stored)
            await _by_entries(context, session, search, entries)
    await _record(context, who, rule, how.days, len(search.found))
    return _answer(context, who, search, since, how.limit)


async def _by_list(context: Context, session: AsyncSession, search: _Search, hotlist_id: str) -> None:
    """By the exact entries of a list that is stored: joined there, and not read."""
    for twin in (False, True) if search.rule.twins else (False,):
        if search.over:
            return
        rows = await repository_preview.of_list(session, search.where, hotlist_id, _SCANNED, twin=twin)
        search.complete = search.complete and len(rows) < _SCANNED
        await _learn(session, search, hotlist_id, rows)
        search.hold(rows, context)


async def _learn(session: AsyncSession, search: _Search, hotlist_id: str, rows: Sequence[Past]) -> None:
    """Have the book hold those exact entries of a stored list that some passages may match."""
    plates = {row.plate for row in rows if row.plate is not None}
    wanted = plates | {twin for plate in plates for twin in twins(plate)}
    for pattern in await repository.exact_patterns(session, hotlist_id, sorted(wanted)):
        search.book.put(Entry(f"exact {pattern}", pattern, "exact"))


async def _record(context: Context, who: Principal, rule: Rule, days: int, count: int) -> None:
    async with context.db.transaction() as session:
        act = Act("hotlists.preview", rule.id, rule.reason or None, {"days": days, "found": count})
        await audit.record(context.vault, session, who, act)


def _answer(context: Context, who: Principal, search: _Search, since: datetime, limit: int) -> PreviewAnswer:
    newest = sorted(search.found.values(), key=lambda item: (item[0].started_at, item[0].id), reverse=True)
    hidden = masking.hides(context.settings, who)
    return PreviewAnswer(
        since=since, count=len(newest), complete=search.complete, looked_at=len(search.looked_at),
        items=[_hit(row, finding, hidden) for row, finding in newest[:limit]],
    )  # fmt: skip


def _hit(row: Past, finding: Finding, hidden: bool) -> PreviewHit:
    hit = finding.hit
    pattern = hit.entry.pattern if hit else None
    return PreviewHit.model_validate(
        {
            "detection_id": row.id, "camera_id": row.camera_id, "camera_name": row.camera_name,
            "seen_at": row.started_at, "plate": masking.masked(row.plate) if hidden else row.plate,
            "pattern": masking.masked(pattern) if hidden else pattern, "match": hit.entry.kind if hit else None,
            "distance": hit.distance if hit else None, "twin": hit.twin if hit else False, "uncertain": row.uncertain,
        }
    )  # fmt: skip


async def _newest_first(context: Context, session: AsyncSession, search: _Search, stored: str | None) -> None:
    rows = await repository_preview.newest(session, search.where, _SCANNED)
    if stored is not None:
        await _learn(session, search, stored, rows)
    search.complete = len(rows) < _SCANNED
    search.hold(rows, context)


async def _by_entries(context: Context, session: AsyncSession, search: _Search, entries: Sequence[Entry]) -> None:
    texts: list[str] = []
    ranges: list[tuple[str, str]] = []
    for entry in entries:
        if entry.kind == "wildcard":
            ranges += _ends_of(entry.pattern, search.rule.twins)
        else:
            texts += _texts_of(entry, search)
        if entry.kind == "fuzzy":
            ranges += _near_ends(entry)
    texts = list(dict.fromkeys(texts))
    for start in range(0, len(texts), _CHUNK):
        if search.over:
            return
        search.hold(await repository_preview.of_plates(session, search.where, texts[start : start + _CHUNK]), context)
    for prefix, suffix in dict.fromkeys(ranges):
        if search.over:
            return
        rows = await repository_preview.of_ends(session, search.where, prefix, suffix, _RANGE)
        search.complete = search.complete and len(rows) < _RANGE
        search.hold(rows, context)


def _texts_of(entry: Entry, search: _Search) -> list[str]:
    """Plates to be looked up as they are."""
    found = [entry.pattern]
    if entry.kind == "fuzzy":
        found = list(_variants(entry.pattern, entry.tolerance))
        if len(found) >= _MOST_VARIANTS:
            search.complete = False
    return [*found, *(twin for text in found for twin in twins(text) if search.rule.twins)]


def _variants(text: str, left: float) -> Iterator[str]:
    """The text with what a reader confuses, as far as the tolerance goes."""
    waiting: list[tuple[str, int, float]] = [("", 0, left)]
    count = 0
    while waiting and count < _MOST_VARIANTS:
        made, at, rest = waiting.pop()
        if at == len(text):
            count += 1
            yield made
            continue
        options = ((other, cost) for (char, other), cost in CONFUSABLE.items() if char == text[at])
        waiting += [(made + other, at + 1, rest - cost) for other, cost in options if cost <= rest + 1e-9]
        waiting.append((made + text[at], at + 1, rest))


def _ends_of(pattern: str, with_twins: bool) -> list[tuple[str, str]]:
    """What is literal at the beginning and the end of a wildcard: one of them bounds an index."""
    parts = pattern.replace(ONE, ANY).split(ANY)
    head, tail = parts[0], parts[-1]
    # The fifth character of a plate is another in its twin: what stands before it, or after it, is the same.
    if with_twins:
        head, tail = head[:4], tail[-2:]
    return [(head, "")] if len(head) >= len(tail) else [("", tail)]


def _near_ends(entry: Entry) -> list[tuple[str, str]]:
    """A fuzzy entry that may have a character too many, too few, or wrong has it at one end, and not at the other."""
    if entry.tolerance < STRANGER or len(entry.pattern) < 2 * _ENDS:
        return []
    return [(entry.pattern[:_ENDS], ""), ("", entry.pattern[-_ENDS:])]
