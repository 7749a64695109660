"""Two groups of cameras with one of everything that any room keeps: what `test_scope.py` asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import CameraChanged, new_id, now
from functions.shared.signatures import new_secret
from functions.shared.store import image_key
from functions.shared.tables import (
    CLONED_LIST,
    Alert,
    Camera,
    CameraAlias,
    CameraSpan,
    Correction,
    Detection,
    Group,
    Hotlist,
    HotlistEntry,
    HotlistGroup,
    LegalHold,
    RetentionRun,
    Webhook,
    WebhookDelivery,
)
from functions.shared.vault import Vault

MINE, THEIRS = "alpha", "bravo"
# A plate that was seen in both groups, twice in each, with the group's own plate near by.
SHARED = "CAR2B22"


def ids(name: str) -> Mapping[str, str]:
    """Path parameters of what is of a group."""
    row = name[0] * 32
    return {
        "camera_id": f"{name}-cam", "group_id": name, "detection_id": row, "correction_id": row, "hotlist_id": row,
        "entry_id": row, "alert_id": row, "webhook_id": row, "delivery_id": row, "hold_id": row, "run_id": row,
        "alias": f"{name}-alias", "plate": SHARED, "class_name": "detections",
    }  # fmt: skip


def plate_of(name: str) -> str:
    return f"{name[:3].upper()}1A11"


def marks(name: str) -> tuple[str, ...]:
    """What an answer holds that shows something of a group."""
    return f"{name}-cam", f'"{name}"', name.capitalize(), plate_of(name), name[0] * 32


def pictures(name: str) -> tuple[str, ...]:
    """Keys of the images that the rows of a group name; both are of the same time."""
    return tuple(image_key(kind, f"{name}-cam", now().replace(hour=0), name[0] * 32) for kind in ("vehicles", "plates"))


async def seed(session: AsyncSession, vault: Vault, name: str) -> None:
    """A row of every kind that is of the group `name`."""
    at, of = now(), ids(name)
    session.add(Group(id=name, name=name.capitalize(), plate_formats=["br_old"], created_at=at, updated_at=at))
    await session.flush()
    session.add(
        Camera(
            id=of["camera_id"], name=f"{name.capitalize()} Camera", url_encrypted=vault.encrypt("rtsp://127.0.0.1:9/x"),
            enabled=True, group_id=name, revision=1, created_at=at - timedelta(hours=1), updated_at=at,
        )
    )  # fmt: skip
    await session.flush()
    session.add_all([CameraAlias(alias=of["alias"], camera_id=of["camera_id"], created_at=at), *_passages(name)])
    session.add_all(_retention(name))
    _, plate = pictures(name)
    session.add(
        Correction(
            id=of["correction_id"], detection_id=of["detection_id"], camera_id=of["camera_id"], created_at=at,
            created_by="x", source="person", plate_before=plate_of(name), plate_after=plate_of(name),
            plate_format="br_mercosul", plate_snapshot_key=plate,
        )
    )  # fmt: skip
    await _seed_alerts(session, name)


def _passages(name: str) -> list[Detection | CameraSpan]:
    """The group's own plate, and the shared one before and after it."""
    at, of = now(), ids(name)
    vehicle, crop = pictures(name)
    seen = [(of["detection_id"], plate_of(name), 2), (f"{name[0] * 31}1", SHARED, 1), (f"{name[0] * 31}2", SHARED, 3)]
    rows: list[Detection | CameraSpan] = [
        Detection(
            id=row_id, camera_id=of["camera_id"], started_at=at - timedelta(minutes=ago),
            ended_at=at - timedelta(minutes=ago - 1), final=True, plate=plate, plate_read=plate,
            plate_reversed=plate[::-1], plate_confidence=0.9, plate_format="br_mercosul", candidates=[],
            box=[1, 2, 3, 4], snapshot_key=vehicle, plate_snapshot_key=crop, correlation_id="x", created_at=at,
            updated_at=at,
        )
        for row_id, plate, ago in seen
    ]  # fmt: skip
    off = {"state": "offline", "reason_code": "no_route", "started_at": at - timedelta(minutes=30), "ended_at": None}
    return [*rows, CameraSpan(id=of["detection_id"], camera_id=of["camera_id"], **off)]


