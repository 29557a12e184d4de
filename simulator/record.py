"""Writes a recording from live venues: what they answer, every N seconds, and what Binance pushes meanwhile.

The format is the one that the simulator plays. A lost connection is made again; what was not heard is not there.
"""

import asyncio
import datetime as dt
import json
import signal
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import msgspec
from pydantic import SecretStr

from contracts.errors import SettingsError
from simulator.clock import WallClock, wall_clock
from simulator.recording import SUFFIXES, Exchange, Pushed, RecordedRequest, RecordedResponse, raw_body

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_PAUSE_SECONDS = 1.0
"""Before a lost connection is made again; the venue allows 300 attempts in 5 minutes."""
_UNWANTED_HEADERS = frozenset({"set-cookie", "content-encoding", "content-length", "transfer-encoding", "connection"})


class RecordConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to record. `base_urls` names the venues; the CoinMarketCap key is sent and never written."""

    out: Path
    base_urls: Mapping[str, str]
    coinmarketcap_key: SecretStr = SecretStr("")
    coinmarketcap_api: str = "v3"
    coinmarketcap_coins: int = 100
    binance_symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    binance_stream_url: str = ""
    """Where its 1-minute klines and aggregate trades are pushed; without it only its answers are recorded."""
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

    @property
    def pushed(self) -> str:
        """Return the URL at which everything is pushed that is recorded."""
        kinds = ("kline_1m", "aggTrade")
        names = (f"{symbol.lower()}@{kind}" for symbol in self.binance_symbols for kind in kinds)
        return f"{self.binance_stream_url.rstrip('/')}/stream?streams={'/'.join(names)}"


class RecordSummary(msgspec.Struct, frozen=True):
    """What was written: answers a venue, polls that got no answer at all, and frames that were pushed."""

    lines: Mapping[str, int]
    unanswered: Mapping[str, int]
    frames: int = 0


class _Push(msgspec.Struct, frozen=True):
    """A message of the combined streams."""

    stream: str
    data: msgspec.Raw


class _Moment(msgspec.Struct, frozen=True):
    """The venue's time of a frame, in milliseconds since 1970."""

    event_ms: int = msgspec.field(name="E")


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
        listening = [
            asyncio.create_task(recorder.listen(session, config.pushed))
            for recorder in recorders
            if recorder.venue == "binance" and config.binance_stream_url
        ]
        try:
            for number in range(polls):
                if await _is_stopped(stop, begin + number * config.every_seconds - loop.time()):
                    break
                await asyncio.gather(*(recorder.poll(session) for recorder in recorders))
            if listening:
                await _is_stopped(stop, begin + config.duration_seconds - loop.time())
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    return RecordSummary(
        {recorder.venue: recorder.lines for recorder in recorders},
        {recorder.venue: recorder.unanswered for recorder in recorders},
        sum(recorder.frames for recorder in recorders),
    )


async def _is_stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, and say whether a stop was asked for before."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


class _Recorder:
    """Records one venue into one file."""

    def __init__(self, config: RecordConfig, venue: str, wall: WallClock) -> None:
        self.venue = venue
        self.lines = 0
        self.unanswered = 0
        self.frames = 0
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
        answer = RecordedResponse(response.status, kept, raw_body(body))
        at = self._answered_at(response.headers.get("Date"))
        self._append(at, lambda at: Exchange(at, self._request, answer))
        self.lines += 1

    async def listen(self, session: aiohttp.ClientSession, url: str) -> None:
        """Append every pushed frame until cancelled."""
        while True:
            try:
                async with session.ws_connect(url) as socket:
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self._heard(message.data)
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(_PAUSE_SECONDS)

    def _heard(self, text: str) -> None:
        try:
            push = msgspec.json.decode(text, type=_Push)
            event_ms = msgspec.json.decode(push.data, type=_Moment).event_ms
        except msgspec.MsgspecError:
            return  # an acknowledgement, or the notice of a shutdown
        # Out of the text that it is a part of.
        frame, at = msgspec.Raw(bytes(push.data)), _EPOCH + dt.timedelta(milliseconds=event_ms)
        self._append(at, lambda at: Pushed(at, push.stream, frame))
        self.frames += 1

    def _answered_at(self, date: str | None) -> dt.datetime:
        """Return the venue's own time of the answer, else ours."""
        try:
            return parsedate_to_datetime(date).astimezone(dt.UTC) if date else self._wall()
        except ValueError:
            return self._wall()

    def _append(self, at: dt.datetime, line_at: Callable[[dt.datetime], Exchange | Pushed]) -> None:
        """Append a line, with a time that is never before that of the line above it."""
        self._newest = at if self._newest is None else max(at, self._newest)
        line = msgspec.json.encode(line_at(self._newest))
        if self._key:
            line = line.replace(self._key.encode(), b"***")
        with self._path.open("ab") as file:
            file.write(line + b"\n")
