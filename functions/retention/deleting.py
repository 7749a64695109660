"""One run of retention: what is due goes, class by class, in batches; pictures after the rows that named them.

A batch takes rows away and dooms their pictures in one transaction; then the store is told to delete what is doomed.
Whatever dies in between, the next run goes on: nothing is shown without its picture, no picture is left unknown.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import socket
from collections import Counter
from datetime import timedelta
from typing import Any

from prometheus_client import Counter as Metric
from prometheus_client import Gauge
from sqlalchemy.exc import IntegrityError

from functions.retention import audit_held, due, policy, reconcile, repository
from functions.retention.due import Doom
from functions.retention.policy import Plan
from functions.shared import audit, audit_check, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, GTVisionError
from functions.shared.leases import take_lease
from functions.shared.tables import RetentionRun
from functions.shared.tokens import Principal

log = logs.get("retention")
LEASE, LEASE_LIFE = "retention", timedelta(minutes=3)
BATCH, IMAGES, AUDIT_ROWS = 200, 500, 20_000
EXAMPLES = 20
# Days before today that each run also looks through for pictures without a row and rows without a picture.
RECONCILED_DAYS = 3
ROWS_DELETED = Metric("gtv_retention_rows_deleted_total", "Rows that retention deleted", ["data_class"])
IMAGES_DELETED = Metric("gtv_retention_images_deleted_total", "Pictures that were deleted", ["data_class"])
LAST_DONE = Gauge("gtv_retention_last_done_timestamp_seconds", "When a run of retention was last done")


def holder() -> str:
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{new_id()[-8:]}"


class Run:
    """A run under way: its row, its report, its lease."""

    def __init__(self, context: Context, kind: str, by: Principal | str, *, dry_run: bool = False) -> None:
        self.context, self.kind, self.by, self.dry_run = context, kind, by, dry_run
        self.id, self.holder, self.report = new_id(), holder(), dict[str, Any]()
        self.leased = not dry_run and kind != "erase"
        # Pictures that could not be deleted in this run.
        self.stuck: set[str] = set()

    async def begin(self) -> None:
        """Raises Conflict while another process runs; a dry run waits for nobody."""
        if self.leased:
            await self.renew()
        row = RetentionRun(
            id=self.id, kind=self.kind, dry_run=self.dry_run, state=repository.RUNNING, started_at=now(),
            started_by=self.by if isinstance(self.by, str) else self.by.username, report={},
        )  # fmt: skip
        async with self.context.db.transaction() as session:
            if self.leased:
                await repository.end_stale_runs(session, self.id)
            session.add(row)

    async def renew(self) -> None:
        try:
            async with self.context.db.transaction() as session:
                mine = await take_lease(session, LEASE, self.holder, LEASE_LIFE)
        except IntegrityError:
            mine = False
        if not mine:
            raise Conflict("retention runs already, or was taken over by another process; try again in some minutes")

    async def end(self, failure: BaseException | None) -> None:
        """Write the report and, of what changed anything, the audit row."""
        state = "failed" if failure is not None else "done"
        message = getattr(failure, "message", None) or (type(failure).__name__ if failure else None)
        async with self.context.db.transaction() as session:
            await repository.write_run(
                session, self.id, state=state, ended_at=now(), report=self.report,
                message=message[:500] if message else None,
            )  # fmt: skip
            await repository.give_lease_back(session, LEASE, self.holder)
            if not self.dry_run:
                details = {"state": state, **totals(self.report)}
                act = Act(f"retention.{self.kind}", self.id, details=details)
                await audit.record(self.context.vault, session, self.by, act)
        if failure is None and not self.dry_run:
            LAST_DONE.set_to_current_time()


def totals(report: dict[str, Any]) -> dict[str, Any]:
    """The sums of a report, for the log."""
    classes = report.get("classes", {}).values()
    found = {name: sum(each.get(name, 0) for each in classes) for name in ("rows", "images", "bytes", "held")}
    return found | {name: report[name] for name in ("orphans", "missing", "mended") if name in report}


async def run(context: Context, by: Principal | str, *, dry_run: bool = False) -> str:
    """Delete what is due, or only count it; the run's id. Raises Conflict while another process is at it, and what
    the database or the store raise: the report then says how far it came."""
    work = Run(context, "run", by, dry_run=dry_run)
    await work.begin()
    await go_on(work)
    return work.id


async def go_on(work: Run) -> None:
    """What `run` does once it has begun."""
    failure: BaseException | None = None
    try:
        await _sweep(work)
    except BaseException as error:
        failure = error
        raise
    finally:
        await asyncio.shield(work.end(failure))
        level = log.info if failure is None else log.warning
        level("retention_ran", run_id=work.id, dry_run=work.dry_run, **totals(work.report))


async def _sweep(work: Run) -> None:
    context = work.context
    found = await policy.plans(context, now())
    # Alerts first: the passages that prove them go in the same run.
    found.sort(key=lambda plan: plan.of.name != "alerts")
    classes = work.report["classes"] = dict[str, Any]()
    for plan in found:
        latest = plan.cutoffs.latest
        entry = {"days": plan.days, "cutoff": latest.isoformat() if latest else None,
                 "rows": 0, "images": 0, "bytes": 0, "held": 0}  # fmt: skip
        classes[plan.of.name] = entry
        if latest is not None:
            await _sweep_class(work, plan, entry)
    if work.dry_run:
        return
    await drain(work)
    # What no row names is deleted by itself only when its time is over too: rows may be back from a backup tomorrow.
    lately = reconcile.Span(since=now() - timedelta(days=RECONCILED_DAYS))
    work.report |= await reconcile.look(context, lately, reconcile.NOTHING)
    oldest = policy.oldest_cutoff(found)
    if oldest is not None:
        mend = reconcile.Mend(Doom("orphans", work.id))
        work.report["overdue"] = await reconcile.look(context, reconcile.Span(before=oldest), mend)
        await drain(work)


async def _sweep_class(work: Run, plan: Plan, entry: dict[str, Any]) -> None:
    if plan.of.name == "audit":
        await _sweep_audit(work, plan, entry)
    elif plan.of.name == "images":
        await _sweep_images(work, plan, entry)
    elif plan.of.name in due.ROWS:
        await _sweep_rows(work, plan, entry)


async def _sweep_rows(work: Run, plan: Plan, entry: dict[str, Any]) -> None:
    spec = due.ROWS[plan.of.name]
    if work.dry_run:
        async with work.context.db.read() as session:
            entry["rows"] = await due.counted(session, spec, plan.cutoffs, held=False)
    while not work.dry_run:
        await work.renew()
        async with work.context.db.transaction() as session:
            batch = await due.take(session, spec, plan.cutoffs, Doom(plan.of.name, work.id), BATCH)
            entry["rows"] += batch.rows
            await repository.write_run(session, work.id, report=work.report)
        ROWS_DELETED.labels(plan.of.name).inc(batch.rows)
        if batch.images:
            await drain(work)
        if batch.rows < BATCH:
            break
    async with work.context.db.read() as session:
        entry["held"] = await due.counted(session, spec, plan.cutoffs, held=True)
        if spec.needed is not None:
            entry["needed"] = await due.counted_needed(session, spec, plan.cutoffs)


async def _sweep_images(work: Run, plan: Plan, entry: dict[str, Any]) -> None:
    if work.dry_run:
        async with work.context.db.read() as session:
            entry["images"] = await due.counted_images(session, plan.cutoffs, held=False)
    while not work.dry_run:
        await work.renew()
        async with work.context.db.transaction() as session:
            batch = await due.take_images(session, plan.cutoffs, Doom(plan.of.name, work.id), BATCH)
        if batch.images:
            await drain(work)
        if batch.rows < BATCH:
            break
    async with work.context.db.read() as session:
        entry["held"] = await due.counted_images(session, plan.cutoffs, held=True)


async def _sweep_audit(work: Run, plan: Plan, entry: dict[str, Any]) -> None:
    """The log goes from its beginning and in one piece: what a legal hold names keeps all that follows."""
    cutoff = plan.cutoffs.default
    while cutoff is not None:
        async with work.context.db.read() as session:
            kept = await audit_held.first_named(session, cutoff)
            last = await audit_check.last_before(session, cutoff, AUDIT_ROWS, kept)
            entry["held"] = await audit_check.count_kept(session, cutoff, kept)
            if kept is not None:
                entry["held_from"] = kept
            if work.dry_run:
                entry["rows"] = await audit_check.count_before(session, cutoff) - entry["held"]
        if last is None or work.dry_run:
            return
        await work.renew()
        archive = await _archived(work.context, last.seq) if work.context.settings.retention_audit_archive else None
        async with work.context.db.transaction() as session:
            kept = await audit_held.first_named(session, cutoff)
            if kept is not None and kept <= last.seq:
                # A hold was placed just now.
                continue
            checkpoint = await audit_check.cut(work.context.vault, session, last, archive)
            entry["rows"] += checkpoint.rows
            await repository.write_run(session, work.id, report=work.report)
        ROWS_DELETED.labels("audit").inc(checkpoint.rows)


async def _archived(context: Context, until: int) -> audit_check.Archive:
    """The rows up to one as a file of the store: JSON lines in gzip, as `gtvision audit verify --file` reads them."""
    lines, first = list[str](), 0
    async with context.db.read() as session:
        async for row in audit_check.rows(session, 0, until):
            first = first or row.seq
            lines.append(json.dumps({**audit.facts_of(row), "hash": row.hash}, ensure_ascii=True, sort_keys=True))
    data = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    key = f"audit/{first:012d}-{until:012d}.jsonl.gz"
    await context.store.put(key, data, "application/gzip")
    return audit_check.Archive(key, hashlib.sha256(data).hexdigest())


async def drain(work: Run) -> None:
    """Have the store delete what is doomed. Raises StoreUnavailable; what could not be deleted waits for the next
    run, and the report names some of it."""
    context, begun = work.context, now()
    while True:
        async with context.db.read() as session:
            found = await due.doomed(session, IMAGES, begun)
        fresh = [row for row in found if row.key not in work.stuck]
        if not fresh:
            return
        if work.leased:
            await work.renew()
        for name, keys in _by_class(fresh).items():
            done = await context.store.delete_many(keys)
            entry = work.report.setdefault("classes", {}).setdefault(name, dict.fromkeys(("rows", "held"), 0))
            entry["images"] = entry.get("images", 0) + done.count
            entry["bytes"] = entry.get("bytes", 0) + done.size
            IMAGES_DELETED.labels(name).inc(done.count)
            _note(work.report, done.failed)
            work.stuck |= done.failed.keys()
            async with context.db.transaction() as session:
                await due.gone(session, [key for key in keys if key not in done.failed], list(done.failed))


def _by_class(found: list[Any]) -> dict[str, list[str]]:
    sorted_out: dict[str, list[str]] = {}
    for row in found:
        sorted_out.setdefault(row.class_name, []).append(row.key)
    return sorted_out


def _note(report: dict[str, Any], failed: dict[str, str]) -> None:
    if not failed:
        return
    errors = report.setdefault("errors", {"count": 0, "reasons": {}, "examples": []})
    errors["count"] += len(failed)
    errors["reasons"] = dict(Counter(errors["reasons"]) + Counter(failed.values()))
    errors["examples"] = (errors["examples"] + sorted(failed))[:EXAMPLES]


async def fails_softly(context: Context, by: Principal | str) -> None:
    """A run by the clock: what fails is logged, and tried again later."""
    try:
        await run(context, by)
    except Conflict:
        log.info("retention_elsewhere")
    except GTVisionError as error:
        log.warning("retention_failed", reason=error.message, mend=error.details.get("mend", ""))
