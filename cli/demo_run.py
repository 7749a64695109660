"""`gtvision demo`: the platform with cameras that show rendered streets, from nothing to detections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.demo.app import app as demo_tools
from cli.local import Pods, Port, WithTriton, data_dir
from cli.output import AsLines, local_time
from cli.session import Session
from cli.stack.options import StackOptions, with_own_cameras
from cli.stack.ports import free_port, is_free
from cli.stack.run import fetch, serve
from cli.stack.screen import Screen
from cli.stack.stack import Stack
from functions.shared.errors import Conflict, GTVisionError, NotAuthenticated, NotFound

if TYPE_CHECKING:
    from cli.client import Client
    from cli.demo.prepare import DemoCamera
    from cli.demo.rtsp import RtspServer

app = typer.Typer(add_completion=False)
app.add_typer(demo_tools)
RTSP_PORT = 8554
POLL_S = 3.0


@app.callback(invoke_without_command=True)
def demo(
    ctx: typer.Context,
    port: Port = 8080,
    capture_pods: Pods = 2,
    triton: WithTriton = False,
    rtsp_port: Annotated[int, typer.Option(min=0, max=65534, help="Port of the demo cameras (0: any).")] = RTSP_PORT,
    as_json: AsLines = False,
) -> None:
    """Start everything with cameras that show rendered streets, and keep it running until Ctrl-C.

    Data is kept in ./data/demo, or GTV_DATA_DIR. The first start renders the streets, which takes some minutes.
    """
    if ctx.invoked_subcommand is not None:
        return
    options = StackOptions(
        data_dir(Path("data/demo")), port=port, capture_pods=capture_pods, triton=triton,
        environ=with_own_cameras(os.environ),
    )  # fmt: skip
    screen = Screen(as_json)
    run = DemoRun(options, screen, rtsp_port)
    asyncio.run(serve(options, screen, prepare=run.prepare, ready=run.ready, close=run.close))


class DemoRun:
    """One demo: its cameras' server, their registration, and what it shows while it runs."""

    def __init__(self, options: StackOptions, screen: Screen, rtsp_port: int) -> None:
        self._options, self._screen, self._rtsp_port = options, screen, rtsp_port
        self._cameras: Sequence[DemoCamera] = ()
        self._server: RtspServer | None = None
        self._forget: Callable[[], None] | None = None
        self._closed = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, stack: Stack) -> None:
        """Models, videos, RTSP cameras. Blocking; the first time takes minutes."""
        fetch(self._options, self._screen)
        self._cameras = self._render(stack)
        self._serve_cameras(stack)

    def _render(self, stack: Stack) -> Sequence[DemoCamera]:
        from cli.demo.prepare import prepare_demo

        with _bars(self._screen) as show:

            def progress(name: str, done: int, total: int) -> None:
                if self._closed.is_set():
                    raise KeyboardInterrupt
                show(name, done, total)

            cameras = prepare_demo(stack.data_dir, progress)
        self._screen.line(f"[green]✓[/] {len(cameras)} demo scenes in {stack.data_dir / 'demo'}")
        return cameras

    def _serve_cameras(self, stack: Stack) -> None:
        from cli.demo.prepare import start_demo_cameras
        from cli.demo.rtsp import INSTALL_COMMAND

        self._screen.tell("cameras", "started", "")
        self._rtsp_port = _usable(self._rtsp_port)
        self._server = start_demo_cameras(self._cameras, self._rtsp_port, self._server)
        self._guard(stack, self._server.pid or 0)
        self._screen.tell("cameras", "ready", "")
        if not self._server.authenticates:
            self._screen.line("[yellow]The demo's RTSP server knows no authentication; the usual one comes by:[/]")
            self._screen.line(f"  {INSTALL_COMMAND}")

    def _guard(self, stack: Stack, pid: int) -> None:
        """Have the server's process group ended with a killed supervisor; the group of a former server is forgotten."""
        if self._forget is not None:
            self._forget()
        stack.guard(-pid)
        self._forget = lambda: stack.unguard(-pid)

    async def ready(self, stack: Stack) -> None:
        """Register the cameras, say where everything is, and go on telling what is seen."""
        from cli.client import Client

        client = Client(stack.url, token="")
        session = await asyncio.to_thread(self._sign_in, client, stack)
        if session is not None:
            await asyncio.to_thread(self._register, client)
        self._announce(stack, session)
        self._keep(self._watch_cameras(stack))
        if session is not None and not self._screen.json:
            self._keep(self._show_detections(client))

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sign_in(self, client: Client, stack: Stack) -> Session | None:
        """By the first admin's password, else by the session that this user has already."""
        password = stack.admin_password() or self._options.environ.get("GTV_ADMIN_PASSWORD")
        if password:
            with contextlib.suppress(NotAuthenticated):
                return client.login("admin", password)
        with contextlib.suppress(NotAuthenticated):
            client.get("/api/auth/me")
            return client.session
        return None

    def _register(self, client: Client) -> None:
        assert self._server is not None
        for camera in self._cameras:
            url = self._server.login_url(camera.name)
            try:
                client.call("PATCH", f"/api/cameras/{camera.name}", json={"rtsp_url": url})
            except NotFound:
                body = {"id": camera.name, "name": camera.title, "rtsp_url": url, "notes": "demo camera"}
                # A camera that its user has taken out stays out.
                with contextlib.suppress(Conflict):
                    client.call("POST", "/api/cameras", json=body)

    def _announce(self, stack: Stack, session: Session | None) -> None:
        screen, password = self._screen, stack.admin_password()
        known = {"admin_password": password} if password and session is not None else {}
        cameras = [camera.name for camera in self._cameras]
        screen.event("ready", url=stack.url, pids=self._pids(stack), cameras=cameras, **known)
        screen.line(f"\n[bold green]Ready:[/] {stack.url}/")
        if session is None:
            screen.line("[yellow]The admin's password has been changed, so the demo cameras stay as they were.[/]")
        elif password:
            screen.line(f"Sign in as [bold]admin[/] with [bold]{password}[/]")
        else:
            screen.line("Sign in as [bold]admin[/] with the password that you have set.")
        if session is not None:
            named = "" if stack.port == 8080 else f" --url {stack.url}"
            screen.line(
                f"The command line is signed in too (its session is in your config folder): "
                f"gtvision{named} detections list"
            )
        screen.line("[dim]Ctrl-C ends everything.[/]\n")

    def _pids(self, stack: Stack) -> dict[str, int]:
        server = self._server.pid if self._server else None
        return {**stack.pids(), **({"cameras": server} if server else {})}

    async def _watch_cameras(self, stack: Stack) -> None:
        """Start the cameras' server again where it died, on its old port."""
        while True:
            await asyncio.sleep(1.0)
            if self._server is None or self._server.running or self._closed.is_set():
                continue
            self._screen.tell("cameras", "died", "the RTSP server ended; again in 1 s")
            try:
                await asyncio.to_thread(self._serve_cameras, stack)
            except GTVisionError as error:
                self._screen.tell("cameras", "died", error.message)

    async def _show_detections(self, client: Client) -> None:
        """A line for each passage that is over, and the platform's state beside the spinner."""
        seen: set[str] = set()
        first = True
        while True:
            try:
                found = await asyncio.to_thread(client.get, "/api/detections", limit=20)
                status = await asyncio.to_thread(client.get, "/api/status")
            except GTVisionError as error:
                self._screen.working(f"[yellow]{error.message}[/]")
                await asyncio.sleep(POLL_S)
                continue
            over = [item for item in reversed(found["items"]) if item.get("final", True) and item["id"] not in seen]
            for item in over:
                seen.add(item["id"])
                if not first:
                    self._screen.line(_passage(item))
            first = False
            self._screen.working(_summary(status))
            await asyncio.sleep(POLL_S)

    def close(self) -> None:
        """End the cameras' server and whatever still works for it."""
        self._closed.set()
        if self._server is not None:
            self._server.stop()
        if self._forget is not None:
            self._forget()


