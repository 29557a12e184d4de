"""Run the live chart's server."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from contracts.errors import StackError
from contracts.settings import KafkaSettings, MovingAverageSettings
from serve.live.access import check_exposure
from serve.live.application import Parts, application, history_ms
from serve.live.clock import Clock
from serve.live.kafka_feed import KafkaFeed
from serve.live.settings import LiveSettings

_SHUTDOWN_SECONDS = 3.0
_BACKLOG = 1024
"""How many browsers may knock at once: after a restart all of them do."""


def run(
    settings: LiveSettings,
    kafka: KafkaSettings,
    window: MovingAverageSettings,
    chart_library: Path,
    *,
    port_file: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError, StackError: see `serve`.
    """

    async def until_signal() -> None:
        serving = asyncio.create_task(
            serve(settings, kafka, window, chart_library, port_file=port_file, say=say), name="live"
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        await asyncio.wait([serving])
        if not serving.cancelled():
            serving.result()

    asyncio.run(until_signal())


async def serve(
    settings: LiveSettings,
    kafka: KafkaSettings,
    window: MovingAverageSettings,
    chart_library: Path,
    *,
    port_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Serve until cancelled; say where, and write the port down.

    Raises:
        SettingsError: the host is not loopback, there is no token, and `live_open` is not set.
        StackError: the port is in use, the host is none of ours, or the library that draws charts is not there.
    """
    check_exposure(settings)
    if not await asyncio.to_thread(chart_library.is_file):
        raise StackError(f"live chart: expected the chart library as a file at {chart_library}, found none")
    clock = Clock()
    feed = KafkaFeed(kafka, history_ms=history_ms(settings), clock=clock)
    parts = Parts.make(settings, window, feed, chart_library, clock)
    runner = web.AppRunner(application(parts), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        port = await _listen(runner, settings)
        if port_file is not None:
            await asyncio.to_thread(_write_port, port_file, port)
        say(f"live chart: {url_of(settings.live_host, port)}")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.broadcast.run())
            tasks.create_task(feed.run(parts.broadcast.take))
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: LiveSettings) -> int:
    try:
        await web.TCPSite(runner, settings.live_host, settings.live_port, backlog=_BACKLOG).start()
    except OSError as error:
        raise StackError(
            f"live chart: expected to listen on port {settings.live_port} of {settings.live_host}, found:"
            f" {os.strerror(error.errno) if error.errno else error}; choose another port with COINLAKE_LIVE_PORT"
        ) from None
    return int(runner.addresses[0][1])


def url_of(host: str, port: int) -> str:
    """Write where a browser of this machine finds us.

    >>> url_of("::1", 8000), url_of("0.0.0.0", 8000)
    ('http://[::1]:8000/', 'http://127.0.0.1:8000/')
    """
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{named}]:{port}/" if ":" in named else f"http://{named}:{port}/"


def _write_port(path: Path, port: int) -> None:
    """Write the port so that a reader sees the whole number or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(f"{port}\n")
    partial.replace(path)
