"""`gtvision cameras probe, onvif, discover, history`: what a camera shows, who is in the network, how one fared."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.account import read_secret
from cli.camera_options import CameraId, rtsp_url
from cli.moments import HELP, moment_or_none
from cli.output import AsJson, cell, local_time, print_fields, print_json, print_table, say
from cli.state import api


def probe(
    ctx: typer.Context,
    camera: Annotated[
        str | None, typer.Argument(metavar="CAMERA", help="Id of a registered camera; - or left out: an address.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a stream for at most 5 s: codec, size, frame rate. Without a camera's id an address is asked for."""
    with api(ctx) as client:
        if camera is None or camera == "-" or "://" in camera:
            found = client.call("POST", "/api/cameras/probe", json={"rtsp_url": rtsp_url(camera)}, slow=True)
        else:
            found = client.call("POST", f"/api/cameras/{camera}/probe", slow=True)
    if as_json:
        print_json(found)
        return
    rate = f"{found['fps']:g} frames/s" if found.get("fps") else "frame rate not announced"
    say(f"[green]{found['codec']}[/], {found['width']}x{found['height']}, {rate} [dim]({found['seconds']:.1f} s)[/]")
    for warning in found.get("warnings", ()):
        say(f"[yellow]{cell(warning)}[/]")


def onvif(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="Name or address of the device.")],
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Its ONVIF port.")] = 80,
    user: Annotated[str, typer.Option("--user", "-u", help="Its user for ONVIF.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Ask by https; its certificate is not checked.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask an ONVIF device who it is, how far its clock is off, and which streams it has. Its password is asked for."""
    password = read_secret("Password", from_stdin=password_stdin) if user else ""
    body = {"host": host, "port": port, "user": user, "password": password, "tls": tls}
    with api(ctx) as client:
        found = client.call("POST", "/api/cameras/onvif/probe", json=body, slow=True)
    if as_json:
        print_json(found)
        return
    profiles, warnings = found.pop("profiles"), found.pop("warnings")
    print_fields(found)
    print_table(("Profile", "Codec", "Size", "Stream", "Picture"), map(_profile, profiles), "It has no profile.")
    for warning in warnings:
        say(f"[yellow]{cell(warning)}[/]")


def _profile(item: dict[str, Any]) -> tuple[Any, ...]:
    size = f"{item['width']}x{item['height']}" if item["width"] and item["height"] else ""
    return item["name"], item["codec"] or "", size, item["stream_url"] or "", item["snapshot_url"] or ""


def discover(
    ctx: typer.Context,
    ranges: Annotated[
        list[str] | None, typer.Argument(metavar="RANGE", help="10.0.0.0/24, 10.0.0.5-10.0.0.60 or 10.0.0.7.")
    ] = None,
    multicast: Annotated[
        bool, typer.Option("--multicast/--no-multicast", help="Ask the server's own network by WS-Discovery, too.")
    ] = True,
    port: Annotated[list[int] | None, typer.Option("--port", help="ONVIF ports to try; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for cameras: in the server's own network, and address by address in ranges (1024 at the most)."""
    body: dict[str, Any] = {"multicast": multicast, "ranges": ranges or []}
    if port:
        body["ports"] = port
    with api(ctx) as client:
        found = client.call("POST", "/api/cameras/discover", json=body, slow=True)
    if as_json:
        print_json(found)
        return
    heads = ("Address", "ONVIF", "RTSP", "Name", "Hardware", "Cameras here")
    print_table(heads, map(_device, found["items"]), "Nothing answered.")
    for warning in found["warnings"]:
        say(f"[yellow]{cell(warning)}[/]")


def _device(item: dict[str, Any]) -> tuple[Any, ...]:
    ports = (item["onvif_port"] or "", item["rtsp_port"] or "")
    return item["host"], *ports, item["name"], item["hardware"], ", ".join(item["camera_ids"])


def history(
    ctx: typer.Context,
    camera: CameraId,
    since: Annotated[str | None, typer.Option("--from", help=f"Begin, the last day when left out: {HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, now when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """How a camera fared: the times in which it could see, and those in which it was blind."""
    asked = {"from": moment_or_none(since, "--from"), "to": moment_or_none(until, "--to")}
    with api(ctx) as client:
        found = client.get(f"/api/cameras/{camera}/history", **asked)
    if as_json:
        print_json(found)
        return
    rows = (
        (local_time(span["started_at"]), local_time(span["ended_at"]) or "now", span["state"], span["reason_code"])
        for span in found["spans"]
    )
    print_table(("From", "To", "State", "Why"), rows, "Nothing was told of it in that time.")
    share = "it was not to be read" if found["uptime"] is None else f"{found['uptime']:.1%} of the time it could see"
    say(f"{share}; blind for {found['blind_s'] / 60:.0f} min, switched off for {found['disabled_s'] / 60:.0f} min.")
