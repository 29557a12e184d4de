"""Writes a recording from live venues: what they answer, every N seconds, in the format the simulator plays."""

import asyncio
import datetime as dt
import json
import signal
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import msgspec
from pydantic import SecretStr

from contracts.errors import SettingsError
from simulator.clock import WallClock, wall_clock
from simulator.recording import SUFFIXES, Exchange, RecordedRequest, RecordedResponse, raw_body

_UNWANTED_HEADERS = frozenset({"set-cookie", "content-encoding", "content-length", "transfer-encoding", "connection"})


class RecordConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to record. `base_urls` names the venues; the CoinMarketCap key is sent and never written."""

    out: Path
    base_urls: Mapping[str, str]
    coinmarketcap_key: SecretStr = SecretStr("")
    coinmarketcap_api: str = "v3"
    coinmarketcap_coins: int = 100
    binance_symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    every_seconds: float = 60
    duration_seconds: float = 3 * 3600
    timeout_seconds: float = 10

    def polled(self, venue: str) -> RecordedRequest:
        """Return what is asked of a venue.

        Raises:
            SettingsError: there is no such venue.
        """
        requests = {
            "coinmarketcap": RecordedRequest(
                "GET",
                f"/{self.coinmarketcap_api}/cryptocurrency/listings/latest",
                {"limit": str(self.coinmarketcap_coins), "convert": "USD"},
            ),
            "wallex": RecordedRequest("GET", "/v1/markets"),
            "binance": RecordedRequest(
                "GET", "/api/v3/ticker/price", {"symbols": json.dumps(self.binance_symbols, separators=(",", ":"))}
            ),
        }
        if venue not in requests:
            raise SettingsError(f"record: expected venues of {', '.join(requests)}, found {venue!r}")
        return requests[venue]


class RecordSummary(msgspec.Struct, frozen=True):
    """What was written: lines a venue, and polls that got no answer at all."""

    lines: Mapping[str, int]
    unanswered: Mapping[str, int]


def record(config: RecordConfig) -> RecordSummary:
    """Record until the duration is over, or SIGTERM or SIGINT; every line is on disk when its poll is over.

    Raises:
        SettingsError: a venue is unknown, or the folder holds a recording of it already.
    """
    return asyncio.run(_until_stopped(config))


async def _until_stopped(config: RecordConfig) -> RecordSummary:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await record_venues(config, stop)


async def record_venues(config: RecordConfig, stop: asyncio.Event, wall: WallClock = wall_clock) -> RecordSummary:
    """Record on a fixed grid until `stop` is set or the duration is over; see `record`."""
    recorders = [_Recorder(config, venue, wall) for venue in config.base_urls]
    timeout = aiohttp.ClientTimeout(total=config.timeout_seconds)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    polls = max(1, int(config.duration_seconds // config.every_seconds))
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for number in range(polls):
            try:
                await asyncio.wait_for(stop.wait(), begin + number * config.every_seconds - loop.time())
            except TimeoutError:
                await asyncio.gather(*(recorder.poll(session) for recorder in recorders))
            else:
                break
    return RecordSummary(
        {recorder.venue: recorder.lines for recorder in recorders},
        {recorder.venue: recorder.unanswered for recorder in recorders},
    )


class _Recorder:
    """Records one venue into one file."""

    def __init__(self, config: RecordConfig, venue: str, wall: WallClock) -> None:
        self.venue = venue
        self.lines = 0
        self.unanswered = 0
        self._request = config.polled(venue)
        self._url = config.base_urls[venue].rstrip("/") + self._request.path
        self._key = config.coinmarketcap_key.get_secret_value() if venue == "coinmarketcap" else ""
        self._wall = wall
        self._newest: dt.datetime | None = None
        for suffix in SUFFIXES:
            if (config.out / f"{venue}{suffix}").exists():
                raise SettingsError(f"record: expected no recording of {venue} yet, found one in {config.out}")
        config.out.mkdir(parents=True, exist_ok=True)
        self._path = config.out / f"{venue}.jsonl"

    async def poll(self, session: aiohttp.ClientSession) -> None:
        """Ask once and append the answer; a poll without an answer leaves no line and is counted."""
        headers = {"X-CMC_PRO_API_KEY": self._key} if self._key else {}
        try:
            # A redirect is an answer like any other: the key is for this venue alone.
            async with session.get(
                self._url, params=self._request.query, headers=headers, allow_redirects=False
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            self.unanswered += 1
            return
        kept = {name: value for name, value in response.headers.items() if name.lower() not in _UNWANTED_HEADERS}
        at = self._answered_at(response.headers.get("Date"))
        exchange = Exchange(at, self._request, RecordedResponse(response.status, kept, raw_body(body)))
        line = msgspec.json.encode(exchange)
        if self._key:
            line = line.replace(self._key.encode(), b"***")
        await asyncio.to_thread(self._append, line + b"\n")
        self.lines += 1

    def _answered_at(self, date: str | None) -> dt.datetime:
        """Return the venue's own time of the answer, else ours; never before the line above it."""
        try:
            at = parsedate_to_datetime(date).astimezone(dt.UTC) if date else self._wall()
        except ValueError:
            at = self._wall()
        self._newest = at if self._newest is None else max(at, self._newest)
        return self._newest

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)
