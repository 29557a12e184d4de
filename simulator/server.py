"""The HTTP server: every venue below its own prefix, on one port, with the simulated clock in `Date`."""

import asyncio
import datetime as dt
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path

import msgspec
from aiohttp import web

from contracts.errors import StackError
from simulator.binance.control import limits_and_breaks
from simulator.binance.rest import Binance
from simulator.binance.streams import Streams
from simulator.clock import SimulatedClock, WallClock, wall_clock
from simulator.config import SimulatorConfig
from simulator.control import Control
from simulator.faults import REQUEST_KINDS, Fault, FaultKind, Injections
from simulator.opening import open_venues
from simulator.request_log import RequestLog, redacted
from simulator.spoiling import RowChange, changed, instead, spoiled
from simulator.venues import demand_known, pushing
from simulator.wire import Answer, Request, Venue

_NOW = web.RequestKey("now", dt.datetime)
Sleep = Callable[[float], Awaitable[None]]


class Simulator:
    """The venues, their clock, and what is put upon them."""

    def __init__(self, config: SimulatorConfig, wall: WallClock = wall_clock, sleep: Sleep = asyncio.sleep) -> None:
        opened = open_venues(config)
        self.venues: dict[str, Venue] = opened.venues
        self._earliest = opened.begin
        self._stream_rules = config.streams
        self._sleep = sleep
        self._stopping = asyncio.Event()
        self._clock = SimulatedClock(
            wall, speed=config.speed, span=dt.timedelta(seconds=config.span_seconds), begin=opened.begin
        )
        self._log = RequestLog(config.log_size)
        binance = opened.venues.get("binance")
        self._binance = binance if isinstance(binance, Binance) else None
        if self._binance is not None:
            self._binance.run_by(self._clock)
        self._faults: Injections[Fault] = Injections(self._binance.halts.place if self._binance else lambda *_: None)
        self._rows: Injections[RowChange] = Injections()
        for fault in config.faults:
            demand_known(fault.venue)
            self._faults.place(fault, self._clock.now())

    def app(self) -> web.Application:
        """Build the web application."""
        app = web.Application()
        control = Control(self._clock, self._faults, self._rows, self._log)
        app.add_routes(control.routes())
        streams = [Streams(one, self._clock, self._stream_rules, self._faults) for one in pushing(self.venues)]
        for one in streams:
            app.add_routes(one.routes())
        if streams:
            app.add_routes(limits_and_breaks(streams))
        app.add_routes([web.get(f"/{name}/{{path:.*}}", self._serve_venue(name)) for name in self.venues])
        app.on_response_prepare.append(self._set_date)
        return app

    def stop(self) -> None:
        """End every answer that is being held back."""
        self._stopping.set()

    async def _set_date(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(request.get(_NOW) or self._clock.now(), usegmt=True)
        response.headers.pop("Server", None)

    def _serve_venue(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        venue = self.venues[name]

        async def serve(http: web.Request) -> web.StreamResponse:
            self._clock.start()
            now = self._clock.now()
            started = self._clock.started_at or now
            http[_NOW] = now
            request = Request(
                path="/" + http.match_info["path"],
                query=dict(http.query),
                headers={key.lower(): value for key, value in http.headers.items()},
            )
            fault = self._faults.strike_first(name, now, started, lambda fault: fault.kind in REQUEST_KINDS)
            answer = instead(fault, venue, now) if fault else None
            if answer is None:
                answer = venue.answer(request, now, self._content_at(now, fault))
                answer = changed(answer, self._rows.strike(name, now, started), venue)
            answer = spoiled(fault, answer) if fault else answer
            kind = fault.kind if fault else None
            silent = kind in (FaultKind.SILENCE, FaultKind.DISCONNECT)
            self._log.add(
                venue=name,
                path=request.path,
                query=redacted(request.query),
                simulated_time=now,
                wall_time=self._clock.wall(),
                status=None if silent else answer.status,
                fault=kind,
            )
            if fault and kind is FaultKind.SLOW:
                await self._sleep(fault.delay_seconds)
            return await self._send(http, answer, kind)

        return serve

    def _content_at(self, now: dt.datetime, fault: Fault | None) -> dt.datetime:
        """Return the moment whose content is shown: now, or earlier for a stale cache (never before a recording)."""
        if fault is None or fault.kind is not FaultKind.STALE:
            return now
        stale = now - dt.timedelta(seconds=fault.age_seconds)
        return stale if self._earliest is None else max(stale, self._earliest)

    async def _send(self, http: web.Request, answer: Answer, kind: FaultKind | None) -> web.StreamResponse:
        headers = {"Content-Type": answer.content_type, **answer.headers}
        if kind is FaultKind.SILENCE:
            await self._stopping.wait()
        if kind in (FaultKind.SILENCE, FaultKind.DISCONNECT):
            _hang_up(http)
            return web.Response()
        if kind is not FaultKind.CUT:
            return web.Response(body=answer.body, status=answer.status, headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(answer.body)
        await response.prepare(http)
        await response.write(answer.body[: len(answer.body) // 2])
        _hang_up(http)
        return response


def _hang_up(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.close()


class Listening(msgspec.Struct, frozen=True):
    """Where a running simulator listens."""

    host: str
    port: int
    venues: tuple[str, ...]

    def url(self, venue: str) -> str:
        """Return the base URL that stands for a venue."""
        return f"http://{self.host}:{self.port}/{venue}"

    @property
    def control(self) -> str:
        """The base URL of faults, rows, requests and clock."""
        return f"http://{self.host}:{self.port}/_simulator"


@asynccontextmanager
async def running(
    config: SimulatorConfig, wall: WallClock = wall_clock, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[Listening]:
    """Run a simulator for as long as the context lasts.

    Raises:
        SettingsError, NoDataError: the recording cannot be played, or a fault names no venue.
        StackError: the port is in use.
    """
    simulator = Simulator(config, wall, sleep)
    runner = web.AppRunner(simulator.app(), access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port)
        try:
            await site.start()
        except OSError as error:
            raise StackError(f"simulator: expected port {config.port} to be free, found: {error.strerror}") from error
        yield Listening(config.host, int(runner.addresses[0][1]), tuple(simulator.venues))
    finally:
        simulator.stop()
        await runner.cleanup()


def serve(config: SimulatorConfig) -> None:
    """Run a simulator until SIGTERM or SIGINT; print one line with its base URLs when it listens.

    Raises:
        SettingsError, NoDataError, StackError: see `running`.
    """
    asyncio.run(_serve(config))


async def _serve(config: SimulatorConfig) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config) as listening:
        if config.port_file is not None:
            await asyncio.to_thread(_write_port, config.port_file, listening.port)
        urls = ", ".join(f"{venue} at {listening.url(venue)}" for venue in listening.venues)
        print(f"simulator: {urls}; control at {listening.control}", flush=True)
        await stop.wait()


def _write_port(path: Path, port: int) -> None:
    """Write the port so that a reader sees the whole number or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(f"{port}\n")
    partial.replace(path)
