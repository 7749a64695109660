"""What a local run is asked for, and the environment that its processes get."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from functions.shared.config import CaptureSettings, ReaderSettings, load
from functions.shared.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
NATS_PORT = 4222


@dataclass(frozen=True)
class StackOptions:
    """`port` 0 takes any free one, for NATS too. `environ` configures the run (default: our own)."""

    data_dir: Path
    port: int = 8080
    capture_pods: int = 2
    triton: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def external_nats(self) -> bool:
        return bool(self.environ.get("GTV_NATS_URL"))

    @property
    def external_triton(self) -> bool:
        return bool(self.environ.get("GTV_TRITON_URL"))


def with_own_cameras(environ: Mapping[str, str]) -> dict[str, str]:
    """For cameras that we serve ourselves: on this machine one may be only where the settings name it."""
    networks = environ.get("GTV_CAMERA_NETWORKS") or "0.0.0.0/0,::/0"
    return {**environ, "GTV_CAMERA_NETWORKS": f"{networks},127.0.0.0/8,::1/128"}


def check_settings(environ: Mapping[str, str]) -> None:
    """Every setting at once, before anything starts. Raises Misconfigured naming the first wrong one."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        load(ReaderSettings)
        load(CaptureSettings)
    finally:
        os.environ.clear()
        os.environ.update(kept)


def nats_token(data_dir: Path) -> str:
    """The secret that keeps other users of this machine off the bus: made once, mode 0600."""
    path = data_dir / "keys" / "nats.token"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never half a token under its name, not even on a full disk: it would hold from then on.
        draft = path.with_name(".nats.token.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        draft.replace(path)
    return path.read_text().strip()


def model_repository(environ: Mapping[str, str]) -> Path:
    """The folder of models: as set, else the one of this installation."""
    return Path(environ.get("GTV_MODEL_REPOSITORY") or ROOT / "triton_models").resolve()


def process_environ(options: StackOptions, nats_url: str) -> dict[str, str]:
    """The environment of our own processes. Secrets travel here or in files of mode 0600, never as arguments."""
    environ = dict(options.environ)
    environ["GTV_DATA_DIR"] = str(options.data_dir.resolve())
    environ["GTV_MODEL_REPOSITORY"] = str(model_repository(environ))
    environ["GTV_NATS_URL"] = nats_url
    if not options.external_nats and "GTV_NATS_TOKEN" not in environ:
        environ["GTV_NATS_TOKEN"] = nats_token(options.data_dir)
    environ["PYTHONUNBUFFERED"] = "1"
    # The children import this installation, wherever the run was started.
    environ["PYTHONPATH"] = os.pathsep.join(part for part in (str(ROOT), environ.get("PYTHONPATH", "")) if part)
    return environ


def require_pods(count: int) -> None:
    if not 0 <= count <= 64:
        raise Misconfigured(f"--capture-pods is {count}", mend="give a number from 0 to 64")
