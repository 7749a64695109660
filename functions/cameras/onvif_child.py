"""The process that talks to an ONVIF device: `python -m functions.cameras.onvif_child`, one JSON line in and one out.

In: host (an address, checked by the parent), port, tls, user, password, shown (the host as a person wrote it). The
library is onvif-zeep-async; its WSDLs lie in its wheel and nothing is fetched. Made stricter here: no redirect is
followed, an answer has at most MAX_ANSWER bytes unpacked, a document with a DTD is refused, and whatever addresses the
device names, only its own is asked (behind NAT it names one that cannot be reached; a hostile one names another's).
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from functions.cameras import onvif_media2
from functions.cameras.child import confine

MAX_ANSWER = 2 << 20
MAX_PROFILES = 16
REQUEST_S = 6.0
# Stands where a device wrote the password into an address of its own.
PASSWORD_HERE = "{password}"
_SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


class Refused(Exception):
    """Why the device cannot be talked to, by a reason of `onvif.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def explain(error: BaseException) -> str:
    """The reason that an error of the libraries stands for; its text may quote what was sent, and stays here."""
    import aiohttp
    import zeep.exceptions
    from lxml.etree import XMLSyntaxError
    from onvif.exceptions import ONVIFError
    from onvif.util import is_auth_error

    if isinstance(error, Refused):
        return error.reason
    if isinstance(error, zeep.exceptions.Fault):
        return "unauthorized" if is_auth_error(error) else "server_error"
    if isinstance(error, zeep.exceptions.TransportError):
        codes = {401: "unauthorized", 403: "unauthorized", 404: "not_onvif"}
        return codes.get(error.status_code, "server_error" if error.status_code >= 500 else "not_onvif")
    if isinstance(error, aiohttp.ClientConnectorError):
        return "refused" if error.os_error.errno == errno.ECONNREFUSED else "unreachable"
    broken = (zeep.exceptions.Error, XMLSyntaxError, AttributeError, KeyError, TypeError, ValueError)
    kinds: tuple[tuple[Any, str], ...] = (
        (TimeoutError, "silent"), (aiohttp.ClientError, "not_onvif"), (broken, "broken"), (MemoryError, "broken"),
    )  # fmt: skip
    if isinstance(error, ONVIFError) and error.__cause__ is not None:
        return explain(error.__cause__)
    return next((reason for kind, reason in kinds if isinstance(error, kind)), "failed")


def make_strict() -> None:
    from aiohttp import ClientResponse, ClientTimeout
    from onvif.settings import DEFAULT_SETTINGS
    from onvif.zeep_aiohttp import AIOHTTPTransport

    DEFAULT_SETTINGS.xml_huge_tree = False
    DEFAULT_SETTINGS.forbid_dtd = DEFAULT_SETTINGS.forbid_entities = DEFAULT_SETTINGS.forbid_external = True

    async def post(
        self: AIOHTTPTransport, address: str, message: str | bytes, headers: dict[str, str]
    ) -> tuple[ClientResponse, bytes]:
        response = await self.session.post(
            address, data=message, headers={"Content-Type": 'application/soap+xml; charset="utf-8"', **(headers or {})},
            allow_redirects=False, timeout=ClientTimeout(total=REQUEST_S),
        )  # fmt: skip
        async with response:
            if 300 <= response.status < 400:
                raise Refused("redirects")
            if response.content_type == "text/html":
                raise Refused({401: "unauthorized", 403: "unauthorized"}.get(response.status, "not_onvif"))
            content = bytearray()
            async for part in response.content.iter_chunked(65_536):
                content += part
                if len(content) > MAX_ANSWER:
                    raise Refused("broken")
        return response, bytes(content)

    AIOHTTPTransport._post_internal = post


def rewriter(host: str, port: int, shown: str) -> Callable[[str | None], str | None]:
    """Addresses of services as they are asked: at the device's own host, at the port it names where it knows its own
    address, else at the one that was given."""

    def rewrite(url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "")
            named, own_port = parts.hostname or "", parts.port
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not named:
            return None
        chosen = (own_port or (443 if parts.scheme == "https" else 80)) if named in (host, shown) else port
        return urlunsplit((parts.scheme, f"{bracketed(host)}:{chosen}", parts.path, parts.query, ""))

    return rewrite


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def shown_url(url: Any, schemes: tuple[str, ...], shown: str, password: str) -> str | None:
    """An address that the device gave, at the host that a person can reach and without the password; None for one
    that is none."""
    try:
        parts = urlsplit(str(url or "").strip())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in schemes or not parts.hostname:
        return None
    place = bracketed(shown) + (f":{port}" if port else "")
    found = urlunsplit((parts.scheme.lower(), place, parts.path, parts.query, ""))
    for secret in {password, quote(password, safe=""), quote(password)} - {""}:
        found = found.replace(secret, PASSWORD_HERE)
    good = found.isascii() and all(33 <= ord(letter) < 127 and letter not in '"<>\\^`' for letter in found)
    return found if good and len(found) <= 900 else None


