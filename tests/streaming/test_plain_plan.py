"""The plain plan gives the candles that were computed by hand, and reads every field of the wire."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from benchmarks.plain_plan import (
    QUOTE,
    TICKER,
    base_prices,
    candles,
    market_cap,
    quote_prices,
    records,
    ticker_prices,
)
from contracts.records import CoinQuote, MarketTicker, Record, encode
from contracts.spark_schema import struct_type
from tests.streaming.rows import at, frame

Row = dict[str, Any]


@pytest.mark.parametrize(("ddl", "record"), [(QUOTE, CoinQuote), (TICKER, MarketTicker)])
def test_its_columns_are_those_of_the_record(ddl: str, record: type[Record], spark: SparkSession) -> None:
    expected = [(field.name, field.dataType) for field in struct_type(record)]
    assert [(field.name, field.dataType) for field in StructType.fromDDL(ddl)] == expected


def quoted(seconds: float, price: str, *, coin: str = "BTC", cmc_id: int = 1, cap: str = "1000") -> CoinQuote:
    return CoinQuote(
        venue="coin_market_cap", event_time=at(seconds), ingest_time=at(seconds), poll_time=at(seconds), cmc_id=cmc_id,
        coin=coin, symbol=coin, name=coin, quote="USD", price=Decimal(price), market_cap=Decimal(cap),
    )  # fmt: skip


def listed(seconds: float, price: str | None, usdt_tmn: str = "50000") -> MarketTicker:
    return MarketTicker(
        venue="wallex", event_time=at(seconds), ingest_time=at(seconds), symbol="BTCTMN", base="BTC", quote="TMN",
        price=None if price is None else Decimal(price), usdt_tmn=Decimal(usdt_tmn),
    )  # fmt: skip


def read(spark: SparkSession, given: list[Any], ddl: str) -> DataFrame:
    return records(frame(spark, [(bytearray(encode(record)),) for record in given], "value binary"), ddl)


def by_open_time(rows: DataFrame) -> dict[dt.datetime, Row]:
    return {row["open_time"].astimezone(dt.UTC): row.asDict() for row in rows.collect()}


def test_candles_of_quotes_are_those_computed_by_hand(spark: SparkSession) -> None:
    quotes = read(spark, [quoted(0, "10"), quoted(540, "4.5"), quoted(60, "12"), quoted(600, "7")], QUOTE)
    found = by_open_time(candles(quote_prices(quotes)))
    first, second = found[at(0)], found[at(600)]
    assert [first[name] for name in ("open", "high", "low", "close", "samples")] == [
        *map(Decimal, ("10", "12", "4.5", "4.5")),
        3,
    ]
    assert first["average"] == Decimal("26.5") / 3 or abs(first["average"] - Decimal("26.5") / 3) < Decimal("1e-18")
    assert [second[name] for name in ("open", "close", "samples")] == [7, 7, 1]
    assert first["close_time"].astimezone(dt.UTC) == at(600)


def test_a_ticker_without_a_price_is_no_sample(spark: SparkSession) -> None:
    found = by_open_time(candles(ticker_prices(read(spark, [listed(0, "5"), listed(60, None)], TICKER))))
    assert [(row["coin"], row["quote"], row["samples"]) for row in found.values()] == [("BTC", "TMN", 1)]


def test_base_prices_take_every_ticker_at_most_30_seconds_away(spark: SparkSession) -> None:
    quotes = read(spark, [quoted(60, "2"), quoted(300, "3"), quoted(60, "9", coin="ETH", cmc_id=2)], QUOTE)
    tickers = read(spark, [listed(30, "1", "50000"), listed(90, "1", "60000"), listed(91, "1", "70000")], TICKER)
    found = sorted(row["price"] for row in base_prices(quotes, tickers).collect())
    assert found == [100_000, 120_000]


def test_market_cap_sums_the_newest_of_every_coin_in_its_window(spark: SparkSession) -> None:
    quotes = read(
        spark,
        [quoted(0, "1", cap="100"), quoted(60, "1", cap="200"), quoted(0, "1", coin="ETH", cmc_id=2, cap="30")],
        QUOTE,
    )
    found = by_open_time(market_cap(quotes))
    assert [(row["market_cap"], row["coins"]) for row in found.values()] == [(230, 2)]
