"""Rows of bronze for the tests of the transforms, and a stream that hands them over in chosen batches."""

import datetime as dt
import os
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import Schema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from contracts.tables import BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, Table

Row = dict[str, Any]
NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)
PLACES = Decimal(1).scaleb(-18)
CANDLE = (
    "venue string, quote string, coin string, interval string, open_time timestamp, open decimal(38,18),"
    " close decimal(38,18), volume decimal(38,18), complete boolean"
)
"""What of a candle stands beside an hour of posts."""


def at(seconds: float) -> dt.datetime:
    """So many seconds after noon, to the millisecond."""
    return NOON + dt.timedelta(milliseconds=round(seconds * 1000))


def half_up(value: Decimal) -> Decimal:
    """Round half up at 18 places, by Python's `decimal`."""
    with localcontext() as context:
        context.prec = 90
        return value.quantize(PLACES, rounding=ROUND_HALF_UP)


def exactly(compute: Callable[[], Decimal]) -> Decimal:
    """Compute with 90 digits, then round half up at 18 places."""
    with localcontext() as context:
        context.prec = 90
        return half_up(compute())


def quote(seconds: float, price: str, offset: int, *, coin: str = "BTC", cmc_id: int = 1, **changes: object) -> Row:
    """Build a row of bronze coin_market_cap."""
    return {
        **_landed("coin_market_cap", seconds, offset),
        "poll_time": at(seconds),
        "cmc_id": cmc_id,
        "coin": coin,
        "symbol": coin,
        "name": coin,
        "quote": "USD",
        "price": Decimal(price),
        "cmc_rank": None,
        "market_cap": Decimal("1000"),
        "volume_24h": None,
        "circulating_supply": None,
        "percent_change_24h": None,
        **changes,
    }


def ticker(
    seconds: float, price: str | None, offset: int, *, symbol: str = "BTCTMN", quote: str = "TMN", **changes: object
) -> Row:
    """Build a row of bronze wallex; the base is what the symbol has before its quote."""
    return {
        **_landed("wallex", seconds, offset),
        "symbol": symbol,
        "base": symbol.removesuffix(quote),
        "quote": quote,
        "price": None if price is None else Decimal(price),
        "usdt_tmn": Decimal("100000"),
        "bid_price": None,
        "ask_price": None,
        "volume_24h": None,
        "quote_volume_24h": None,
        **changes,
    }


def polled(seconds: float, price: str, offset: int, *, symbol: str = "BTCUSDT", **changes: object) -> Row:
    """Build a row of bronze binance_ticker; the base is what the symbol has before USDT."""
    return {
        **_landed("binance_ticker", seconds, offset),
        "venue": "binance",
        "symbol": symbol,
        "base": symbol.removesuffix("USDT"),
        "quote": "USDT",
        "price": Decimal(price),
        **changes,
    }