def text(value: Any, longest: int = 80) -> str:
    """What a device says of itself, as one short line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(value or "")).split())[:longest]


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 < found < 100_000 else None


async def _profile(media: Any, profile: Any, given: dict[str, Any]) -> dict[str, Any]:
    encoder = getattr(profile, "VideoEncoderConfiguration", None)
    size, rate = getattr(encoder, "Resolution", None), getattr(encoder, "RateControl", None)
    token = str(profile.token)
    stream = await media.GetStreamUri({"StreamSetup": _SETUP, "ProfileToken": token})
    snapshot = await _or_none(media.GetSnapshotUri({"ProfileToken": token}))
    said = {
        "token": token, "name": getattr(profile, "Name", ""), "codec": getattr(encoder, "Encoding", ""),
        "width": getattr(size, "Width", None), "height": getattr(size, "Height", None),
        "fps": getattr(rate, "FrameRateLimit", None),
    }  # fmt: skip
    return _described(said, getattr(stream, "Uri", None), getattr(snapshot, "Uri", None), given)


async def _or_none(asking: Awaitable[Any]) -> Any:
    """What a device answers; None where it refuses: many have no snapshot."""
    try:
        return await asking
    except Exception as error:
        if explain(error) in ("silent", "failed"):
            raise
        return None


def _described(said: dict[str, Any], stream: Any, snapshot: Any, given: dict[str, Any]) -> dict[str, Any]:
    width, height = _number(said["width"]), _number(said["height"])
    return {
        "token": text(said["token"], 64), "name": text(said["name"]), "codec": text(said["codec"], 16).lower() or None,
        "width": int(width) if width else None, "height": int(height) if height else None, "fps": _number(said["fps"]),
        "stream_url": shown_url(stream, ("rtsp", "rtsps"), given["shown"], given["password"]),
        "snapshot_url": shown_url(snapshot, ("http", "https"), given["shown"], given["password"]),
        "advertised": text(urlsplit(str(stream or "")).hostname or "", 253),
    }  # fmt: skip


async def _profiles(camera: Any, device: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The profiles of both media services, where the device has both. Either may refuse, as long as one answers."""
    from onvif.client import UsernameDigestTokenDtDiff

    address = camera.xaddrs.get(onvif_media2.NAMESPACE)
    first: list[dict[str, Any]] = []
    try:
        media = await camera.create_media_service()
        profiles = list(await media.GetProfiles() or ())[:MAX_PROFILES]
        first = [await _profile(media, profile, given) for profile in profiles]
    except Exception as error:
        if address is None or explain(error) not in ("server_error", "broken", "failed"):
            raise
    if address is None:
        return first
    token = UsernameDigestTokenDtDiff(given["user"], given["password"], dt_diff=camera.dt_diff, use_digest=True)
    second: list[dict[str, Any]] = []
    try:
        media2 = onvif_media2.Media2(device.transport, token if given["user"] else None, address)
        for profile in (await media2.profiles())[:MAX_PROFILES]:
            said = onvif_media2.facts(profile)
            stream = await _or_none(media2.stream_uri(said["token"]))
            snapshot = await _or_none(media2.snapshot_uri(said["token"]))
            second.append(_described(said, stream, snapshot, given))
    except Exception:
        if not first:
            raise
    return onvif_media2.merged(first, [one for one in second if one["stream_url"]])[:MAX_PROFILES]


async def probe(given: dict[str, Any]) -> dict[str, Any]:
    """Facts of a device. Raises what `explain` knows."""
    from onvif import ONVIFCamera

    base = f"{'https' if given['tls'] else 'http'}://{bracketed(given['host'])}"
    camera = ONVIFCamera(base, given["port"], given["user"], given["password"], no_cache=True, adjust_time=True)
    camera.rewrite_url = rewriter(given["host"], given["port"], given["shown"])
    offset: float | None = None
    try:
        try:
            await camera.update_xaddrs()
            offset = camera.dt_diff.total_seconds()
        except (AttributeError, TypeError, ValueError):
            # It has no clock, or one that shows no date.
            camera.adjust_time = False
            await camera.update_xaddrs()
        camera.xaddrs = {name: url for name, url in camera.xaddrs.items() if url}
        device = await camera.create_devicemgmt_service()
        facts = await device.GetDeviceInformation()
        found = await _profiles(camera, device, given)
    finally:
        await camera.close()
    names = {"manufacturer": "Manufacturer", "model": "Model", "firmware": "FirmwareVersion", "serial": "SerialNumber"}
    return {
        **{name: text(getattr(facts, theirs, "")) for name, theirs in names.items()},
        "clock_offset_s": None if offset is None else round(offset, 1), "profiles": found,
    }  # fmt: skip


def main() -> None:
    confine()
    logging.disable(logging.CRITICAL)
    given = json.loads(sys.stdin.readline())
    try:
        make_strict()
        answer = asyncio.run(probe(given))
    except Exception as error:
        answer = {"reason": explain(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
