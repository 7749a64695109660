"""The outside of `retention`: what is kept and for how long, legal holds, a person's data, the log of who did what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from functions.retention import audit_log, service, starting, subject, watch
from functions.retention.schemas import (
    Allowed,
    AuditPage,
    AuditQuery,
    EraseReport,
    EraseRequest,
    HoldCreate,
    HoldPage,
    HoldQuery,
    HoldView,
    LookupsPage,
    PolicyChange,
    PolicyPage,
    PolicyView,
    ReconcileStart,
    Release,
    Resealed,
    RunPage,
    RunQuery,
    RunStart,
    RunView,
    SubjectReport,
    SubjectRequest,
    VerdictView,
    VerifyRequest,
)
from functions.shared.contracts import CAMERA_ID
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.openapi import may_answer
from functions.shared.tokens import Principal
from functions.shared.web import Ctx, Startup, Who, Worker, create_app


def everything(who: Who) -> Principal:
    service.require_everything(who)
    return who


# Administrators of some groups alone may not: retention, erasure and the log concern all cameras.
Admin = Annotated[Principal, Depends(everything)]
RowId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
ClassName = Annotated[
    str,
    Path(
        pattern=r"^[a-z_]{1,32}$", description="a class of data: `name` of the policy",
        examples=["detections"],
    ),
]  # fmt: skip
_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {}}, "description": "JSON lines: a head, a row each, an end"}
}

router = APIRouter(prefix="/api", tags=["retention"])
startup: list[Startup] = []
workers: list[Worker] = [watch.worker, starting.worker]


@router.get("/retention/policy")
async def policy(context: Ctx, _: Admin) -> PolicyPage:
    """Every class of data: what it is, where it lies, for how long it is kept and why it may be."""
    return await service.policies(context)


@router.put("/retention/policy/{class_name}")
async def set_policy(class_name: ClassName, body: PolicyChange, context: Ctx, who: Admin) -> PolicyView:
    """Keep a class for another number of days, everywhere or for one group of cameras. The next run goes by it."""
    return await service.set_policy(context, who, class_name, body)


@router.delete("/retention/policy/{class_name}")
async def drop_policy(
    class_name: ClassName, context: Ctx, who: Admin, group_id: Annotated[str | None, Query(pattern=CAMERA_ID)] = None
) -> PolicyView:
    """Back to the setting's days, or of a group to the platform's."""
    return await service.drop_policy(context, who, class_name, group_id)


@router.post("/retention/runs", status_code=202)
async def start_run(body: RunStart, context: Ctx, who: Admin) -> RunView:
    """Delete what is due now, or with `dry_run` count it. Answers when the run is done, or while it goes on."""
    return await service.one_run(context, await starting.retention(context, who, dry_run=body.dry_run))


@router.post("/retention/reconcile", status_code=202)
async def start_reconciliation(body: ReconcileStart, context: Ctx, who: Admin) -> RunView:
    """Compare the store with the rows: pictures that no row names, rows whose picture is not there."""
    return await service.one_run(context, await starting.reconciliation(context, who, body))


@router.get("/retention/runs")
async def runs(query: Annotated[RunQuery, Query()], context: Ctx, _: Admin) -> RunPage:
    """What runs, erasures and comparisons did, newest first."""
    return await service.runs(context, query)


@router.get("/retention/runs/{run_id}")
async def one_run(run_id: RowId, context: Ctx, _: Admin) -> RunView:
    return await service.one_run(context, run_id)


@router.get("/retention/holds")
async def holds(query: Annotated[HoldQuery, Query()], context: Ctx, _: Admin) -> HoldPage:
    """Legal holds, newest first."""
    return await service.holds(context, query)


@router.post("/retention/holds", status_code=201, response_model=HoldView, openapi_extra=OPENAPI)
async def add_hold(body: HoldCreate, request: Request, context: Ctx, who: Admin) -> Response:
    """Keep passages and their pictures, whatever their age, until the hold is released or over."""
    answer = await service.add_hold(context, who, await attempt_of(request, who), body)
    return JSONResponse(answer.body, answer.status, answer.headers)


@router.post("/retention/holds/{hold_id}/release")
async def release_hold(hold_id: RowId, body: Release, context: Ctx, who: Admin) -> HoldView:
    """End a hold. What is due then goes with the next run."""
    return await service.release_hold(context, who, hold_id, body)


@router.post("/privacy/report")
async def report(body: SubjectRequest, context: Ctx, who: Admin) -> SubjectReport:
    """Everything stored on a plate and its twin (LGPD art. 18): passages, pictures, corrections, look-ups."""
    return await subject.report(context, who, body)


@router.post("/privacy/erase", responses=may_answer(409))
async def erase(body: EraseRequest, context: Ctx, who: Admin) -> EraseReport:
    """Delete what is stored on a plate and its twin, with a proof. 409 where a legal hold keeps it."""
    return await subject.erase(context, who, body)


@router.get("/privacy/lookups")
async def lookups(context: Ctx, _: Admin) -> LookupsPage:
    """How much each person looked up in the past hour and day, and the limits."""
    return await service.looked_up(context)


@router.post("/privacy/lookups/{user_id}/allow")
async def allow(user_id: RowId, body: Release, context: Ctx, who: Admin) -> Allowed:
    """Strike somebody's counts, so that they may look up more."""
    return await service.allow(context, who, user_id, body.reason)


@router.get("/auth/audit")
async def audit(query: Annotated[AuditQuery, Query()], context: Ctx, who: Admin) -> AuditPage:
    """Who did what, newest first. To read it is itself in the log."""
    return await audit_log.page(context, who, query)


@router.get("/auth/audit/export", response_class=StreamingResponse, responses={**_LINES, **may_answer(404)})
async def export(
    context: Ctx,
    who: Admin,
    from_seq: Annotated[int, Query(ge=1, lt=1 << 62, description="the first row that is wanted, by its number")] = 1,
    until: Annotated[int | None, Query(ge=1, lt=1 << 62, description="the last one; absent: the log's end")] = None,
) -> StreamingResponse:
    """The log as JSON lines, which `gtvision audit verify --file` proves without this server."""
    lines = await audit_log.export(context, who, from_seq, until)
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


@router.post("/auth/audit/verify")
async def verify(context: Ctx, who: Admin, body: VerifyRequest | None = None) -> VerdictView:
    """Walk over the whole log and say whether any row was changed, taken out, put in or put back."""
    return await audit_log.verify(context, who, body.noted if body else None)


@router.post("/auth/audit/keys/rotate")
async def reseal(context: Ctx, who: Admin) -> Resealed:
    """Seal the log anew under the first of GTV_FERNET_KEYS, after making sure that the present seal holds."""
    return await audit_log.reseal(context, who)


app = create_app("retention", [router], startup=startup, workers=workers)
