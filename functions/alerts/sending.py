"""Notifications go out: by e-mail and by hook, each tried again until it is taken or given up, each with its log."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiosmtplib
from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository_alerts as rows
from functions.alerts.hooks import Hook
from functions.alerts.telling import Place, facts, mail
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import GTVisionError
from functions.shared.outbound import Outbound
from functions.shared.tables import Alert, AlertNotification

log = logs.get("alerts")
AT_ONCE = 20
# Longer than any try takes: after this another process takes it for lost.
LEASE = timedelta(seconds=90)
TIMEOUT_S = 20.0
# Pauses before the next try, s; after the last of them it is given up.
PAUSES = (2.0, 10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)


class _Refused(Exception):
    """Not taken; `final` where another try would be refused the same."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Sender:
    """Sends what is due. `outbound` and `tls` are given by tests."""

    def __init__(self, context: Context, outbound: Outbound | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._context, self._tls = context, tls
        self._outbound = outbound or Outbound(context.settings.webhook_allowed_networks)

    async def close(self) -> None:
        await self._outbound.close()

    async def send_due(self) -> int:
        """Send what is due now; returns how many were tried. Safe in many processes at once."""
        async with self._context.db.read() as session:
            if not await rows.due(session, now()):
                return 0
        async with self._context.db.transaction() as session:
            found = await rows.claim(session, now(), now() + LEASE, AT_ONCE)
        await asyncio.gather(*(self._send(row) for row in found))
        return len(found)

    async def _send(self, row: AlertNotification) -> None:
        try:
            await self._deliver(row)
        except _Refused as refusal:
            _failed(row, str(refusal), final=refusal.final)
        except GTVisionError as error:
            _failed(row, error.message)
        except Exception as error:
            log.exception("notification_failed", notification_id=row.id)
            _failed(row, type(error).__name__)
        else:
            row.status, row.due_at, row.error, row.sent_at = "sent", None, None, now()
        async with self._context.db.transaction() as session:
            await rows.finish(session, row)
        if row.status == "failed":
            log.warning("notification_given_up", notification_id=row.id, channel=row.channel, reason=row.error)

    async def _deliver(self, row: AlertNotification) -> None:
        async with self._context.db.read() as session:
            alert = await rows.alert_by_id(session, row.alert_id)
            if alert is None:
                raise _Refused("the alert is gone", final=True)
            both = alert.kind != "cloned" or await rows.counts_at_both(session, alert)
            place = Place(await rows.camera_name(session, alert.camera_id), both)
            hook = await self._hook(session, alert) if row.channel == "hook" else None
        if hook is not None:
            await self._post(hook, row, facts(self._context.settings, alert, row.event, place))
        else:
            await self._mail(row, alert, place)

    async def _hook(self, session: AsyncSession, alert: Alert) -> Hook:
        hotlist = await rows.hotlist_of(session, alert.hotlist_id)
        if hotlist is None or hotlist.hook_encrypted is None:
            raise _Refused("the list has no hook any more", final=True)
        return Hook.opened(self._context.vault, hotlist.hook_encrypted)

    async def _post(self, hook: Hook, row: AlertNotification, known: Mapping[str, Any]) -> None:
        headers = {"content-type": "application/json", "idempotency-key": row.id}
        answer = await self._outbound.post(hook.url, hook.payload(known), headers)
        if answer.failure is not None:
            raise _Refused(answer.reason)
        if not answer.ok:
            # What the receiver calls wrong stays wrong, but for "not now" and "too many".
            status = answer.status or 0
            raise _Refused(f"answered {status}", final=400 <= status < 500 and status not in (408, 425, 429))

    async def _mail(self, row: AlertNotification, alert: Alert, place: Place) -> None:
        settings = self._context.settings
        if not settings.smtp_host or not settings.smtp_from:
            raise _Refused("no mail server is set: GTV_SMTP_HOST and GTV_SMTP_FROM")
        password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
        message = mail(settings, alert, row.event, place, row.target, row.id)
        try:
            await aiosmtplib.send(
                message, hostname=settings.smtp_host, port=settings.smtp_port, timeout=TIMEOUT_S,
                username=settings.smtp_username or None, password=password, tls_context=self._tls,
                use_tls=settings.smtp_security == "tls", start_tls=settings.smtp_security == "starttls",
            )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise _Refused("the mail server refuses the receiver", final=all(code >= 500 for code in codes)) from error
        except aiosmtplib.SMTPResponseException as error:
            # 5xx says never for a message or receiver (RFC 5321, 4.2.1); of a login it may be mended.
            final = error.code >= 500 and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
            raise _Refused(logs.redact(f"the mail server answered {error.code}"), final=final) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _Refused(f"the mail server cannot be reached: {type(error).__name__}") from error


def _failed(row: AlertNotification, reason: str, *, final: bool = False) -> None:
    row.error = reason[:500]
    if final or row.attempts > len(PAUSES):
        row.status, row.due_at = "failed", None
    else:
        row.status, row.due_at = "waiting", now() + timedelta(seconds=PAUSES[row.attempts - 1])
