"""The shape of memory: every table, once. Queries live in the rooms' `repository.py`.

Times are UTC. Ids of rows that people meet are time-ordered hex (`contracts.new_id`), so that an index on time
and the key agree and a keyset cursor is cheap.
"""

from functions.shared.tables.alerts import CLONED_LIST, Alert, AlertNotification, Hotlist, HotlistEntry, HotlistGroup
from functions.shared.tables.audit import AuditCheckpoint, AuditHead, AuditRow
from functions.shared.tables.base import PLATE, Table, Utc
from functions.shared.tables.cameras import Camera, CameraSpan, Group
from functions.shared.tables.detections import Correction, Detection, PassageObservation, ProcessedFrame
from functions.shared.tables.messages import IdempotencyKey, OutboxMessage
from functions.shared.tables.people import (
    ApiKey,
    ApiKeyGroup,
    RefreshToken,
    SigningKey,
    SignInTry,
    User,
    UserGroup,
    UserSession,
)
from functions.shared.tables.privacy import (
    DoomedImage,
    Lease,
    LegalHold,
    LookupCount,
    RetentionRule,
    RetentionRun,
    StandingAlarm,
)
from functions.shared.tables.reads import CameraAlias, ReceivedRead
from functions.shared.tables.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "CLONED_LIST",
    "PLATE",
    "Alert",
    "AlertNotification",
    "ApiKey",
    "ApiKeyGroup",
    "AuditCheckpoint",
    "AuditHead",
    "AuditRow",
    "Camera",
    "CameraAlias",
    "CameraSpan",
    "Correction",
    "Detection",
    "DoomedImage",
    "Group",
    "Hotlist",
    "HotlistEntry",
    "HotlistGroup",
    "IdempotencyKey",
    "Lease",
    "LegalHold",
    "LookupCount",
    "OutboxMessage",
    "PassageObservation",
    "ProcessedFrame",
    "ReceivedRead",
    "RefreshToken",
    "RetentionRule",
    "RetentionRun",
    "SignInTry",
    "SigningKey",
    "StandingAlarm",
    "Table",
    "User",
    "UserGroup",
    "UserSession",
    "Utc",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
]