def kline(minute: int, prices: str, offset: int, *, pushed: float | None = None, **changes: object) -> Row:
    """Build a row of bronze crypto_kline_data that opens `minute` after noon; `prices` are open, high, low, close.

    It is pushed, closed, 50 ms after its end; `pushed` are other seconds after noon.
    """
    names = ("open", "high", "low", "close")
    return {
        **_landed("crypto_kline_data", 60 * minute + 60.05 if pushed is None else pushed, offset),
        **{"venue": "binance", "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "interval": "1m"},
        **{"open_time": at(60 * minute), "close_time": at(60 * minute + 60)},
        **dict(zip(names, map(Decimal, prices.split()), strict=True)),
        **{"volume": Decimal(2), "closed": True, "quote_volume": Decimal(20), "trades": 3},
        **{"taker_volume": None, "taker_quote_volume": None},
        **changes,
    }


def imported(row: Row, file: str, number: int, **changes: object) -> Row:
    """Turn a landed row into one of a file; of a kline the event time is its last millisecond."""
    kept = {name: value for name, value in row.items() if not name.startswith("kafka_") and name != "repeat"}
    close_time = kept.get("close_time")
    if close_time is not None:
        kept["event_time"] = close_time - dt.timedelta(milliseconds=1)
    return {**kept, "file_sha256": file, "file_name": file, "file_row": number, **changes}


def agg_trade(seconds: float, price: str, quantity: str, number: int, **changes: object) -> Row:
    """Build a row of bronze binance_agg_trades of XRPETH; it holds one trade more than its id's last digit says."""
    return {
        **_landed("binance_agg_trades", seconds, number),
        **{"venue": "binance", "symbol": "XRPETH", "base": "XRP", "quote": "ETH", "agg_trade_id": number},
        **{"price": Decimal(price), "quantity": Decimal(quantity), "buyer_is_maker": False},
        **{"first_trade_id": 10 * number, "last_trade_id": 10 * number + number % 10},
        **changes,
    }


def gap(seconds: float, cause: str, offset: int, **changes: object) -> Row:
    """Build a row of bronze ingest_gaps that says how a hole stands."""
    return {
        **_landed("ingest_gaps", seconds, offset),
        **{"venue": "binance", "symbol": "*", "stream": "crypto_kline_data", "from_time": at(seconds)},
        **{"cause": cause, "recoverable": True, "to_time": None, "missed": None, "repaired_at": None},
        **changes,
    }


def rows_of(spark: SparkSession, table: Table, rows: Sequence[Row]) -> DataFrame:
    """Make a table of these rows, in memory."""
    return frame(spark, [{name: row[name] for name in table.schema.names} for row in rows], table.schema)


def _landed(topic: str, seconds: float, offset: int) -> Row:
    return {
        "venue": topic,
        "event_time": at(seconds),
        "ingest_time": at(seconds),
        "kafka_topic": topic,
        "kafka_partition": 0,
        "kafka_offset": offset,
        "kafka_time": at(seconds),
        "repeat": False,
        "date": at(seconds).date(),
    }


def frame(spark: SparkSession, rows: Sequence[Any], schema: StructType | str) -> DataFrame:
    return spark.createDataFrame(list(rows), schema)


def table_of(rows: Sequence[Row], table: Table) -> pa.Table:
    return pa.Table.from_pylist(list(rows), pa.schema(cast(Any, Schema.from_json(table.schema.json()).to_arrow())))


class Bronze:
    """A bronze table as files: read whole, or as a stream of one batch a file."""

    def __init__(self, spark: SparkSession, folder: Path, table: Table, batches: Sequence[Sequence[Row]]) -> None:
        self._spark = spark
        self._folder = folder / table.name
        self._table = table
        self._folder.mkdir(parents=True)
        for number, rows in enumerate(batches):
            file = self._folder / f"{number:04}.parquet"
            pq.write_table(table_of(rows, table), file, coerce_timestamps="us")
            # The file source reads in the order of modification times.
            os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))

    def read(self) -> DataFrame:
        return self._spark.read.schema(self._table.schema).parquet(str(self._folder))

    def read_stream(self) -> DataFrame:
        reader = self._spark.readStream.schema(self._table.schema).option("maxFilesPerTrigger", 1)
        return reader.parquet(str(self._folder))


def quotes_of(spark: SparkSession, folder: Path, *batches: Sequence[Row]) -> Bronze:
    return Bronze(spark, folder, BRONZE_COIN_MARKET_CAP, batches)


def tickers_of(spark: SparkSession, folder: Path, *batches: Sequence[Row]) -> Bronze:
    return Bronze(spark, folder, BRONZE_WALLEX, batches)


def drain(stream: DataFrame, name: str) -> list[Row]:
    """Run a stream over all its batches into memory and return its rows."""
    query = stream.writeStream.format("memory").queryName(name).outputMode("append").trigger(availableNow=True).start()
    query.awaitTermination()
    return [row.asDict() for row in stream.sparkSession.table(name).collect()]
