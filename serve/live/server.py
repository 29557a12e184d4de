"""Run the live chart's server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from contracts.errors import StackError
from contracts.settings import KafkaSettings, MovingAverageSettings
from serve.access import check_exposure
from serve.http_server import listen, run_until_signal, url_of, write_port
from serve.live.application import Parts, application, history_ms
from serve.live.clock import Clock
from serve.live.kafka_feed import KafkaFeed
from serve.live.settings import LiveSettings

_SHUTDOWN_SECONDS = 3.0


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

    run_until_signal(serve(settings, kafka, window, chart_library, port_file=port_file, say=say))


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
    check_exposure("LIVE", settings.live_host, settings.live_token, settings.live_open)
    if not await asyncio.to_thread(chart_library.is_file):
        raise StackError(f"live chart: expected the chart library as a file at {chart_library}, found none")
    clock = Clock()
    feed = KafkaFeed(kafka, history_ms=history_ms(settings), clock=clock)
    parts = Parts.make(settings, window, feed, chart_library, clock)
    runner = web.AppRunner(application(parts), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        port = await listen(runner, "live chart", settings.live_host, settings.live_port, variable="COINLAKE_LIVE_PORT")
        if port_file is not None:
            await asyncio.to_thread(write_port, port_file, port)
        say(f"live chart: {url_of(settings.live_host, port)}")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.broadcast.run())
            tasks.create_task(feed.run(parts.broadcast.take))
    finally:
        await runner.cleanup()
