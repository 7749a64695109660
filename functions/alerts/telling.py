"""What is said of an alert outside of the platform: the facts of a hook, the text of a mail. Pure.

A mail holds a link to the picture and not the picture: who reads it still has to sign in.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, NamedTuple

from functions.shared.config import FunctionSettings
from functions.shared.contracts import now
from functions.shared.tables import Alert

_TITLES = {
    "raised": ("Alerta", "Alert"), "escalated": ("Alerta sem resposta", "Alert that nobody acknowledged"),
    "withdrawn": ("Alerta retirado", "Alert withdrawn"),
}  # fmt: skip
_KINDS = {
    "watch": ("placa procurada", "plate on a list"), "not_listed": ("placa fora da lista", "plate not on the list"),
    "cloned": ("placa clonada", "cloned plate"),
}  # fmt: skip


def severity(priority: int) -> str:
    """The priority in the words that pagers know."""
    return "critical" if priority >= 80 else "error" if priority >= 60 else "warning" if priority >= 30 else "info"


class Place(NamedTuple):
    """Where an alert is, for who is told of it: the camera's name, and whether they may know of the other place of a
    cloned plate, which distance and speed give away."""

    camera: str | None
    both: bool = True


def facts(settings: FunctionSettings, alert: Alert, event: str, place: Place) -> dict[str, Any]:
    """The fields of `hooks.FIELDS`."""
    base = settings.public_url.rstrip("/")
    return {
        "event": event, "alert_id": alert.id, "kind": alert.kind, "list": alert.list_name, "reason": alert.reason,
        "priority": alert.priority, "severity": severity(alert.priority), "plate": alert.plate,
        "camera_id": alert.camera_id, "camera": place.camera or alert.camera_id, "seen_at": alert.seen_at.isoformat(),
        "raised_at": alert.raised_at.isoformat(), "url": f"{base}/#/alerts?id={alert.id}",
        "snapshot_url": f"{base}/api/detections/{alert.detection_id}/snapshot.jpg",
        "detail": _detail(alert, both=place.both),
    }  # fmt: skip


def _detail(alert: Alert, *, both: bool) -> str:
    if alert.withdrawn_reason:
        return alert.withdrawn_reason
    found = alert.details.get("cloned")
    if found and not both:
        return ""
    if found:
        return f"{found['km']} km in {found['seconds']:.0f} s ({found['kmh']} km/h)"
    entry = alert.entry or {}
    if not entry:
        return ""
    twin = ", twin" if entry["twin"] else ""
    return f"{entry['match']} {entry['pattern']} (distance {entry['distance']:g}{twin})"


def _line(value: object) -> str:
    """One line, whatever stands in it: a name that breaks a header would have every mail of its alerts fail, and one
    that breaks a line of the text could make lines of its own."""
    return " ".join(str(value).split())


def mail(settings: FunctionSettings, alert: Alert, event: str, place: Place, to: str, name: str) -> EmailMessage:
    """`name`: of the notification; the mail's id is made of it, so that one sent twice is seen to be the same."""
    title, kind, known = _TITLES[event], _KINDS[alert.kind], facts(settings, alert, event, place)
    seen = alert.seen_at.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M:%S %Z")
    message = EmailMessage()
    message["From"], message["To"] = settings.smtp_from, to
    message["Subject"] = _line(f"{title[0]}: {alert.plate} - {alert.list_name} - {known['camera']}")
    message["Date"] = format_datetime(now())
    domain = make_msgid(domain=settings.smtp_from.rpartition("@")[2].strip("> ") or "gt-vision").rpartition("@")[2]
    message["Message-ID"] = f"<{name}@{domain}"
    message["X-Priority"] = "1" if alert.priority >= 80 else "3"
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        (f"{title[0]} / {title[1]}", f"{kind[0]} / {kind[1]}"), ("Placa / Plate", alert.plate),
        ("Lista / List", alert.list_name), ("Motivo / Reason", alert.reason or "-"),
        ("Prioridade / Priority", str(alert.priority)), ("Câmera / Camera", known["camera"]),
        ("Visto em / Seen at", seen), ("Detalhe / Detail", known["detail"] or "-"),
    ]  # fmt: skip
    if alert.uncertain:
        lines.append(("Atenção / Note", "leitura incerta: confira a imagem / uncertain reading: look at the picture"))
    if settings.public_url:
        lines += [("Abrir / Open", known["url"]), ("Imagem / Picture", known["snapshot_url"])]
    message.set_content("".join(f"{label}: {_line(value)}\n" for label, value in lines))
    return message
