"""An RTSP server whose every answer a test decides, in plain sockets: for what a well-behaved server never does.

with ScriptedRtsp(lambda asked: "RTSP/1.0 200 OK") as server: ... server.url, server.asked
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Asked:
    """A request: its method, the number of its connection (from 1), and its head as it came."""

    method: str
    connection: int
    head: str


class ScriptedRtsp:
    """`answer` gives the head of an answer without CSeq, and perhaps a body after an empty line."""

    def __init__(self, answer: Callable[[Asked], str]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[Asked] = []
        self.connections = 0
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> ScriptedRtsp:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(peer, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket, connection: int) -> None:
        peer.settimeout(5)
        # Whom a test talks to may have had enough before we have said it all.
        with peer, suppress(OSError):
            waiting = b""
            while True:
                part = peer.recv(4096)
                if not part:
                    return
                waiting += part
                while b"\r\n\r\n" in waiting:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    text = head.decode()
                    asked = Asked(text.split(" ")[0], connection, text)
                    self.asked.append(asked)
                    sequence = next((line for line in text.split("\r\n") if line.startswith("CSeq")), "X-None: 0")
                    said, _, body = self._answer(asked).partition("\r\n\r\n")
                    length = f"Content-Length: {len(body)}\r\n" if body else ""
                    peer.sendall(f"{said}\r\n{sequence}\r\n{length}\r\n{body}".encode())


def redirect(to: str) -> str:
    return f"RTSP/1.0 302 Moved Temporarily\r\nLocation: {to}"
