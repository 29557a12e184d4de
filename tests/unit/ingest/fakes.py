"""Stand-ins for the world around the generator; each obeys its Protocol and holds a list."""

import asyncio
import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import aiohttp

from contracts.errors import BrokerError, CoinlakeError, TransientSourceError, UndeliveredError
from contracts.records import Gap, MarketTicker, Record, Rejected
from contracts.streams import INGEST_GAPS, WALLEX, Stream
from ingest.clock import Clock
from ingest.gaps import PollSeen
from ingest.http import Answer, HttpClient
from ingest.sink import Poll
from ingest.source import Surroundings
from ingest.weight import WeightBudget

NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


class FakeTime:
    """Time that passes only while somebody sleeps or works."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return at(self.seconds)

    def monotonic(self) -> float:
        return 1000 + self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.monotonic, sleep=self.sleep, jitter=random.Random(0))


class ListSink:
    """A Sink that keeps every poll it acknowledges; `refuse` says which calls (from 0) are not acknowledged."""

    def __init__(self, refuse: Callable[[int], bool] = lambda _: False) -> None:
        self.polls: list[Poll] = []
        self.in_flight = 0
        self._calls = 0
        self._refuse = refuse

    async def send_poll(self, poll: Poll) -> None:
        self._calls += 1
        if self._refuse(self._calls - 1):
            raise UndeliveredError("Kafka did not acknowledge 1 of 1 records (_MSG_TIMED_OUT)", count=1)
        self.polls.append(poll)

    def records(self, stream: Stream) -> list[Record]:
        return [record for poll in self.polls for record in poll.get(stream, ())]

    @property
    def gaps(self) -> list[Gap]:
        return [gap for gap in self.records(INGEST_GAPS) if isinstance(gap, Gap)]


class BrokenSink:
    """A Sink that cannot go on."""

    def __init__(self) -> None:
        self.in_flight = 0

    async def send_poll(self, poll: Poll) -> None:
        raise BrokerError("Kafka: the producer cannot go on")


class HangingSink:
    """A Sink that never acknowledges."""

    def __init__(self) -> None:
        self.in_flight = 0

    async def send_poll(self, poll: Poll) -> None:
        self.in_flight += sum(map(len, poll.values()))
        await asyncio.Event().wait()


Step = Sequence[Record] | CoinlakeError | Callable[[], Awaitable[None]] | None


class FakeSource:
    """A Source that plays steps: an error is raised, records are yielded, None is one good ticker now."""

    def __init__(self, time: FakeTime, steps: Sequence[Step] = (), work_seconds: Mapping[int, float] | None = None):
        self.name = "wallex"
        self.stream = WALLEX
        self.polled_at: list[float] = []
        self._time = time
        self._steps = list(steps)
        self._work_seconds = work_seconds or {}

    async def records(self) -> AsyncIterator[Record]:
        self.polled_at.append(round(self._time.seconds, 6))
        step = self._steps.pop(0) if self._steps else None
        moment = self._time.now()
        self._time.seconds += self._work_seconds.get(len(self.polled_at) - 1, 0)
        if isinstance(step, CoinlakeError):
            raise step
        if step is None:
            yield ticker(moment)
        elif isinstance(step, Sequence):
            for record in step:
                yield record
        else:
            await step()


class FakeTail:
    """A Tail that says what it is told."""

    def __init__(
        self,
        polls: Sequence[PollSeen] = (),
        gap: Gap | None = None,
        records: Sequence[Record] = (),
        gaps: Sequence[Gap] = (),
    ) -> None:
        self._records = records
        self._polls = polls
        self._gaps = [*gaps, gap] if gap else gaps

    async def newest_polls(self, venue: str, stream: Stream) -> Sequence[PollSeen]:
        return self._polls

    async def gaps(self, venue: str, stream: Stream) -> Sequence[Gap]:
        return self._gaps

    async def newest_records(self, venue: str, stream: Stream, symbols: Sequence[str]) -> Sequence[Record]:
        return self._records

    async def names(self, venue: str, stream: Stream, name: Callable[[Record], bytes]) -> set[bytes]:
        return {name(record) for record in self._records}


class FakeHttp:
    """An HttpClient that plays answers and keeps the requests."""

    def __init__(self, *answers: Answer | CoinlakeError) -> None:
        self.requests: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []
        self._answers = list(answers)

    async def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        self.requests.append((url, params, headers))
        answer = self._answers.pop(0)
        if isinstance(answer, CoinlakeError):
            raise answer
        return answer


def answer(
    body: object,
    *,
    status: int = 200,
    date: dt.datetime | None = NOON,
    retry_after: float | None = None,
    content_type: str = "application/json",
) -> Answer:
    return Answer(
        origin="http://venue",
        status=status,
        content_type=content_type,
        body=body if isinstance(body, str) else json.dumps(body),
        date=date,
        retry_after=retry_after,
    )


async def no_web_socket(url: str) -> aiohttp.ClientWebSocketResponse:
    raise TransientSourceError(f"{url}: expected a WebSocket, found no connection", kind="connection")


def surroundings(http: HttpClient, time: FakeTime, stale: list[tuple[str, int]] | None = None) -> Surroundings:
    counted = stale if stale is not None else []
    return Surroundings(
        http=http,
        now=time.now,
        max_ahead=dt.timedelta(seconds=60),
        count_stale=lambda venue, rows: counted.append((venue, rows)),
        clock=time.clock(),
        connect=no_web_socket,
        weight=WeightBudget(3000, time.monotonic),
        attempts=WeightBudget(55, time.monotonic),
        x_requests=WeightBudget(450, time.monotonic),
    )


def ticker(moment: dt.datetime, symbol: str = "BTCTMN", ingest_time: dt.datetime | None = None) -> MarketTicker:
    return MarketTicker(
        venue="wallex",
        event_time=moment,
        ingest_time=ingest_time or moment,
        symbol=symbol,
        base="BTC",
        quote="TMN",
        price=Decimal("1"),
    )


def rejected(moment: dt.datetime) -> Rejected:
    return Rejected(venue="wallex", event_time=moment, ingest_time=moment, stream="wallex", reason="bad", payload=b"{}")


def gap(from_time: dt.datetime, *, written: dt.datetime, cause: str = "down", missed: int | None = 2) -> Gap:
    return Gap(
        venue="wallex",
        event_time=from_time,
        ingest_time=written,
        symbol="*",
        stream="wallex",
        from_time=from_time,
        cause=cause,
        recoverable=False,
        missed=missed,
    )


async def drain(records: AsyncIterator[Record]) -> list[Record]:
    return [record async for record in records]
