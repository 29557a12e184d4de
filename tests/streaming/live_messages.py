"""Messages of the live topics, and the windows that pandas makes of them."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType, TimestampType

from contracts.records import AggTrade, Kline, MovingAverage, Record, decode, encode
from contracts.settings import MovingAverageSettings
from contracts.streams import stream_of
from tests.streaming.rows import exactly

KAFKA = StructType(
    [
        StructField("value", BinaryType()),
        StructField("topic", StringType()),
        StructField("partition", IntegerType()),
        StructField("offset", LongType()),
        StructField("timestamp", TimestampType()),
    ]
)
BROKER_DELAY = dt.timedelta(milliseconds=3)

Message = tuple[bytes, str, int, int, dt.datetime]
Windows = dict[tuple[str, dt.datetime], MovingAverage]


def messages_of(records: Sequence[Record]) -> list[Message]:
    """Encode records as Kafka has them, each three milliseconds after it was received."""
    return [
        (encode(record), stream_of(record).topic, 0, offset, record.ingest_time + BROKER_DELAY)
        for offset, record in enumerate(records)
    ]


def frame_of(spark: SparkSession, messages: Sequence[Message]) -> DataFrame:
    """Make them a frame with the columns of Spark's Kafka source."""
    return spark.createDataFrame(list(messages), KAFKA)


def told(frame: DataFrame) -> list[MovingAverage]:
    """Decode what the plan would send, and check its key."""
    rows = frame.collect()
    windows = [decode(row["value"].encode(), MovingAverage) for row in rows]
    assert [row["key"] for row in rows] == [window.symbol for window in windows]
    return windows


def newest(windows: Sequence[MovingAverage]) -> Windows:
    """Keep, of each (symbol, window end), the one of the greatest count, as every reader does."""
    kept: Windows = {}
    for window in windows:
        key = (window.symbol, window.window_end)
        if key not in kept or window.count >= kept[key].count:
            kept[key] = window
    return kept


def trade(at: dt.datetime, price: str, quantity: str, number: int, symbol: str = "BTCUSDT") -> AggTrade:
    """Build a trade that was received two milliseconds after it happened."""
    return AggTrade(
        venue="binance",
        event_time=at,
        ingest_time=at + dt.timedelta(milliseconds=2),
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        agg_trade_id=number,
        price=Decimal(price),
        quantity=Decimal(quantity),
        first_trade_id=number,
        last_trade_id=number,
        buyer_is_maker=False,
    )


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Divide, rounded half up at 18 places."""
    return exactly(lambda: numerator / denominator)


def product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply, rounded half up at 18 places."""
    return exactly(lambda: left * right)


def exploded(records: Sequence[AggTrade | Kline], settings: MovingAverageSettings) -> pd.DataFrame:
    """Put each record into every window that holds it: one row a record and window end, times in ms."""
    frame = pd.DataFrame(
        {
            "symbol": [record.symbol for record in records],
            "at": [round(record.event_time.timestamp() * 1000) for record in records],
            "record": list(records),
        }
    )
    slides = settings.live_window_ms // settings.live_slide_ms
    first = (frame["at"] // settings.live_slide_ms + 1) * settings.live_slide_ms
    copies = [frame.assign(end=first + number * settings.live_slide_ms) for number in range(slides)]
    return pd.concat(copies).sort_values(["symbol", "end", "at"], kind="stable")


def expected_of_trades(trades: Sequence[AggTrade], settings: MovingAverageSettings) -> Windows:
    """Average with pandas and Python's decimal."""
    found: Windows = {}
    for (symbol, end), rows in exploded(trades, settings).groupby(["symbol", "end"]):
        inside = sorted(rows["record"], key=lambda record: (record.event_time, record.agg_trade_id))
        last, window_end = inside[-1], dt.datetime.fromtimestamp(end / 1000, dt.UTC)
        notional = sum((product(one.price, one.quantity) for one in inside), Decimal(0))
        quantity = sum((one.quantity for one in inside), Decimal(0))
        found[symbol, window_end] = MovingAverage(
            venue="binance",
            event_time=last.event_time,
            ingest_time=last.ingest_time,
            broker_time=last.ingest_time + BROKER_DELAY,
            symbol=symbol,
            base=last.base,
            quote=last.quote,
            window_start=window_end - dt.timedelta(milliseconds=settings.live_window_ms),
            window_end=window_end,
            mean=ratio(sum((one.price for one in inside), Decimal(0)), Decimal(len(inside))),
            vwap=ratio(notional, quantity),
            last=last.price,
            count=len(inside),
        )
    return found
