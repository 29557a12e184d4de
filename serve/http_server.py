"""What our HTTP servers have in common: listening, saying where, and ending at a signal."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from contracts.errors import StackError

_BACKLOG = 1024
"""How many clients may knock at once: after a restart all browsers do."""


def run_until_signal(serving: Coroutine[Any, Any, None]) -> None:
    """Run a server until it ends by itself, or SIGTERM or SIGINT cancels it.

    Raises:
        CoinlakeError: whatever the server raises.
    """

    async def until_signal() -> None:
        task = asyncio.create_task(serving)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(until_signal())


async def listen(runner: web.AppRunner, name: str, host: str, port: int, *, variable: str) -> int:
    """Listen, and return the port; 0 takes a free one. `variable` chooses another.

    Raises:
        StackError: the port is in use, or the host is none of ours.
    """
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
    except OSError as error:
        raise StackError(
            f"{name}: expected to listen on port {port} of {host}, found:"
            f" {os.strerror(error.errno) if error.errno else error}; choose another port with {variable}"
        ) from None
    return int(runner.addresses[0][1])


def url_of(host: str, port: int) -> str:
    """Write where a browser of this machine finds us.

    >>> url_of("::1", 8000), url_of("0.0.0.0", 8000)
    ('http://[::1]:8000/', 'http://127.0.0.1:8000/')
    """
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{named}]:{port}/" if ":" in named else f"http://{named}:{port}/"


def write_port(path: Path, port: int) -> None:
    """Write the port so that a reader sees the whole number or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(f"{port}\n")
    partial.replace(path)
