"""A small ONVIF device, conformant where it matters: SOAP 1.2 over real HTTP, WS-UsernameToken digests that it truly
checks, a clock that may be wrong, and WS-Discovery over real UDP.

with OnvifDevice(user="op", password="secret", clock_offset_s=-7200) as device:
    device.port; device.requests; device.refusals
with discovery_responder("127.0.9.1", xaddr) as seen: ...
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
# How far Created may be from the device's own clock.
WINDOW_S = 60.0
NOT_AUTHORIZED = "ter:NotAuthorized"


@dataclass
class OnvifDevice:
    """`xaddr_host` is what it believes its own host to be, as behind NAT. `answers` replaces whole answers, by the name
    of the request: bytes, or (status, headers, bytes)."""

    user: str = "op"
    password: str = "secret"
    clock_offset_s: float = 0.0
    host: str = "127.0.0.1"
    xaddr_host: str | None = None
    stream: str = "rtsp://{host}:554/Streaming/Channels/10{number}"
    old: bool = False  # has no GetServices, as devices before ONVIF 2.1
    media2: bool = False  # has Media2 as well, which tells of a third profile, of H.265
    media1: bool = True  # where not, Media1 knows no profile
    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __enter__(self) -> OnvifDevice:
        device, nonces = self, set[str]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, answer = device._answer(body, nonces)
                self.send_response(status)
                for name, value in {"Content-Type": "application/soap+xml; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Tests read `requests` instead."""

        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def xaddr(self) -> str:
        return f"http://{self.xaddr_host or self.host}:{self.port}/onvif/device_service"

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clock_offset_s)

    def _answer(self, body: bytes, nonces: set[str]) -> tuple[int, dict[str, str], bytes]:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        request = root.find(f"{{{SOAP}}}Body")[0]
        name = etree.QName(request).localname
        name += "2" if etree.QName(request).namespace == MEDIA2 else ""
        self.requests.append(name)
        if name in self.answers:
            given = self.answers[name]
            return (200, {}, given) if isinstance(given, bytes) else given
        # The time is for everybody: without it a wrong clock could never be told.
        if name != "GetSystemDateAndTime":
            refusal = self._refusal(root, nonces)
            if refusal:
                self.refusals.append(refusal)
                return 400, {}, fault("env:Sender", NOT_AUTHORIZED, "Sender not authorized")
        method = getattr(self, f"_{name}", None)
        if method is None or (self.old and name == "GetServices"):
            return 500, {}, fault("env:Receiver", "ter:ActionNotSupported", f"{name} is not implemented")
        try:
            return 200, {}, envelope(method(request))
        except LookupError:
            return 500, {}, fault("env:Receiver", "ter:ActionNotSupported", f"{name} is not for this profile")

    def _refusal(self, root: Any, nonces: set[str]) -> str:
        """Why the request's UsernameToken does not hold; "" when it does."""
        token = root.find(f".//{{{WSSE}}}UsernameToken")
        if token is None:
            return "no token"
        password = token.find(f"{{{WSSE}}}Password")
        nonce = token.findtext(f"{{{WSSE}}}Nonce") or ""
        created = token.findtext(f"{{{WSU}}}Created") or ""
        if password is None or password.get("Type") != DIGEST or not nonce or not created:
            return "no digest"
        raw = base64.b64decode(nonce) + created.encode() + self.password.encode()
        wanted = base64.b64encode(hashlib.sha1(raw).digest()).decode()
        if token.findtext(f"{{{WSSE}}}Username") != self.user or not hmac.compare_digest(password.text or "", wanted):
            return "wrong digest"
        age = (self._now() - datetime.fromisoformat(created.replace("Z", "+00:00"))).total_seconds()
        if abs(age) > WINDOW_S:
            return "created is too far from my clock"
        if nonce in nonces:
            return "nonce used twice"
        nonces.add(nonce)
        return ""

    # --- what it answers

    def _GetSystemDateAndTime(self, _: Any) -> str:
        at = self._now()
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute><tt:Second>{at.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{at.year}</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetDeviceInformation(self, _: Any) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Olho Vivo</tds:Manufacturer>"
            "<tds:Model>OV-2M</tds:Model><tds:FirmwareVersion>V5.7.3</tds:FirmwareVersion><tds:SerialNumber>0042</tds:SerialNumber>"
            "<tds:HardwareId>88</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _GetServices(self, _: Any) -> str:
        media = self.xaddr.replace("device_service", "media_service")
        services = "".join(
            f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{xaddr}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for namespace, xaddr in ((DEVICE, self.xaddr), (MEDIA, media), (MEDIA2, media.replace("media", "media2")))
            if namespace != MEDIA2 or self.media2
        )
        return f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>"

    def _GetCapabilities(self, _: Any) -> str:
        media = self.xaddr.replace("device_service", "media_service")
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Device><tt:XAddr>{self.xaddr}</tt:XAddr></tt:Device>"
            f"<tt:Media><tt:XAddr>{media}</tt:XAddr><tt:StreamingCapabilities/></tt:Media>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, _: Any) -> str:
        profiles = "".join(
            f'<trt:Profiles token="profile_{number}" fixed="true"><tt:Name>{name}</tt:Name>'
            f'<tt:VideoEncoderConfiguration token="v{number}"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
            "</tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit>"
            "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>"
            "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>"
            "<tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
            "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
            for number, name, width, height in ((1, "mainStream", 1920, 1080), (2, "subStream", 640, 360))
            if self.media1
        )
        return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"

    def _GetStreamUri(self, request: Any) -> str:
        number = request.findtext(f"{{{MEDIA}}}ProfileToken")[-1]
        uri = self.stream.format(host=self.xaddr_host or self.host, number=number, password=self.password)
        return self._media_uri("GetStreamUriResponse", uri)

    def _GetSnapshotUri(self, request: Any) -> str:
        number = request.findtext(f"{{{MEDIA}}}ProfileToken")[-1]
        if number == "2":
            raise LookupError
        return self._media_uri("GetSnapshotUriResponse", f"http://{self.xaddr_host or self.host}/picture?channel=1")

    def _GetProfiles2(self, request: Any) -> str:
        # Without a type the answer has no configurations in it.
        wanted = request.findtext(f"{{{MEDIA2}}}Type") in ("VideoEncoder", "All")
        profiles = "".join(
            f'<tr2:Profiles token="profile_{number}" fixed="true"><tr2:Name>{name}</tr2:Name>'
            + (
                f'<tr2:Configurations><tr2:VideoEncoder token="v{number}" GovLength="50" Profile="Main">'
                f"<tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding><tt:Resolution>"
                f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
                '<tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>20.0</tt:FrameRateLimit>'
                "<tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:Quality>4</tt:Quality>"
                "</tr2:VideoEncoder></tr2:Configurations>"
                if wanted
                else ""
            )
            + "</tr2:Profiles>"
            for number, name, codec, width, height in (
                (1, "mainStream", "H264", 1920, 1080), (3, "thirdStream", "H265", 3840, 2160),
            )
        )  # fmt: skip
        return f"<tr2:GetProfilesResponse>{profiles}</tr2:GetProfilesResponse>"

    def _GetStreamUri2(self, request: Any) -> str:
        if request.findtext(f"{{{MEDIA2}}}Protocol") != "RTSP":
            raise LookupError
        number = request.findtext(f"{{{MEDIA2}}}ProfileToken")[-1]
        uri = self.stream.format(host=self.xaddr_host or self.host, number=number, password=self.password)
        return f"<tr2:GetStreamUriResponse><tr2:Uri>{escape(uri)}</tr2:Uri></tr2:GetStreamUriResponse>"

    def _GetSnapshotUri2(self, request: Any) -> str:
        number = request.findtext(f"{{{MEDIA2}}}ProfileToken")[-1]
        uri = f"http://{self.xaddr_host or self.host}/picture?channel={number}"
        return f"<tr2:GetSnapshotUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetSnapshotUriResponse>"

    @staticmethod
    def _media_uri(name: str, uri: str) -> str:
        return (
            f"<trt:{name}><trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri><tt:InvalidAfterConnect>false"
            "</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
            f"</trt:MediaUri></trt:{name}>"
        )


def envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{SOAP}" xmlns:tds="{DEVICE}" '
        f'xmlns:trt="{MEDIA}" xmlns:tr2="{MEDIA2}" xmlns:tt="{SCHEMA}" xmlns:ter="http://www.onvif.org/ver10/error">'
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def fault(code: str, subcode: str, reason: str) -> bytes:
    return envelope(
        f"<env:Fault><env:Code><env:Value>{code}</env:Value><env:Subcode><env:Value>{subcode}</env:Value></env:Subcode>"
        f'</env:Code><env:Reason><env:Text xml:lang="en">{reason}</env:Text></env:Reason></env:Fault>'
    )


def probe_matches(message_id: str, xaddrs: str, scopes: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
        'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>urn:uuid:4f5c</a:MessageID>'
        f"<a:RelatesTo>{message_id}</a:RelatesTo>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header><s:Body>"
        "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:77</a:Address></a:EndpointReference>"
        f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs>"
        "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


SCOPES = "onvif://www.onvif.org/name/Ponte%20Norte onvif://www.onvif.org/hardware/OV-2M onvif://other.example/name/x"


@contextmanager
def discovery_responder(
    host: str, xaddrs: str, scopes: str = SCOPES, group: str | None = None
) -> Iterator[list[bytes]]:
    """Answers WS-Discovery probes that come to `host`, or to the multicast group through its interface; yields what
    came."""
    seen: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((group or host, 3702))
        if group is not None:
            listener.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(host)
            )
        listener.settimeout(0.1)
        ended = threading.Event()

        def answer() -> None:
            while not ended.is_set():
                try:
                    data, sender = listener.recvfrom(65_535)
                except TimeoutError:
                    continue
                seen.append(data)
                message_id = etree.fromstring(data).findtext(
                    ".//{http://schemas.xmlsoap.org/ws/2004/08/addressing}MessageID"
                )
                listener.sendto(probe_matches(message_id or "", xaddrs, scopes), sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join(5)
