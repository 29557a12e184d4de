"""Run the generator: several venues side by side, one sink, one health page, one way to stop."""

import asyncio
import datetime as dt
import math
import signal
from collections.abc import Coroutine, Sequence
from typing import Any

import aiohttp
import structlog

from contracts.errors import BrokerError, SettingsError, UndeliveredError
from contracts.settings import IngestSettings, JobSettings, KafkaSettings, TransportSettings
from contracts.streams import INGEST_GAPS, INGEST_REJECTED
from ingest import logs
from ingest.clock import Clock
from ingest.follow import Follower
from ingest.health import health_server
from ingest.http import AiohttpClient
from ingest.metrics import Metrics
from ingest.runner import Outcome, Poller
from ingest.sink import Sink
from ingest.source import Surroundings
from ingest.sources.binance.connection import ATTEMPTS_PER_MINUTE
from ingest.sources.x.refusals import WINDOW_SECONDS as X_WINDOW_SECONDS
from ingest.transport import sink_of, tail_of, unless_stopped
from ingest.venues import BY_DEFAULT, POLLED, PUSHED, VENUES
from ingest.web_socket import connector
from ingest.weight import WeightBudget

_LAST_WORDS_SECONDS = 0.5


def polls_in(duration: dt.timedelta, poll_seconds: float) -> int:
    """Return how many polls of the grid are due within a duration, the one at its start included.

    >>> polls_in(dt.timedelta(hours=3), 60)
    180
    """
    return max(1, math.ceil(round(duration.total_seconds() / poll_seconds, 6)))


async def generate(
    ingest: IngestSettings,
    kafka: KafkaSettings,
    job: JobSettings,
    *,
    venues: Sequence[str],
    polls: int | None,
    stop: asyncio.Event,
    clock: Clock | None = None,
    once: bool = False,
    transport: TransportSettings | None = None,
) -> int:
    """Take `polls` polls of venues to Kafka or over ZeroMQ (None: until `stop` is set); return the exit code.

    Pushed feeds are followed for as long as these polls take, or, where it is `once`, filled up to now.

    The code is 0 unless a venue failed for good, or nothing of a venue was served though no stop was asked.

    Raises:
        SettingsError: a venue is not known.
        BrokerError: Kafka cannot be reached at the start, or the producer cannot go on; on ZeroMQ nobody subscribes.
        TopicError: a topic does not exist.
        StackError: the health port is in use, or the address that ZeroMQ is to have.
        UndeliveredError: records, or the Gap that stands for them, were not acknowledged at the end.
    """
    for venue in venues:
        if venue not in VENUES:
            raise SettingsError(f"expected a venue out of {', '.join(VENUES)}, found {venue}")
    clock, transport = clock or Clock(), transport or TransportSettings(_env_file=None)
    metrics = Metrics(venues, clock.monotonic)
    async with (
        aiohttp.ClientSession() as session,
        sink_of(transport, kafka, clock) as sink,
        health_server(metrics, ingest.poll_seconds, ingest.health_port, ingest.health_host) as port,
    ):
        http = AiohttpClient(session, timeout_seconds=ingest.request_timeout_seconds, now=clock.now)
        around = Surroundings(
            http=http,
            now=clock.now,
            max_ahead=dt.timedelta(seconds=job.max_ahead_seconds),
            count_stale=metrics.stale,
            clock=clock,
            connect=connector(session, timeout_seconds=ingest.request_timeout_seconds),
            weight=WeightBudget(ingest.binance_weight_per_minute, clock.monotonic),
            attempts=WeightBudget(ATTEMPTS_PER_MINUTE, clock.monotonic),
            x_requests=WeightBudget(ingest.x_requests_per_window, clock.monotonic, window_seconds=X_WINDOW_SECONDS),
        )
        sources = [POLLED[venue](ingest, around) for venue in venues if venue in POLLED]
        feeds = [PUSHED[venue](ingest, around) for venue in venues if venue in PUSHED]
        filled = [*(source.stream for source in sources), *(feed.stream for feed in feeds)]
        if not await unless_stopped(sink.start([*filled, INGEST_GAPS, INGEST_REJECTED]), stop):
            return 0
        metrics.watch_in_flight(lambda: sink.in_flight)
        pollers = [
            Poller(source, sink, metrics, clock, interval_seconds=ingest.poll_seconds, stop=stop) for source in sources
        ]
        followers = [
            Follower(source, sink, metrics, clock, stop=stop, drain_seconds=ingest.drain_seconds) for source in feeds
        ]
        tail = tail_of(transport, kafka)
        await asyncio.gather(*(poller.resume(tail) for poller in pollers), *(feed.resume(tail) for feed in followers))
        structlog.get_logger().info("generator_started", venues=",".join(venues), polls=polls, health_port=port)
        seconds = None if polls is None or once else polls * ingest.poll_seconds
        runs = [
            *(poller.run(polls) for poller in pollers),
            *(follower.run(seconds, once=once) for follower in followers),
        ]
        outcomes = await run_all(runs, sink, stop=stop, drain_seconds=ingest.drain_seconds)
    return exit_code(outcomes, stopped=stop.is_set())


