"""The exchange's klines as candles of our intervals: 10 minutes are two aligned ones of 5, the others its own."""

import datetime as dt
from collections.abc import Mapping

import duckdb
import msgspec
import pyarrow as pa


class MadeOf(msgspec.Struct, frozen=True):
    """Of which of the exchange's klines a candle is made, and how many of them."""

    interval: str
    count: int
    length: dt.timedelta


MADE_OF: Mapping[str, MadeOf] = {
    "10m": MadeOf("5m", 2, dt.timedelta(minutes=10)),
    "1h": MadeOf("1h", 1, dt.timedelta(hours=1)),
    "1d": MadeOf("1d", 1, dt.timedelta(days=1)),
}
"""The exchange has no kline of 10 minutes."""

PLACES = 8
"""How many digits after the point the exchange writes. What has more was a binary float on its way to the file."""

VALUES = ("open", "high", "low", "close", "volume", "quote_volume")
COLUMNS = ("symbol", "interval", "open_time", "open", "high", "low", "close", "volume", "quote_volume", "trades")


def exchange_candles(klines: pa.Table, intervals: list[str]) -> pa.Table:
    """Make candles of klines: the columns COLUMNS and `parts`, how many of its klines a bucket has.

    A bucket that lacks a kline is there with null values. A kline that is in twice counts once. Values are rounded to
    the exchange's own 8 places.
    """
    made = [_made(klines, name, MADE_OF[name]) for name in intervals]
    return pa.concat_tables(made)


def _made(klines: pa.Table, name: str, made_of: MadeOf) -> pa.Table:
    whole = f"count(*) = {made_of.count}"

    def of_whole(expression: str, column: str) -> str:
        return f"CASE WHEN {whole} THEN {expression} END AS {column}"

    def summed(column: str) -> str:
        return of_whole(f"CASE WHEN count({column}) = count(*) THEN sum({column}) END", column)

    rounded = ", ".join(f"CAST({name} AS DECIMAL(38, {PLACES})) AS {name}" for name in VALUES)
    seconds = int(made_of.length.total_seconds())
    with duckdb.connect() as connection:
        connection.register("klines", klines)
        return connection.sql(
            f"""
            WITH once AS (
                SELECT DISTINCT ON (symbol, open_time) * REPLACE ({rounded}),
                    epoch_ms(open_time) // {seconds * 1000} AS bucket
                FROM klines WHERE "interval" = '{made_of.interval}'
            )
            SELECT symbol, '{name}' AS "interval", make_timestamptz(bucket * {seconds} * 1000000) AS open_time,
                {of_whole("arg_min(open, open_time)", "open")},
                {of_whole("max(high)", "high")},
                {of_whole("min(low)", "low")},
                {of_whole("arg_max(close, open_time)", "close")},
                {summed("volume")}, {summed("quote_volume")}, {summed("trades")},
                count(*) AS parts
            FROM once GROUP BY symbol, bucket ORDER BY symbol, bucket
            """
        ).to_arrow_table()


def values_rounded(klines: pa.Table, intervals: list[str]) -> int:
    """Count the values of the klines behind these candles that say more places than the exchange writes."""
    used = ", ".join(f"'{MADE_OF[name].interval}'" for name in intervals)
    more = " + ".join(
        f"count(*) FILTER ({name} IS DISTINCT FROM CAST({name} AS DECIMAL(38, {PLACES})))" for name in VALUES
    )
    with duckdb.connect() as connection:
        connection.register("klines", klines)
        ((found,),) = connection.sql(f'SELECT {more} FROM klines WHERE "interval" IN ({used})').fetchall()
    return int(found)
