"""Requests to addresses that users give (webhooks, pager hooks), kept from reaching what is ours.

A host is resolved once, every address it has is checked, and the connection goes to a checked address: a name that
answers differently a moment later (DNS rebinding) gains nothing. TLS still asks for the host's own name. Redirects are
not followed, proxies of the environment not used, answers cut. Nothing here raises for what the other side does:
`Answer.failure` says it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from functions.shared.errors import InvalidInput, Misconfigured

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# (host, port) -> the addresses of a host, as text. Raises OSError where it has none.
Resolve = Callable[[str, int], Awaitable[list[str]]]

USER_AGENT = "GT-Vision/1"
MAX_URL = 2000
MAX_ADDRESSES = 16

# IANA's special-purpose registries (2024), and the metadata servers of Azure (168.63.129.16) and others that have
# public or shared addresses. Of IPv6 only 2000::/3 is given out at all.
_REFUSED_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
_GIVEN_OUT_6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_6 = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Failure(StrEnum):
    """Why there was no answer; short stable words for machines."""

    URL = "bad_url"
    UNRESOLVED = "unresolved"
    REFUSED = "address_refused"
    PLAIN = "http_refused"
    CONNECT = "no_connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"


@dataclass(frozen=True)
class Answer:
    """What came of a request: a status, or a failure with its reason in plain words, which hold no part of the URL.

    `body` has at the most as many bytes as were asked for; header names are lower-case.
    """

    status: int | None = None
    failure: Failure | None = None
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").replace("\x00", "\ufffd")


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes that one request may take; `connect_s` is for each address that is tried."""

    total_s: float = 15.0
    connect_s: float = 5.0
    answer_bytes: int = 4096


class _Stop(Exception):
    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure, self.reason = failure, reason


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises Misconfigured for a text that is no network."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            mend = "write networks as 10.1.0.0/16, comma separated"
            raise Misconfigured(f"GTV_WEBHOOK_ALLOWED_NETWORKS: {text!r} is no network", mend=mend) from None
    return tuple(found)


