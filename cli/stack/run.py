"""Runs a Stack until a signal comes: for `gtvision up` and `gtvision demo`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from cli.stack.child import Tell
from cli.stack.guardian import MARK
from cli.stack.options import StackOptions, model_repository
from cli.stack.screen import Screen
from cli.stack.stack import Stack
from cli.stack.work import end_descendants, in_thread
from functions.shared.errors import GTVisionError, Unavailable

VITAL = ("nats", "functions", "triton")


def fetch(options: StackOptions, screen: Screen) -> None:
    """Complete the models, unless a Triton elsewhere holds them."""
    if options.external_triton:
        return
    from cli.models.commands import progress_bar
    from cli.models.fetch import fetch_models

    with progress_bar(screen.console) as report:
        made = fetch_models(model_repository(options.environ), report)
    if made:
        screen.line(f"[green]✓[/] Models made: {', '.join(made)}")


def announce(screen: Screen) -> Callable[[Stack], Awaitable[None]]:
    """Says where the platform is and, at the first start, with which password."""

    async def ready(stack: Stack) -> None:
        password = stack.admin_password() if stack.first_start else None
        screen.event("ready", url=stack.url, pids=stack.pids(), **({"admin_password": password} if password else {}))
        screen.line(f"\n[bold green]Ready:[/] {stack.url}/")
        if password:
            screen.line(f"Sign in as [bold]admin[/] with [bold]{password}[/]")
            screen.line(f"[dim]Shown once; kept in {stack.password_file} until you change it.[/]")
        screen.line("[dim]Ctrl-C ends everything.[/]")

    return ready


async def serve(
    options: StackOptions,
    screen: Screen,
    *,
    prepare: Callable[[Stack], None],
    ready: Callable[[Stack], Awaitable[None]],
    close: Callable[[], None] = lambda: None,
) -> None:
    """Run a stack until a signal comes.

    `prepare` works in a thread before the parts start, `ready` once they run, `close` in a thread before they end.

    Raises why a part cannot start, or why one that the rest needs has given up.
    """
    failure: asyncio.Future[GTVisionError] = asyncio.get_running_loop().create_future()
    stack = Stack(options, tell=_watching(screen, failure))
    async with _ended_by_signal() as ended:
        stack.reserve()
        # What `prepare` starts carries the mark of this run, by which the guardian finds it.
        os.environ[MARK] = stack.run_id
        work = in_thread(lambda: prepare(stack))
        try:
            async with _either(ended, failure) as race:
                await race(asyncio.shield(work))
                await race(stack.start())
                await race(ready(stack))
                await race(asyncio.Event().wait())
        except _Ended:
            screen.line("\nEnding ...")
        finally:
            screen.closing = True
            screen.rest()
            await _give_up(work, stack)
            await in_thread(close)
            await stack.stop()
            screen.event("ended")
    screen.line("Ended.")


async def _give_up(work: asyncio.Future[Any], stack: Stack) -> None:
    """End what `work` has started, until it has noticed."""
    spared = {*stack.pids().values(), stack.guardian_pid or 0}
    until = time.monotonic() + 2.0
    while not work.done() and time.monotonic() < until:
        end_descendants(spared)
        await asyncio.sleep(0.1)
    if not work.done():
        work.cancel()
    elif not work.cancelled():
        work.exception()  # seen: what broke because it was ended is no news


class _Ended(Exception):
    """A signal asked for the end."""


def _watching(screen: Screen, failure: asyncio.Future[GTVisionError]) -> Tell:
    up: set[str] = set()

    def tell(part: str, event: str, detail: str) -> None:
        screen.tell(part, event, detail)
        if event == "ready":
            up.add(part)
        # A part that never was ready fails the start by itself.
        if event == "gave_up" and part in VITAL and part in up and not failure.done():
            failure.set_result(Unavailable(detail, mend="correct the cause and start again"))

    return tell


@contextlib.asynccontextmanager
async def _ended_by_signal() -> AsyncIterator[asyncio.Event]:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup the end of the terminal shall not be the end of the run.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, ended.set)
    try:
        yield ended
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _either(
    ended: asyncio.Event, failure: asyncio.Future[GTVisionError]
) -> AsyncIterator[Callable[[Awaitable[object]], Awaitable[None]]]:
    """A step runs to its end, unless a signal (_Ended) or a failure comes first; the step is then cancelled."""
    ending = asyncio.ensure_future(ended.wait())

    async def race(step: Awaitable[object]) -> None:
        task = asyncio.ensure_future(step)
        waited: set[asyncio.Future[Any]] = {task, ending, failure}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if failure.done():
            raise failure.result()
        raise _Ended

    try:
        yield race
    finally:
        ending.cancel()
