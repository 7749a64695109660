"""ONVIF's second media service (Media2, ver20), by which alone some devices tell of their H.265 streams.

The library brings no WSDL of it, so the three requests are written here and sent by the library's own transport, as
`onvif_child` made it strict. Runs in that process.
"""

from __future__ import annotations

from typing import Any

NAMESPACE = "http://www.onvif.org/ver20/media/wsdl"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_SCHEMA = "http://www.onvif.org/ver10/schema"


class Media2:
    """`transport` and `token` (the UsernameToken; None: nobody) are the library's, `address` is where it is asked."""

    def __init__(self, transport: Any, token: Any, address: str) -> None:
        self._transport, self._token, self._address = transport, token, address

    async def profiles(self) -> list[Any]:
        """The elements of its profiles. Raises what `onvif_child.explain` knows, as the others do."""
        answer = await self._ask("GetProfiles", Type="VideoEncoder")
        return list(answer.findall(f"{{{NAMESPACE}}}Profiles"))

    async def stream_uri(self, token: str) -> str:
        return await self._uri("GetStreamUri", Protocol="RTSP", ProfileToken=token)

    async def snapshot_uri(self, token: str) -> str:
        return await self._uri("GetSnapshotUri", ProfileToken=token)

    async def _uri(self, name: str, **fields: str) -> str:
        answer = await self._ask(name, **fields)
        return str(answer.findtext(f"{{{NAMESPACE}}}Uri") or "").strip()

    async def _ask(self, name: str, **fields: str) -> Any:
        from lxml import etree
        from zeep.exceptions import Fault, TransportError

        envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"env": _SOAP, "tr2": NAMESPACE})
        etree.SubElement(envelope, f"{{{_SOAP}}}Header")
        request = etree.SubElement(etree.SubElement(envelope, f"{{{_SOAP}}}Body"), f"{{{NAMESPACE}}}{name}")
        for field, value in fields.items():
            etree.SubElement(request, f"{{{NAMESPACE}}}{field}").text = value
        if self._token is not None:
            envelope, _ = self._token.apply(envelope, {})
        action = {"Content-Type": f'application/soap+xml; charset="utf-8"; action="{NAMESPACE}/{name}"'}
        response = await self._transport.post(self._address, etree.tostring(envelope), action)
        if not response.content:
            raise TransportError(status_code=response.status_code)  # type: ignore[no-untyped-call]
        root = _parsed(response.content)
        body = root.find(f"{{{_SOAP}}}Body")
        if body is None or len(body) == 0:
            raise ValueError("no SOAP body")
        fault = body.find(f"{{{_SOAP}}}Fault")
        if fault is not None:
            codes = " ".join(value.text or "" for value in fault.iter(f"{{{_SOAP}}}Value"))
            if "NotAuthorized" in codes:
                raise TransportError(status_code=401)  # type: ignore[no-untyped-call]
            raise Fault(f"{name} was refused")  # type: ignore[no-untyped-call]
        return body[0]


def _parsed(content: bytes) -> Any:
    """Raises XMLSyntaxError, or ValueError for a document with a DTD."""
    from lxml import etree

    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("a document with a DTD")
    return root


def facts(profile: Any) -> dict[str, Any]:
    """What a profile says of itself, as texts: name, codec, width, height, fps; None for what it leaves out."""
    encoder = f"{{{NAMESPACE}}}Configurations/{{{NAMESPACE}}}VideoEncoder"
    paths = {
        "codec": "Encoding", "width": f"Resolution/{{{_SCHEMA}}}Width", "height": f"Resolution/{{{_SCHEMA}}}Height",
        "fps": f"RateControl/{{{_SCHEMA}}}FrameRateLimit",
    }  # fmt: skip
    found = {name: profile.findtext(f"{encoder}/{{{_SCHEMA}}}{path}") for name, path in paths.items()}
    return {"token": profile.get("token") or "", "name": profile.findtext(f"{{{NAMESPACE}}}Name"), **found}


def merged(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Profiles of both services, each stream once: where both tell of one, the second fills what the first left out."""
    found = [dict(profile) for profile in first]
    by_url = {profile["stream_url"]: profile for profile in found if profile["stream_url"]}
    for profile in second:
        same = by_url.get(profile["stream_url"])
        if same is None:
            by_url[profile["stream_url"]] = profile
            found.append(profile)
        else:
            same.update({name: value for name, value in profile.items() if same[name] in (None, "")})
    return found
