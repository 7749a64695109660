"""The shape of memory: every table, once. Queries live in the rooms' `repository.py`.

Times are UTC. Ids of rows that people meet are time-ordered hex (`contracts.new_id`), so that an index on time
and the key agree and a keyset cursor is cheap.
"""

from functions.shared.tables.alerts import CLONED_LIST, Alert, AlertNotification, Hotlist, HotlistEntry, HotlistGroup
from functions.shared.tables.audit import AuditHead, AuditRow
from functions.shared.tables.base import PLATE, Table, Utc
from functions.shared.tables.cameras import Camera, CameraSpan, Group
from functions.shared.tables.detections import Correction, Detection, PassageObservation, ProcessedFrame
from functions.shared.tables.messages import IdempotencyKey, OutboxMessage
from functions.shared.tables.people import RefreshToken, SigningKey, User, UserGroup
from functions.shared.tables.reads import CameraAlias, ReceivedRead
from functions.shared.tables.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "CLONED_LIST",
    "PLATE",
    "Alert",
    "AlertNotification",
    "AuditHead",
    "AuditRow",
    "Camera",
    "CameraAlias",
    "CameraSpan",
    "Correction",
    "Detection",
    "Group",
    "Hotlist",
    "HotlistEntry",
    "HotlistGroup",
    "IdempotencyKey",
    "OutboxMessage",
    "PassageObservation",
    "ProcessedFrame",
    "ReceivedRead",
    "RefreshToken",
    "SigningKey",
    "Table",
    "User",
    "UserGroup",
    "Utc",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
]
