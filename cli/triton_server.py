"""The real tritonserver on a machine without a GPU or a container: assembled once, started and ended by its id.

The server, its python backend and that backend's stubs come from the wheel `nvidia-pytriton`, which is
unpacked and not installed: it pins numpy < 2, which the stubs need and nobody else wants. What the models
import is in a venv of their own, which the stubs find by PATH alone.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from platformdirs import user_cache_path

from cli import wheels
from cli.models.catalog import MODELS, PYTRITON
from cli.models.fetch import Progress, silent
from cli.models.repository import writing
from functions.shared.errors import Misconfigured, Unavailable
from functions.shared.triton_view import View

if TYPE_CHECKING:
    from functions.shared.triton_guard import Guard

INFRA = Path(__file__).resolve().parents[1] / "infra" / "triton"
SERVED = tuple(dict.fromkeys(("alpr", *(model.name for model in MODELS), "plate_reader")))
SHARED_MEMORY = Path("/dev/shm")
_REGION = "gtv_triton_"
_START_S = 120.0
_STOP_S = 20.0


@dataclass(frozen=True)
class Assembly:
    """Where the parts of an assembled server lie."""

    unpacked: Path
    backends: Path
    venv: Path

    @property
    def binary(self) -> Path:
        return self.unpacked / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    def environment(self) -> dict[str, str]:
        """The whole environment of the server: the stubs take their packages from the first python3 on PATH."""
        libraries = [sysconfig.get_config_var("LIBDIR") or "", str(self.unpacked / "nvidia_pytriton.libs")]
        return {
            "PATH": f"{self.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": ":".join(part for part in libraries if part),
            "HOME": str(Path.home()),
            "LANG": "C.UTF-8",
        }


def supported() -> None:
    """Raises Misconfigured where the wheel's binaries cannot run."""
    libc, version = platform.libc_ver()
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if sys.platform != "linux" or platform.machine() != "x86_64" or libc != "glibc" or number < (2, 35):
        raise Misconfigured(
            f"tritonserver's wheel needs Linux on x86_64 with glibc 2.35 or later; here is {platform.machine()}, "
            f"{libc or 'no glibc'} {version}",
            mend="use the embedded engine (leave GTV_TRITON_URL out), or NVIDIA's container",
        )


def assemble(progress: Progress = silent, root: Path | None = None) -> Assembly:
    """The server's parts in the user's cache, made when absent. Raises Misconfigured or Unavailable."""
    supported()
    if not (INFRA / "requirements.txt").is_file():
        raise Misconfigured(f"{INFRA} is missing", mend="run from a checkout of the source tree")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    root = root or user_cache_path("gtvision", appauthor=False) / "triton" / f"{PYTRITON.version}-python{minor}"
    parts = Assembly(root / "server", root / "backends", root / "venv")
    with writing(root):
        progress("tritonserver", 0, 3)
        _unpack(parts.unpacked)
        progress("backends", 1, 3)
        _lay_backends(parts, minor)
        progress("packages of the models", 2, 3)
        _make_venv(parts.venv)
    progress("tritonserver assembled", 3, 3)
    return parts


