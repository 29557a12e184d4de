"""Stand-ins for the world around the live server; each obeys its Protocol and holds a list."""

import asyncio
import datetime as dt
import json
from decimal import Decimal
from typing import Any

from contracts.records import MovingAverage, encode
from serve.live.client import Shared
from serve.live.clock import Clock
from serve.live.feed import Batch, Take
from serve.live.history import History
from serve.live.metrics import Metrics
from serve.live.points import Point, point_of

NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)
NOON_MS = 1_710_849_600_000
SLIDE_MS = 500


def average(symbol: str = "BTCUSDT", *, window: int = 0, count: int = 1, price: str = "67000.5") -> MovingAverage:
    """The window that ends so many slides after noon."""
    end = NOON + dt.timedelta(milliseconds=SLIDE_MS * window)
    event = end - dt.timedelta(milliseconds=100)
    return MovingAverage(
        venue="binance",
        event_time=event,
        ingest_time=event,
        broker_time=event + dt.timedelta(milliseconds=20),
        symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        window_start=end - dt.timedelta(seconds=3),
        window_end=end,
        mean=Decimal(price),
        vwap=None,
        last=Decimal(price),
        count=count,
    )


def point(sequence: int, symbol: str = "BTCUSDT", *, window: int = 0, count: int = 1) -> Point:
    record = average(symbol, window=window, count=count)
    return point_of(encode(record), offset=sequence, timestamp_ms=NOON_MS + SLIDE_MS * window - 50)


def identity(points: list[Point]) -> list[tuple[int, int]]:
    return [(p.sequence, p.count) for p in points]


class FakeTime:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> Clock:
        return Clock(wall_ms=lambda: NOON_MS + 1000 * self.seconds, monotonic=lambda: self.seconds)


class ListSocket:
    """A Socket that keeps its frames; while `stalled` it is full after the next frame."""

    def __init__(self, *, stalled: bool = False) -> None:
        self.frames: list[Any] = []
        self.pongs: list[bytes] = []
        self.full = False
        self.aborted = False
        self.broken = False
        self._stalled = stalled
        self._flows = asyncio.Event()

    async def write(self, frame: bytes) -> None:
        if self.broken:
            raise ConnectionResetError
        self.frames.append(json.loads(frame))
        self.full = self._stalled

    async def pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    async def drain(self) -> None:
        if self.full:
            self._flows.clear()
            await self._flows.wait()

    def abort(self) -> None:
        self.aborted = True

    def flow(self, *, freely: bool = True) -> None:
        """Take what waits; and, if freely, everything from now on."""
        self._stalled = not freely
        self.full = False
        self._flows.set()

    def of_type(self, kind: str) -> list[Any]:
        return [frame for frame in self.frames if frame["type"] == kind]

    def sequences(self) -> list[int]:
        return [p["sequence"] for frame in self.frames for p in frame.get("points", [])]


class FakeFeed:
    """A Feed whose batches a test hands over."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._batches: asyncio.Queue[Batch] = asyncio.Queue()

    async def run(self, take: Take) -> None:
        while True:
            take(await self._batches.get())
            self._batches.task_done()

    async def send(self, batch: Batch) -> None:
        self._batches.put_nowait(batch)
        await self._batches.join()


def shared(time: FakeTime, *, max_pending: int = 1000, length_ms: int = 120_000, ready: bool = True) -> Shared:
    history = History(length_ms=length_ms, max_points=241, max_symbols=500)
    return Shared(history, Metrics(), time.clock(), max_pending, ready=ready)


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)
