"""What the live feed says of alerts: that there is one, and no more.

Plate, list and reason are asked for by `GET /api/alerts/{id}`, which knows what the reader may see of them.
"""

from __future__ import annotations

from typing import cast, get_args

from functions.console.schemas import AlertChange, LiveAlert
from functions.shared.contracts import PREFIX, AlertMessage

ALERTS = f"{PREFIX}.alerts."
TYPES = "gtv.alert."
# Beside them `alerts.` has alarms of the platform's own, of look-ups and disks, which are no camera's.
SUBJECTS = tuple(f"{ALERTS}{change}.*" for change in get_args(AlertChange))


class _Told(AlertMessage):
    """Any of the messages about an alert."""

    subject_root = ALERTS.rstrip(".")
    type = ""


def live_alert(subject: str, body: bytes) -> LiveAlert:
    """Raises ValidationError for what is no message about an alert."""
    message = _Told.model_validate_json(body)
    change = cast(AlertChange, subject.removeprefix(ALERTS).partition(".")[0])
    return LiveAlert(
        id=message.alert_id, change=change, camera_id=message.camera_id, kind=message.kind,
        priority=message.priority, raised_at=message.raised_at,
    )  # fmt: skip