def _usable(port: int) -> int:
    """A port that is free together with the next one, where the cameras with a password live.

    The usual port is a wish, so that addresses stay alike from run to run; one that was asked for is an order.
    """
    while port in (0, RTSP_PORT) and not (port and is_free(port) and is_free(port + 1)):
        port = free_port()
        if port < 65_535 and is_free(port + 1):
            return port
        port = 0
    return port


def _passage(item: dict[str, Any]) -> str:
    confidence = item.get("plate_confidence")
    shown = f"{confidence:.2f}" if isinstance(confidence, float) else "    "
    plate, clock = item.get("plate") or "no plate", local_time(item["started_at"])[11:]
    return f"{clock}  {item['camera_id']:<20} [bold]{plate:<9}[/] {shown}  {item.get('type') or ''}"


def _summary(status: dict[str, Any]) -> str:
    cameras = status.get("cameras") or {}
    states = ", ".join(f"{count} {state}" for state, count in cameras.items() if state != "total" and count)
    return f"Cameras: {states or 'none'}; last detection {local_time(status.get('last_detection_at'))}"


@contextlib.contextmanager
def _bars(screen: Screen) -> Iterator[Any]:
    """A progress bar a scene on the terminal; a line at each quarter elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen.console, transient=True, disable=screen.json) as bars:
        tasks: dict[str, Any] = {}
        said: dict[str, int] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(f"Rendering {name}", total=total)
            bars.update(tasks[name], completed=done, total=total)
            quarter = 4 * done // max(total, 1)
            if not screen.console.is_terminal and quarter > said.get(name, 0):
                said[name] = quarter
                screen.line(f"  Rendering {name}: {25 * quarter} %")

        yield show