def embedded(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 one, which is where a packet to it ends; else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def inside(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether an address, or the one inside it, lies in one of the networks."""
    target = embedded(address)
    return any(target.version == network.version and target in network for network in allowed)


def public(address: Address) -> bool:
    """Whether an address is one of the public internet, where strangers' servers are."""
    target = embedded(address)
    if isinstance(target, ipaddress.IPv4Address):
        return not any(target in network for network in _REFUSED_4)
    return target in _GIVEN_OUT_6 and not any(target in network for network in _REFUSED_6)


def parse_url(url: str) -> httpx.URL:
    """An absolute http or https address without credentials. Raises InvalidInput (field `url`)."""
    if len(url) > MAX_URL or any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise InvalidInput(f"url: at the most {MAX_URL} characters, without spaces", field="url")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise InvalidInput("url: is no address", field="url") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInput("url: must begin with https:// and a host", field="url")
    if parsed.userinfo:
        raise InvalidInput("url: must not hold a user or a password", field="url")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise InvalidInput("url: ports run from 1 to 65535", field="url")
    return parsed.copy_with(fragment=None)


class Outbound:
    """The one way out to users' addresses. Opened once a process; `close` ends its threads."""

    def __init__(
        self, allowed: Iterable[str] = (), *, limits: Limits | None = None, resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        """`allowed`: networks that may be reached though they are not public, and by plain http."""
        self._allowed = networks(allowed)
        self._limits = limits or Limits()
        self._resolve = resolve or self._look_up
        self._tls = tls
        self._threads: ThreadPoolExecutor | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one POST. Whatever goes wrong outside is in the answer; only a cancellation passes."""
        return await self.send("POST", url, body, headers)

    async def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `post`, for another method."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.total_s):
                answer = await self._send(method, url, body, headers)
        except TimeoutError:
            answer = Answer(failure=Failure.TIMEOUT, reason=f"no answer within {self._limits.total_s:g} s")
        except _Stop as stop:
            answer = Answer(failure=stop.failure, reason=stop.reason)
        seconds = time.perf_counter() - started
        return Answer(
            answer.status, answer.failure, answer.reason, answer.headers, answer.body, answer.truncated, seconds
        )

    async def check(self, url: str) -> None:
        """Whether an address may be given at all, as far as can be told now: it is checked again at each request.

        A host that does not resolve now may do so later. Raises InvalidInput (field `url`) saying what is wrong.
        """
        parsed = parse_url(url)
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._addresses(parsed)
        except TimeoutError:
            return
        except _Stop as stop:
            unknown = stop.failure is Failure.UNRESOLVED and parsed.scheme == "https"
            if not unknown:
                raise InvalidInput(f"url: {stop.reason}", field="url") from None

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            parsed = parse_url(url)
        except InvalidInput as error:
            raise _Stop(Failure.URL, error.message) from None
        last: _Stop | None = None
        for address in await self._addresses(parsed):
            try:
                return await self._exchange(method, parsed, address, body, headers)
            except _Stop as stop:
                # Nothing was sent: the host's next address may answer.
                if stop.failure is not Failure.CONNECT:
                    raise
                last = stop
        raise last or _Stop(Failure.UNRESOLVED, "the host has no address")

    async def _addresses(self, url: httpx.URL) -> list[Address]:
        """The addresses of the host, all of them checked: one that is refused refuses the host."""
        host = url.raw_host.decode("ascii")
        try:
            texts = await self._resolve(host, url.port or (443 if url.scheme == "https" else 80))
            found = list(dict.fromkeys(ipaddress.ip_address(text) for text in texts))[:MAX_ADDRESSES]
        except (OSError, UnicodeError, ValueError):
            raise _Stop(Failure.UNRESOLVED, "the host's name does not resolve") from None
        if not found:
            raise _Stop(Failure.UNRESOLVED, "the host has no address")
        for address in found:
            allowed = inside(address, self._allowed)
            if not allowed and not public(address):
                reason = "the host is in a private or reserved network that GTV_WEBHOOK_ALLOWED_NETWORKS does not name"
                raise _Stop(Failure.REFUSED, reason)
            if url.scheme == "http" and not allowed:
                raise _Stop(Failure.PLAIN, "must be https:// outside of GTV_WEBHOOK_ALLOWED_NETWORKS")
        return found

    async def _look_up(self, host: str, port: int) -> list[str]:
        # Threads of its own: a name server that hangs holds up neither files nor the database.
        if self._threads is None:
            self._threads = ThreadPoolExecutor(16, thread_name_prefix="outbound-dns")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(entry[4][0]) for entry in found]

    async def _exchange(
        self, method: str, url: httpx.URL, address: Address, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """One request to one address, on a connection of its own: a kept one might be another host's."""
        sent = {
            "user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity",
            **{name.lower(): value for name, value in headers.items()}, "host": url.netloc.decode("ascii"),
        }  # fmt: skip
        limits = self._limits
        client = httpx.AsyncClient(
            verify=self._context(), trust_env=False, follow_redirects=False, http2=False,
            timeout=httpx.Timeout(limits.total_s, connect=limits.connect_s),
            limits=httpx.Limits(max_keepalive_connections=0),
        )  # fmt: skip
        target = url.copy_with(host=str(address))
        extensions = {"sni_hostname": url.raw_host.decode("ascii")}
        try:
            async with (
                client,
                client.stream(method, target, content=body, headers=sent, extensions=extensions) as response,
            ):
                data, truncated = await self._read(response)
                return Answer(response.status_code, headers=dict(response.headers), body=data, truncated=truncated)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failure(error) from error

    async def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        """The first bytes of the answer as they came: what it unpacks to is nobody's business."""
        data = b""
        async for chunk in response.aiter_raw(1024):
            data += chunk
            if len(data) > self._limits.answer_bytes:
                return data[: self._limits.answer_bytes], True
        return data, False

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Reads the certificates of the authorities, some 20 ms: once.
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


def _failure(error: httpx.HTTPError | httpx.InvalidURL) -> _Stop:
    """httpx's errors by our words; its texts may hold the pinned address and are not passed on."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _Stop(Failure.TLS, f"the certificate does not hold: {cause.verify_message}"[:200])
        if isinstance(cause, ssl.SSLError):
            return _Stop(Failure.TLS, f"TLS failed: {cause.reason or 'handshake'}"[:200])
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout):
        return _Stop(Failure.CONNECT, "the host does not answer")
    if isinstance(error, httpx.TimeoutException):
        return _Stop(Failure.TIMEOUT, "the answer took too long")
    if isinstance(error, httpx.ConnectError):
        return _Stop(Failure.CONNECT, "the host refuses the connection")
    return _Stop(Failure.PROTOCOL, "the host broke off, or does not speak HTTP")
