"""Who is told of an alert, by a real mail server and real hooks: tried again, logged, escalated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr
from sqlalchemy import select, update

from functions.alerts import sending, work
from functions.alerts.hooks import Hook, require_known
from functions.alerts.sending import Sender
from functions.alerts.watching import Watch
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import InvalidInput
from functions.shared.tables import Alert, AlertNotification, Camera
from tests.functions.alerts.conftest import add, alerts, change, detection, make_list, sign_in, told
from tests.functions.serving import Served
from tests.support.ports import free_port


class MailServer:
    """An SMTP server of its own on the loopback; `refuse` is what it answers instead of taking a mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = ""
        self.port = free_port()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, authenticator=self._who, auth_require_tls=False,
        )  # fmt: skip

    def _who(self, server: object, session: object, envelope: object, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.password == b"S3CRET-MARK")

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class HookServer:
    """Answers POSTs with `status`, and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.status = 200
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HookServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/KEY-MARK"
        async with server:
            yield self


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
async def sender(context: Context, mail: MailServer) -> AsyncIterator[Sender]:
    context.settings = context.settings.model_copy(
        update={
            "smtp_host": "127.0.0.1", "smtp_port": mail.port, "smtp_security": "none", "smtp_username": "gtv",
            "smtp_password": SecretStr("S3CRET-MARK"), "smtp_from": "GT-Vision <gt-vision@city.example>",
        }
    )  # fmt: skip
    made = Sender(context)
    yield made
    await made.close()


async def raised(served: Served, watch: Watch, **fields: Any) -> Alert:
    await make_list(served, "ABC1D23", name="Roubados", reason="BO 1/2026", **fields)
    row = detection("ABC1D23")
    await add(served.context.db, row)
    await watch.observe(told(row))
    return (await alerts(served.context.db))[0]


async def logged(context: Context) -> list[tuple[str, str, str, str, int]]:
    async with context.db.read() as session:
        rows = await session.scalars(select(AlertNotification).order_by(AlertNotification.id))
        return [(row.event, row.channel, row.target, row.status, row.attempts) for row in rows]


async def make_due(context: Context) -> None:
    """As if the pause before the next try were over."""
    async with context.db.transaction() as session:
        waiting = update(AlertNotification).where(AlertNotification.due_at.is_not(None))
        await session.execute(waiting.values(due_at=now() - timedelta(seconds=1)))


async def test_a_mail_with_a_link_and_not_the_picture(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    alert = await raised(served, watch, emails=["a@city.example", "b@city.example"])
    assert await sender.send_due() == 2
    assert await sender.send_due() == 0
    one, other = sorted(mail.mails, key=lambda item: str(item["To"]))
    assert (one["To"], other["To"]) == ("a@city.example", "b@city.example")
    assert one["Subject"] == "Alerta: ABC1D23 - Roubados - Gate"
    text = one.get_content()
    assert f"https://city.example/#/alerts?id={alert.id}" in text
    assert f"https://city.example/api/detections/{alert.detection_id}/snapshot.jpg" in text
    assert "BO 1/2026" in text
    assert one.get_content_type() == "text/plain"
    assert {row[3] for row in await logged(context)} == {"sent"}
    shown = (await served.client.get(f"/api/alerts/{alert.id}")).json()
    assert sorted((item["channel"], item["target"], item["status"]) for item in shown["notifications"]) == [
        ("email", "a@city.example", "sent"), ("email", "b@city.example", "sent"),
    ]  # fmt: skip


async def test_a_mail_that_is_not_taken_is_tried_again_until_it_is(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    await raised(served, watch, emails=["a@city.example"])
    mail.refuse = "451 later"
    await sender.send_due()
    assert await logged(context) == [("raised", "email", "a@city.example", "waiting", 1)]
    assert await sender.send_due() == 0, "not before the pause is over"
    mail.refuse = ""
    await make_due(context)
    await sender.send_due()
    assert await logged(context) == [("raised", "email", "a@city.example", "sent", 2)]
    (taken,) = mail.mails
    assert taken["Message-ID"] is not None


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x0b", "\x1e", "\n"])
async def test_names_of_before_that_break_lines_break_no_mail(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer, letter: str
) -> None:
    alert = await raised(served, watch, emails=["a@city.example"])
    async with context.db.transaction() as session:
        await session.execute(update(Camera).where(Camera.id == "gate").values(name=f"Gate{letter}Bcc: x@evil.example"))
        await session.execute(update(Alert).values(list_name=f"Rou{letter}bados", reason=f"a{letter}Lista / List: b"))
    await sender.send_due()
    assert {row[3] for row in await logged(context)} == {"sent"}
    (one,) = mail.mails
    assert one["Subject"] == f"Alerta: {alert.plate} - Rou bados - Gate Bcc: x@evil.example"
    assert one["Bcc"] is None
    lines = one.get_content().splitlines()
    assert "Motivo / Reason: a Lista / List: b" in lines
    assert "Lista / List: b" not in lines


@pytest.mark.parametrize("how", ["never", "too often", "no server"])
async def test_what_is_given_up_says_why_and_tells_no_secret(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer, how: str
) -> None:
    await raised(served, watch, emails=["a@city.example"])
    mail.refuse = {"never": "550 no", "too often": "451 later"}.get(how, "")
    if how == "no server":
        context.settings = context.settings.model_copy(update={"smtp_port": free_port()})
    tries = 1 if how == "never" else len(sending.PAUSES) + 1
    for _ in range(tries):
        await make_due(context)
        await sender.send_due()
    assert [row[3:] for row in await logged(context)] == [("failed", tries)]
    async with context.db.read() as session:
        (row,) = await session.scalars(select(AlertNotification))
    assert row.error
    assert "MARK" not in row.error
    assert row.due_at is None


async def test_without_a_mail_server_the_log_says_so(served: Served, watch: Watch, context: Context) -> None:
    alert = await raised(served, watch, emails=["a@city.example"])
    sender = Sender(context)
    await sender.send_due()
    await sender.close()
    shown = (await served.client.get(f"/api/alerts/{alert.id}")).json()
    assert "GTV_SMTP_HOST" in shown["notifications"][0]["error"]


async def test_several_senders_send_each_once(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    await raised(served, watch, emails=[f"u{index}@city.example" for index in range(12)])
    senders = [sender, Sender(context), Sender(context)]
    await asyncio.gather(*(each.send_due() for each in senders))
    assert sorted(str(item["To"]) for item in mail.mails) == sorted(f"u{index}@city.example" for index in range(12))
    for each in senders[1:]:
        await each.close()


async def test_one_that_died_while_sending_is_taken_up_again(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    from functions.alerts import repository_alerts

    await raised(served, watch, emails=["a@city.example"])
    async with context.db.transaction() as session:
        await repository_alerts.claim(session, now(), now() + sending.LEASE, 10)
    assert await sender.send_due() == 0
    await make_due(context)
    await sender.send_due()
    assert len(mail.mails) == 1


async def test_a_hook_gets_the_body_of_the_list(served: Served, watch: Watch, context: Context, sender: Sender) -> None:
    async with HookServer().serving() as hook:
        body = {"key": "BODY-MARK", "summary": "{plate} at {camera}", "level": "{priority}", "list": ["{severity}"]}
        alert = await raised(served, watch, hook={"url": hook.url, "body": body}, priority=85)
        hook.status = 503
        await sender.send_due()
        hook.status = 204
        await make_due(context)
        await sender.send_due()
        assert hook.bodies == 2 * [
            {"key": "BODY-MARK", "summary": "ABC1D23 at Gate", "level": 85, "list": ["critical"]}
        ]
        keys = [head.split("idempotency-key: ")[1].split("\r\n")[0] for head in hook.heads]
        assert keys[0] == keys[1], "the receiver can tell that it is the same"
    assert [row[1:] for row in await logged(context)] == [("hook", alert.hotlist_id, "sent", 2)]
    shown = await served.client.get(f"/api/alerts/{alert.id}")
    assert "MARK" not in shown.text


async def test_a_hook_is_kept_out_of_what_is_ours(served: Served, watch: Watch, context: Context) -> None:
    """The network was allowed when the hook was set, and is no more when it is called."""
    async with HookServer().serving() as hook:
        await raised(served, watch, hook={"url": hook.url})
        context.settings = context.settings.model_copy(update={"webhook_allowed_networks": ()})
        sender = Sender(context)
        await sender.send_due()
        await sender.close()
        assert hook.bodies == []
    async with context.db.read() as session:
        (row,) = await session.scalars(select(AlertNotification))
    assert "GTV_WEBHOOK_ALLOWED_NETWORKS" in str(row.error)


def test_a_text_cannot_break_out_of_the_body() -> None:
    hook = Hook("https://h", {"text": "{list}", "all": "{plate} {list}", "no": 3})
    facts = {"list": '", "evil": "', "plate": "{reason}"}
    assert json.loads(hook.payload(facts)) == {"text": '", "evil": "', "all": '{reason} ", "evil": "', "no": 3}


def test_bodies_that_name_what_is_not_there() -> None:
    require_known({"a": ["{plate}", {"b": "{list}"}], "c": 1, "d": None})
    require_known(None)
    # Taken in, these would fail each time that the hook is called, and nobody would be told.
    for unsent in ("\ud800", float("nan")):
        with pytest.raises(InvalidInput, match="JSON cannot"):
            require_known({"a": [unsent]})
    with pytest.raises(InvalidInput, match="password"):
        require_known({"a": ["{password}"]})
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested"):
        require_known(deep)


# Escalation


async def make_late(context: Context) -> None:
    async with context.db.transaction() as session:
        late = update(Alert).where(Alert.escalate_at.is_not(None))
        await session.execute(late.values(escalate_at=now() - timedelta(seconds=1)))


async def test_escalated_once_when_nobody_acknowledges(served: Served, watch: Watch, context: Context) -> None:
    alert = await raised(
        served, watch, emails=["a@city.example"], escalation_emails=["boss@city.example"], escalate_after_min=5
    )
    assert alert.escalate_at is not None
    assert timedelta(minutes=4.9) < alert.escalate_at - alert.raised_at < timedelta(minutes=5.1)
    assert await work.escalate_due(context) == 0
    await make_late(context)
    assert sum(await asyncio.gather(*(work.escalate_due(context) for _ in range(3)))) == 1
    (found,) = await alerts(context.db)
    assert (found.state, found.escalate_at) == ("open", None)
    assert found.escalated_at is not None
    assert [row[:3] for row in await logged(context)] == [
        ("raised", "email", "a@city.example"), ("escalated", "email", "boss@city.example"),
    ]  # fmt: skip
    counts = (await served.client.get("/api/alerts/counts")).json()
    assert counts == {"open": 1, "escalated": 1}


async def test_one_that_was_acknowledged_is_not_escalated(served: Served, watch: Watch, context: Context) -> None:
    alert = await raised(served, watch, escalate_after_min=5)
    headers = await sign_in(served, "ana", "operator")
    done = await served.client.post(f"/api/alerts/{alert.id}/acknowledge", json={}, headers=headers)
    assert done.json()["acknowledged_by"] == "ana"
    await make_late(context)
    assert await work.escalate_due(context) == 0


async def test_who_was_told_of_an_alert_is_told_that_it_was_withdrawn(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    alert = await raised(served, watch, emails=["a@city.example"])
    await sender.send_due()
    await change(context.db, alert.detection_id, plate="ABC1D28")
    await watch.observe(told(detection("ABC1D28", id=alert.detection_id)))
    await sender.send_due()
    assert [str(item["Subject"]).partition(":")[0] for item in mail.mails] == ["Alerta", "Alerta retirado"]
    assert "the plate is ABC1D28 by now" in mail.mails[1].get_content()


async def test_of_one_that_was_withdrawn_before_anybody_was_told_nobody_is(
    served: Served, watch: Watch, context: Context, sender: Sender, mail: MailServer
) -> None:
    alert = await raised(served, watch, emails=["a@city.example"])
    await change(context.db, alert.detection_id, plate="ABC1D28")
    await watch.observe(told(detection("ABC1D28", id=alert.detection_id)))
    await sender.send_due()
    assert mail.mails == []
    assert await logged(context) == [("raised", "email", "a@city.example", "dropped", 0)]
