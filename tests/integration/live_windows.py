"""A market of moving averages without Spark: windows in Kafka as the job writes them, all of them remembered."""

import datetime as dt
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

from confluent_kafka import Producer

from contracts.records import MovingAverage, encode
from contracts.streams import CRYPTO_DATA_AGGREGATED, key_of

WINDOW_MS = 3000
SLIDE_MS = 500
START_PRICES = {
    **{"BTC": "67000.10", "ETH": "3500.25", "SOL": "150.12", "DOGE": "0.12345", "XRP": "0.5012", "ADA": "0.4411"},
    **{"AVAX": "35.17", "LINK": "17.321", "DOT": "7.112", "LTC": "84.21", "TRX": "0.11234", "ATOM": "8.412"},
    **{"UNI": "7.451", "XLM": "0.1101", "NEAR": "6.312", "APT": "9.221", "FIL": "5.812", "SHIB": "0.00002412"},
    **{"OP": "2.412", "ARB": "1.1021"},
}
COINS = tuple(START_PRICES)


class Trade(NamedTuple):
    """A price and a quantity at a time in ms since 1970."""

    at: int
    price: Decimal
    quantity: Decimal


class Book:
    """One symbol: a random walk of prices, and the trades that windows may still hold."""

    def __init__(self, coin: str, draw: random.Random) -> None:
        self.coin = coin
        self._draw = draw
        self._price = Decimal(START_PRICES[coin])
        self._tick = Decimal(1).scaleb(int(self._price.as_tuple().exponent))
        self._trades: deque[Trade] = deque()

    def trade(self, at: int) -> list[MovingAverage]:
        """Trade at this time, no earlier than before; return the windows that hold the trade, told anew."""
        step = Decimal(self._draw.gauss(0, 2e-5) + 1)
        self._price = max(
            self._tick, (self._price * step).quantize(self._tick) + self._draw.choice([-1, 0, 1]) * self._tick
        )
        self._trades.append(Trade(at, self._price, Decimal(self._draw.randrange(1, 10**6)).scaleb(-6)))
        while self._trades[0].at < at - WINDOW_MS:
            self._trades.popleft()
        first = (at // SLIDE_MS + 1) * SLIDE_MS
        return [self._window(end) for end in range(first, first + WINDOW_MS, SLIDE_MS)]

    def _window(self, end: int) -> MovingAverage:
        inside = [trade for trade in self._trades if end - WINDOW_MS <= trade.at < end]
        quantity = sum((trade.quantity for trade in inside), Decimal(0))
        event = moment(inside[-1].at)
        return MovingAverage(
            venue="binance",
            event_time=event,
            ingest_time=event,
            broker_time=event,
            symbol=f"{self.coin}USDT",
            base=self.coin,
            quote="USDT",
            window_start=moment(end - WINDOW_MS),
            window_end=moment(end),
            mean=(sum((trade.price for trade in inside), Decimal(0)) / len(inside)).quantize(Decimal("1e-12")),
            vwap=(sum(trade.price * trade.quantity for trade in inside) / quantity).quantize(Decimal("1e-12")),
            last=inside[-1].price,
            count=len(inside),
        )


class LiveMarket:
    """Sends windows at a steady rate of trades, and remembers those that Kafka has."""

    def __init__(
        self, servers: str, *, coins: Sequence[str] = COINS, trades_a_second: float = 100, seed: int = 1
    ) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 1})
        draw = random.Random(seed)
        self._books = [Book(coin, draw) for coin in coins]
        self._pause = 1 / trades_a_second
        self._stopping = threading.Event()
        self.refused: list[str] = []
        self._lock = threading.Lock()
        self._acknowledged: list[MovingAverage] = []

    def past(self, seconds: float) -> None:
        """Send, at once, what would have been sent in the time up to now."""
        now = now_ms()
        step = max(1, round(1000 * self._pause))
        for number, at in enumerate(range(now - round(seconds * 1000), now, step)):
            self._send(self._books[number % len(self._books)].trade(at))
        assert self._producer.flush(30) == 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Send as long as the block runs; at its end Kafka has all."""
        thread = threading.Thread(target=self._run, name="live market")
        self._stopping.clear()
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()
            assert self._producer.flush(30) == 0
        assert self.refused == []

    def newest(self, symbol: str) -> dict[int, MovingAverage]:
        """Return, of each window of a symbol that Kafka has, the newest by its end in ms."""
        with self._lock:
            told = [window for window in self._acknowledged if window.symbol == symbol]
        found: dict[int, MovingAverage] = {}
        for window in told:
            end = round(window.window_end.timestamp() * 1000)
            if end not in found or window.count >= found[end].count:
                found[end] = window
        return found

    def _run(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            self._producer.poll(0)
            wait = began + number * self._pause - time.monotonic()
            if self._stopping.wait(max(0, wait)):
                return
            self._send(self._books[number % len(self._books)].trade(now_ms()))

    def _send(self, windows: Sequence[MovingAverage]) -> None:
        for window in windows:
            self._producer.produce(
                CRYPTO_DATA_AGGREGATED.topic,
                encode(window),
                key_of(CRYPTO_DATA_AGGREGATED, window),
                on_delivery=lambda error, _, window=window: self._note(error, window),
            )

    def _note(self, error: object, window: MovingAverage) -> None:
        if error is not None:
            self.refused.append(str(error))
            return
        with self._lock:
            self._acknowledged.append(window)


def moment(milliseconds: int) -> dt.datetime:
    """Turn ms since 1970 into a time, exactly."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def now_ms() -> int:
    """Read the clock, ms since 1970."""
    return time.time_ns() // 1_000_000
