"""What a list would have been told of in the past days: by indexes, and within a time that somebody waits for.

Entries are looked up by what they may have meant (`candidates`), the exact ones of a stored list by a join. What an
`allow` list would have said is found newest first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository, repository_preview, service
from functions.alerts.candidates import candidates
from functions.alerts.entries import checked
from functions.alerts.memory import entry_of, rule_of
from functions.alerts.patterns import Book, Entry
from functions.alerts.repository import Stored
from functions.alerts.repository_preview import Past, Where
from functions.alerts.rules import Finding, Rule, Seen, judge, spans_of
from functions.alerts.schemas import PRIORITIES, PreviewAnswer, PreviewHit, PreviewQuery, RulePreview
from functions.shared import audit, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from functions.shared.plates import twins
from functions.shared.tables import CLONED_LIST, Hotlist
from functions.shared.tokens import Principal

BUDGET_S = 3.0
_CHUNK = 500
# Rows of one range of an index; more are not looked at, and the answer says so.
_RANGE = 5000
# Detections that an allow list is held against.
_SCANNED = 20_000
_MOST_PATTERNS, _MOST_ENDS = 2000, 60


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
    """What a rule that is not saved yet would have been told of. Raises InvalidInput (also for a list whose
    entries it cannot have), Forbidden (patterns, for roles that see plates masked)."""
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
    if given.hotlist_id is not None:
        async with context.db.read() as session:
            try:
                row = await _open_list(session, who, given.hotlist_id)
            except (NotFound, Conflict) as error:
                raise InvalidInput(f"hotlist_id: {error.message}", field="hotlist_id") from None
            stored += await _patterns(context, who, session, row)
    how = PreviewQuery(days=given.days, limit=given.limit)
    return await _preview(context, who, rule, [entry_of(rule, item) for item in stored], how, given.hotlist_id)


async def preview_hotlist(context: Context, who: Principal, hotlist_id: str, query: PreviewQuery) -> PreviewAnswer:
    """What a list as it is now would have been told of, had it been there. Raises NotFound, Conflict (no entries),
    Forbidden (patterns, for roles that see plates masked)."""
    async with context.db.read() as session:
        row = await _open_list(session, who, hotlist_id)
        groups = (await repository.groups_of(session, [row.id]))[row.id]
        stored = await _patterns(context, who, session, row)
    rule = rule_of(row, groups)
    past = replace(rule, enabled=True, valid_from=None, valid_until=None)
    patterns = [entry_of(past, item) for item in stored]
    return await _preview(context, who, past, patterns, query, row.id)


async def _open_list(session: AsyncSession, who: Principal, hotlist_id: str) -> Hotlist:
    row = await service.existing(session, who, hotlist_id)
    if row.kind == CLONED_LIST:
        raise Conflict("this list has no entries: its plates are found by themselves")
    return row


async def _patterns(context: Context, who: Principal, session: AsyncSession, row: Hotlist) -> list[Stored]:
    """The entries of a list that are no whole plates. The validity of list and entries is about what comes; a preview
    asks about what has been."""
    found = await repository.patterns_of(session, row.id, ("wildcard", "fuzzy"), _MOST_PATTERNS)
    if found:
        _require_unmasked(context, who)
    return [Stored(item.id, item.pattern, item.match, item.tolerance, None, False, 1) for item in found]


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
    search.complete = search.complete and len(rows) < _SCANNED
    search.hold(rows, context)


async def _by_entries(context: Context, session: AsyncSession, search: _Search, entries: Sequence[Entry]) -> None:
    wanted = [candidates(entry, with_twins=search.rule.twins) for entry in entries]
    texts = list(dict.fromkeys(text for found in wanted for text in found.texts))
    for start in range(0, len(texts), _CHUNK):
        if search.over:
            return
        search.hold(await repository_preview.of_plates(session, search.where, texts[start : start + _CHUNK]), context)
    ends = list(dict.fromkeys(ends for found in wanted for ends in found.ends))
    # Of so many questions one for everything may be the cheaper one.
    if len(ends) > _MOST_ENDS and not search.over:
        rows = await repository_preview.newest(session, search.where, _SCANNED)
        search.hold(rows, context)
        if len(rows) < _SCANNED:
            return
    for prefix, suffix in ends:
        if search.over:
            return
        rows = await repository_preview.of_ends(session, search.where, prefix, suffix, _RANGE)
        search.complete = search.complete and len(rows) < _RANGE
        search.hold(rows, context)
