"""Where an RTSP URL leads: looked up and checked at each opening, and held to by the stream that is then opened.

FFmpeg looks a name up by itself and follows redirects (RTSP 3xx) anywhere, user and password with it; no option of it
says no. So the stream is opened at the address that was checked here. Where a password is to be sent, a server that
redirects whoever asks is refused before FFmpeg meets it; one that redirects later, or that has no password to be sent,
is found out by where the open connection leads, or by asking it once FFmpeg has failed. Blocking.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from functions.shared.camera_networks import Address, networks, plain, refusal
from functions.shared.errors import CameraUnavailable
from functions.shared.rtsp_reasons import failure

PORTS = {"rtsp": 554, "rtsps": 322}
Peer = tuple[Address, int]
_STATUS = re.compile(rb"RTSP/\d\.\d (\d{3})\b")
_LONGEST_ANSWER = 16 * 1024
_FDS = "/proc/self/fd"


@dataclass(frozen=True)
class Place:
    """`url`: what is to be opened; `peers`: the addresses and ports to which its connection may lead; `described`: its
    server was ready to stream, and may still be clearing that away."""

    url: str = field(repr=False)
    peers: frozenset[Peer]
    described: bool = False


def reach(url: str, timeout_s: float, allowed: Sequence[str]) -> Place:
    """Where to open a well-formed RTSP URL. `timeout_s` bounds the connection and each of two answers.

    Raises CameraUnavailable: unknown_host, not_allowed, refused, unreachable, silent, redirected.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    found = _addresses(host, port)
    within = networks(allowed)
    for address in found:
        reason = refusal(plain(address), within)
        if reason:
            raise failure("not_allowed", f"it {reason}")
    connection, address = _connect(found, port, timeout_s)
    # A server that asks nobody who they are makes the stream ready when it is described, and some then turn away who
    # comes next: those are asked no more than what they can do.
    methods = ("OPTIONS", "DESCRIBE") if "@" in parts.netloc else ("OPTIONS",)
    # Closed before FFmpeg comes: small cameras serve one connection at a time.
    with connection:
        described = _ask(connection, parts, timeout_s, methods)
    if parts.scheme == "rtsps":
        # TLS is asked for by name; where it led is seen afterwards.
        return Place(url, frozenset((plain(each), port) for each in found), described)
    return Place(_at(parts, address), frozenset({(plain(address), port)}), described)


def require_no_redirect(place: Place, timeout_s: float) -> None:
    """Called when a stream could not be opened: what FFmpeg met may have been another server than the camera.

    Raises CameraUnavailable (redirected).
    """
    (*_, (address, port)) = place.peers
    with suppress(OSError):
        connection = socket.create_connection((str(address), port), timeout_s)
        with connection:
            try:
                _ask(connection, urlsplit(place.url), timeout_s, ("DESCRIBE",))
            except CameraUnavailable as error:
                if error.details["reason"] == "redirected":
                    raise


def _addresses(host: str, port: int) -> list[str]:
    """In the order in which the system would try them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise failure("unknown_host") from None
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def _connect(addresses: Sequence[str], port: int, timeout_s: float) -> tuple[socket.socket, str]:
    """To the first address that answers. Raises CameraUnavailable of the last one that does not."""
    ends, problem = time.monotonic() + timeout_s, failure("unknown_host")
    for address in addresses:
        try:
            return socket.create_connection((address, port), max(0.1, ends - time.monotonic())), address
        except ConnectionRefusedError:
            problem = failure("refused")
        except OSError:
            problem = failure("unreachable")
    raise problem


def _at(parts: SplitResult, address: str) -> str:
    """The URL with an address in the place of its host."""
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port is not None else ""
    return parts._replace(netloc=f"{user}{at}{host}{port}").geturl()


def _ask(connection: socket.socket, parts: SplitResult, timeout_s: float, methods: Sequence[str]) -> bool:
    """Ask what FFmpeg will ask first, without a user; whether the stream was described.

    Raises CameraUnavailable: redirected, silent. Whatever else goes wrong here is FFmpeg's to meet and to tell.
    """
    described, bare = False, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        connection.settimeout(timeout_s)
        if parts.scheme == "rtsps":
            connection = _tls(connection, parts.hostname or "")
        for number, method in enumerate(methods, 1):
            accept = "Accept: application/sdp\r\n" if method == "DESCRIBE" else ""
            connection.sendall(f"{method} {bare} RTSP/1.0\r\nCSeq: {number}\r\n{accept}\r\n".encode())
            status = _STATUS.match(_answer(connection, time.monotonic() + timeout_s))
            if status is None:
                return False
            if status[1].startswith(b"3"):
                raise failure("redirected")
            described = method == "DESCRIBE" and status[1] == b"200"
    except TimeoutError:
        raise failure("silent") from None
    except (OSError, UnicodeError):
        return False
    finally:
        with suppress(OSError):
            connection.close()
    return described


def _tls(connection: socket.socket, host: str) -> socket.socket:
    """Cameras sign their certificates themselves; FFmpeg does not check them either."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)


def _answer(connection: socket.socket, ends: float) -> bytes:
    """The head of an answer, or what came of it before the server closed. Raises TimeoutError."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_ANSWER:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(4096)
        if not part:
            break
        head += part
    return head


# Sockets of open streams by their inodes, so that two streams of one camera need two connections to it.
_claimed: set[int] = set()
_claiming = threading.Lock()


def require_peer(place: Place) -> None:
    """Called once a stream is open: one more connection of this process leads to where it may.

    Raises CameraUnavailable (redirected). Says nothing on systems without /proc.
    """
    if not os.path.isdir(_FDS):
        return
    with _claiming:
        peers = _peers()
        _claimed.intersection_update(peers)
        own = next((inode for inode, peer in peers.items() if peer in place.peers and inode not in _claimed), None)
        if own is None:
            raise failure("redirected")
        _claimed.add(own)


def _peers() -> dict[int, Peer]:
    """Whom the TCP connections of this process lead to."""
    found: dict[int, Peer] = {}
    for name in os.listdir(_FDS):
        # Other threads open and close files meanwhile.
        with suppress(OSError, ValueError):
            about = os.fstat(int(name))
            if stat.S_ISSOCK(about.st_mode):
                with socket.socket(fileno=os.dup(int(name))) as copy:
                    if copy.family in (socket.AF_INET, socket.AF_INET6):
                        host, port = copy.getpeername()[:2]
                        found[about.st_ino] = (plain(str(host)), int(port))
    return found