def _retention(name: str) -> list[LegalHold | RetentionRun]:
    at, of = now(), ids(name)
    hold = LegalHold(
        id=of["hold_id"], case_number=name.capitalize(), reason="x", plate=plate_of(name), camera_id=of["camera_id"],
        created_at=at, created_by="x",
    )  # fmt: skip
    run = RetentionRun(
        id=of["run_id"], kind="run", dry_run=True, state="done", started_at=at, started_by="x", ended_at=at,
        report={"camera": of["camera_id"]},
    )  # fmt: skip
    return [hold, run]


async def _seed_alerts(session: AsyncSession, name: str) -> None:
    """A list of the group with an entry, and an alert about a plate that was seen in the other group too."""
    at, of = now(), ids(name)
    other = ids(THEIRS if name == MINE else MINE)
    session.add(
        Hotlist(
            id=of["hotlist_id"], name=f"{name.capitalize()} list", kind="watch", owner="x", reason="x", priority=50,
            enabled=True, hours=[], all_groups=False, directions=[], twins=False, tolerances={}, emails=[],
            escalation_emails=[], entries=1, entries_version=1, revision=1, created_by="x", created_at=at,
            updated_at=at,
        )
    )  # fmt: skip
    await session.flush()
    session.add_all(
        [
            HotlistGroup(hotlist_id=of["hotlist_id"], group_id=name),
            HotlistEntry(
                id=of["entry_id"], hotlist_id=of["hotlist_id"], pattern=plate_of(name), match="exact", version=1,
                removed=False, created_by="x", created_at=at, updated_at=at,
            ),
            Alert(
                id=of["alert_id"], hotlist_id=CLONED_LIST, kind="cloned", list_name="Cloned", priority=90, reason="x",
                camera_id=of["camera_id"], detection_id=of["detection_id"], other_camera_id=other["camera_id"],
                other_detection_id=other["detection_id"], seen_at=at, plate=plate_of(name), uncertain=False,
                details={
                    "cloned": {"km": 9.0, "seconds": 1.0, "kmh": 900, "differ": [], "colors": [None, other["group_id"]],
                               "types": [None, None]},
                    "sightings": [
                        {"detection_id": one["detection_id"], "camera_id": one["camera_id"], "seen_at": at.isoformat()}
                        for one in (of, other)
                    ],
                },
                state="open", raised_at=at, correlation_id="x",
            ),
        ]
    )  # fmt: skip


@dataclass(frozen=True)
class Owner:
    """Whose webhook: `bound` where a key that sees one group made it."""

    user_id: str
    name: str
    hook_id: str = field(default_factory=new_id)
    bound: bool = False


async def seed_hooks(session: AsyncSession, vault: Vault, owners: Sequence[Owner]) -> None:
    """A webhook of each owner, for the camera of a group, with a delivery."""
    at = now()
    for owner in owners:
        of = ids(owner.name)
        session.add(
            Webhook(
                id=owner.hook_id, owner_id=owner.user_id, name=f"{owner.name.capitalize()} hook",
                url_encrypted=vault.encrypt("https://127.0.0.1:9/x"), event_types=[], camera_ids=[of["camera_id"]],
                group_ids=[owner.name], secret_encrypted=vault.encrypt(new_secret()), created_at=at, updated_at=at,
                bound_to=[owner.name] if owner.bound else None,
            )
        )  # fmt: skip
        await session.flush()
        if owner.hook_id == of["webhook_id"]:
            event = {"camera_id": of["camera_id"], "change": "created", "name": owner.name.capitalize(), "revision": 1}
            session.add(
                WebhookDelivery(
                    id=of["delivery_id"], webhook_id=owner.hook_id, event_id="x", type=CameraChanged.type, source="x",
                    camera_id=of["camera_id"], occurred_at=at, event=event, state="dead", created_at=at,
                )
            )  # fmt: skip