async def run_all(
    runs: Sequence[Coroutine[Any, Any, Outcome]], sink: Sink, *, stop: asyncio.Event, drain_seconds: float
) -> list[Outcome]:
    """Let venues run side by side to their end; after `stop` they have `drain_seconds` left, and a moment to say so.

    Raises:
        UndeliveredError: something was not acknowledged at the end, or a venue did not come to its end in time.
        BrokerError: no further poll can be sent.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
            watch = asyncio.create_task(_cancel_late(tasks, stop, drain_seconds + _LAST_WORDS_SECONDS))
    except* BrokerError as errors:
        raise BrokerError(str(errors.exceptions[0])) from None
    finally:
        watch.cancel()
    if sink.in_flight:
        raise UndeliveredError(
            f"Kafka did not acknowledge {sink.in_flight} records within {drain_seconds:g} s after the stop",
            count=sink.in_flight,
        )
    if late := sum(task.cancelled() for task in tasks):
        raise UndeliveredError(f"{late} venues did not end within {drain_seconds:g} s after the stop", count=late)
    outcomes = [task.result() for task in tasks]
    unwritten = [outcome.venue for outcome in outcomes if outcome.unwritten]
    if unwritten:
        raise UndeliveredError(
            f"Kafka did not acknowledge the newest records of {', '.join(unwritten)}:"
            " the next start puts the hole on record",
            count=len(unwritten),
        )
    return outcomes


async def _cancel_late(tasks: Sequence[asyncio.Task[Outcome]], stop: asyncio.Event, seconds: float) -> None:
    await stop.wait()
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()


def exit_code(outcomes: Sequence[Outcome], *, stopped: bool) -> int:
    """Return 1 where a venue failed for good or was never served, else 0."""
    return int(any(outcome.fatal or (outcome.served == 0 and not stopped) for outcome in outcomes))


def run(
    ingest: IngestSettings,
    kafka: KafkaSettings,
    job: JobSettings,
    *,
    venues: Sequence[str] = BY_DEFAULT,
    once: bool = False,
    duration: dt.timedelta | None = None,
    log_format: logs.LogFormat = "logfmt",
    transport: TransportSettings | None = None,
) -> int:
    """Run the generator until it ends or SIGTERM or SIGINT asks it to, and return its exit code.

    `once` polls each venue one time and fills pushed feeds up to now; else `duration`, and where that is None for ever.

    Raises:
        CoinlakeError: as `generate` says.
    """
    logs.configure(log_format)
    polls = 1 if once else None if duration is None else polls_in(duration, ingest.poll_seconds)

    async def with_signals() -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await generate(ingest, kafka, job, venues=venues, polls=polls, stop=stop, once=once, transport=transport)

    return asyncio.run(with_signals())