def _unpack(target: Path) -> None:
    if target.is_dir():
        return
    wheel = wheels.fetch(PYTRITON)
    scratch = target.with_name(f"{target.name}.part{os.getpid()}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch)
    # zipfile drops the executable bits.
    tritonserver = scratch / "pytriton" / "tritonserver"
    for path in (tritonserver / "bin" / "tritonserver", *tritonserver.glob("python_backend_stubs/*/*")):
        path.chmod(0o755)
    scratch.replace(target)


def _lay_backends(parts: Assembly, minor: str) -> None:
    """Real copies: the server refuses a backend library that a link leads out of its folder."""
    tritonserver = parts.unpacked / "pytriton" / "tritonserver"
    stub = tritonserver / "python_backend_stubs" / minor / "triton_python_backend_stub"
    if not stub.is_file():
        raise Misconfigured(f"the server has no stub for Python {minor}", mend="use Python 3.11 or 3.12")
    shim = INFRA / "onnxruntime" / "model.py"
    wanted = [
        (source, parts.backends / "python" / source.name) for source in (tritonserver / "backends/python").iterdir()
    ]
    wanted += [(stub, parts.backends / "python" / stub.name), (shim, parts.backends / "onnxruntime" / "model.py")]
    for source, target in wanted:
        if source.is_file() and not (target.is_file() and wheels.sha256_of(target) == wheels.sha256_of(source)):
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = target.with_name(f"{target.name}.part{os.getpid()}")
            shutil.copy2(source, scratch)
            scratch.replace(target)


def _make_venv(target: Path) -> None:
    requirements = INFRA / "requirements.txt"
    stamp = target / "requirements.sha256"
    wanted = wheels.sha256_of(requirements)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    python = str(target / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [*install, "--requirement", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(
                f"the packages of Triton's models could not be installed: {last}", mend="check the network"
            )
    stamp.write_text(wanted)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int, option: str) -> None:
    """Raises Misconfigured when somebody listens on that port of the loopback already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Misconfigured(f"port {port} is in use", mend=f"choose another with {option}") from None


def lay_view(repository: Path, port: int) -> View:
    """The folder that this process's server on `port` reads, filled. Raises Misconfigured where a model is missing.

    What servers left that were killed is removed.
    """
    absent = [name for name in SERVED if not (repository / name / "config.pbtxt").is_file()]
    if absent:
        raise Misconfigured(f"{repository} lacks {', '.join(absent)}", mend="run: gtvision models fetch")
    views = user_cache_path("gtvision", appauthor=False) / "triton" / "served"
    view = View(views / f"{os.getpid()}-{port}")
    with writing(views):
        views.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in views.glob("*-*"):
            _sweep(left)
        names = view.lay(repository)
    absent = sorted(set(SERVED) - set(names))
    if absent:
        raise Misconfigured(f"{repository} holds no weights of {', '.join(absent)}", mend="run: gtvision models fetch")
    return view


def _sweep(left: Path) -> None:
    """Remove a view, and the shared memory of its server, whose process is gone."""
    number = left.name.partition("-")[0]
    if number.isdigit() and not Path(f"/proc/{number}").exists():
        View(left).remove()
        clear_memory(f"{_REGION}{number}_")


def clear_memory(region: str) -> None:
    """Remove what a server that has ended left of its shared memory."""
    for left in SHARED_MEMORY.glob(f"{region}*"):
        left.unlink(missing_ok=True)


def region_of(port: int) -> str:
    """What the names of the shared memory files of this process's server on `port` begin with."""
    return f"{_REGION}{os.getpid()}_{port}_"


def command(parts: Assembly, view: View, grpc_port: int, metrics_port: int) -> list[str]:
    """The server's argv: loopback only, gRPC and metrics, the models that lie in `view`."""
    return [
        str(parts.binary),
        f"--model-repository={view.served.resolve()}",
        f"--backend-directory={parts.backends}",
        # The port asks nobody who they are: with a mode that loads on demand, any user of this machine could hand the
        # server a python model of their own, and so run code as its owner. What it polls is this user's alone.
        "--model-control-mode=poll",
        "--repository-poll-secs=1",
        f"--backend-config=python,shm-region-prefix-name={region_of(grpc_port)}",
        "--allow-http=false",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={grpc_port}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={metrics_port}",
        "--exit-timeout-secs=5",
        "--log-verbose=0",
    ]


class TritonServer:
    """A tritonserver of one's own: `with TritonServer(repository) as server: ... server.url`.

    Ports of 0 are chosen. Its words go to `log`, or to a file without a name that is read when it fails. With `guarded`
    a thread heals models whose processes have died.
    """

    def __init__(
        self,
        repository: Path,
        *,
        grpc_port: int = 0,
        metrics_port: int = 0,
        log: Path | None = None,
        progress: Progress = silent,
        guarded: bool = True,
    ) -> None:
        self.repository = repository
        self.grpc_port = grpc_port or free_port()
        self.metrics_port = metrics_port or free_port()
        self._log = log
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None
        self._guarded = guarded
        self._view: View | None = None
        self.guard: Guard | None = None

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until its models are loaded. Raises Misconfigured when it ends instead."""
        parts = assemble(self._progress)
        self._view = lay_view(self.repository, self.grpc_port)
        argv = command(parts, self._view, self.grpc_port, self.metrics_port)
        with self._log.open("ab+") if self._log else tempfile.TemporaryFile() as output:
            # A session of its own: Ctrl-C in the terminal is the owner's to handle, who stops the server in order.
            self._process = subprocess.Popen(
                argv,
                env=parts.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self._wait_until_ready(output)
            except BaseException:
                self.stop()
                raise
        if self._guarded:
            from functions.shared.triton_asking import Asker
            from functions.shared.triton_guard import Guard

            self.guard = Guard(Asker(f"127.0.0.1:{self.grpc_port}"), self._view)
            self._watch = threading.Thread(target=self.guard.run, name="triton-guard", daemon=True)
            self._watch.start()

    def ready(self) -> bool:
        """Whether the server says that it and its models are ready. A dead model process does not show here."""
        from tritonclient.grpc import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        with InferenceServerClient(f"127.0.0.1:{self.grpc_port}") as client:
            try:
                return bool(client.is_server_ready(client_timeout=2)) and bool(
                    client.is_model_ready("alpr", client_timeout=2)
                )
            except InferenceServerException:
                return False

    def stop(self) -> None:
        """End the server, by its process id: in order, then by force; and clear what it left."""
        guard, self.guard = self.guard, None
        if guard is not None:
            guard.stop()
            self._watch.join(_STOP_S)
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        clear_memory(region_of(self.grpc_port))
        if self._view is not None:
            self._view.remove()

    def _wait_until_ready(self, output: IO[bytes]) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                raise Misconfigured(
                    f"tritonserver ended at start: {_last_words(output)}", mend="run: gtvision models check"
                )
            if self.ready():
                return
            time.sleep(0.2)
        raise Unavailable(f"tritonserver was not ready within {_START_S:g} s: {_last_words(output)}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _last_words(output: IO[bytes]) -> str:
    """The server's last lines that tell of an error."""
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    # glog marks errors by E and the date; what is said of absent GPUs is no error here.
    errors = [line.split("] ", 1)[-1] for line in lines if re.match(r"E\d{4} ", line)]
    errors += [line for line in lines if line.startswith("error:")]
    return " | ".join(errors[-4:] or lines[-3:]) or "it said nothing"
