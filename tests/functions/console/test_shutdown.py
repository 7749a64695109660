"""An open feed does not hold up the end of its process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.functions.console.sse import following
from tests.functions.console.stack import PASSWORD, Stack, eventually
from tests.support.ports import free_port
from tests.support.processes import start, stop


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_feeds_and_the_process(stack: Stack, tmp_path: Path, how: signal.Signals) -> None:
    """The function by itself under uvicorn, as its container runs it, beside the others on the same data."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GTV_")}
    settings = stack.context.settings
    environ |= {"GTV_DATA_DIR": str(settings.data_dir), "GTV_NATS_URL": settings.nats_url}
    command = [sys.executable, "-m", "uvicorn", "functions.console.handler:app", "--port", str(port)]
    log = tmp_path / "console.log"
    process = start(command, log, environ)
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{url}/_/ready")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await eventually(ready)
        cookies = await stack.cookies("admin", PASSWORD)
        async with following(url, cookies) as one, following(url, cookies) as other:
            process.send_signal(how)
            async with asyncio.timeout(10):
                # Ended whole: a connection that was cut would have raised in the reader.
                await asyncio.gather(one.ended.wait(), other.ended.wait())
        await asyncio.to_thread(process.wait, 10)
    finally:
        stop(process)
    text = log.read_text()
    assert "Finished server process" in text
    assert "Traceback" not in text
    assert process.returncode in (0, -how, 128 + how), text
