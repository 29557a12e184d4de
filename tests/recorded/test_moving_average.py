"""The moving average of recorded trades against pandas."""

import csv
import datetime as dt
import gzip
import io
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from contracts.records import AggTrade
from contracts.settings import MovingAverageSettings
from spark_jobs.moving_average import plan
from tests.recorded.test_exchange_candles import BINANCE
from tests.streaming.live_messages import expected_of_trades, frame_of, messages_of, newest, told

SPOT = "agg_trades_spot_complete/XRPETH-aggTrades-2019-10-11.csv"
BUSY = "agg_trades_futures_large/2024-08-15_16.csv.gz"
SETTINGS = MovingAverageSettings()


def read(name: str) -> list[list[str]]:
    path = BINANCE / name
    if not path.is_file():
        pytest.skip(f"recorded data is not there: ../shared/data/binance/{name}")
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.reader(io.StringIO(text), skipinitialspace=True))


def trade(symbol: str, quote: str, number: str, price: str, quantity: str, at: str) -> AggTrade:
    event_time = dt.datetime.fromtimestamp(int(at) / 1000, dt.UTC)
    return AggTrade(
        venue="binance",
        event_time=event_time,
        ingest_time=event_time,
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        agg_trade_id=int(number),
        price=Decimal(price),
        quantity=Decimal(quantity),
        first_trade_id=int(number),
        last_trade_id=int(number),
        buyer_is_maker=False,
    )


def test_a_whole_tape_equals_pandas(spark: SparkSession) -> None:
    trades = [trade("XRPETH", "ETH", row[0], row[1], row[2], row[5]) for row in read(SPOT)]
    windows = newest(told(plan(frame_of(spark, messages_of(trades)), SETTINGS)))
    assert len(windows) > 10_000
    assert windows == expected_of_trades(trades, SETTINGS)


def test_large_prints_of_several_symbols_equal_pandas(spark: SparkSession) -> None:
    seen = {(row[1], row[2]): trade(row[1], "USDT", row[2], row[3], row[4], row[0]) for row in read(BUSY)}
    trades = list(seen.values())[:8000]
    windows = newest(told(plan(frame_of(spark, messages_of(trades)), SETTINGS)))
    assert len({symbol for symbol, _ in windows}) >= 3
    assert windows == expected_of_trades(trades, SETTINGS)
