"""Build candles: always right by construction.

Each batch of new rows names the (series, interval) pairs it touches; those are computed again from bronze or silver and
replace what stood there, in one Delta transaction. So a late row corrects its candle, the open candle is there at
once, no window state is kept, and a rebuild is the same function over a range.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.settings import JobSettings
from contracts.tables import (
    BRONZE_BINANCE_AGG_TRADES,
    BRONZE_COIN_MARKET_CAP,
    BRONZE_CRYPTO_KLINE_DATA,
    BRONZE_WALLEX,
    CANDLES,
    IMPORTED_AGG_TRADES,
    IMPORTED_KLINES,
    MARKET_SNAPSHOTS,
    REPEAT,
    Table,
)
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.touched import has_news, touched_spans
from spark_jobs.transforms.exchange_candles import kline_candles, one_minute, one_of_each_trade, trade_candles
from spark_jobs.transforms.klines import newest_state, states_of
from spark_jobs.transforms.roll_up import (
    BINANCE,
    BINANCE_TRADES,
    finish,
    interval_name,
    intervals_from,
    roll_up,
)
from spark_jobs.transforms.samples import BASE_TMN, base_candles, quote_candles, ticker_candles
from spark_jobs.transforms.spans import EVER, Span, covering, during, within

Read = Callable[[Table], DataFrame]
"""Reads the rows of a table that lie in the stretches which are computed again."""


class Source(NamedTuple):
    """One venue's price series.

    `streams` are the tables whose appends touch its candles, `time` the column that says when, `counting` those of the
    appended rows that count, `candles` makes small candles of the rows that it reads.
    """

    venue: str
    streams: tuple[Table, ...]
    candles: Callable[[Read], DataFrame]
    time: str = "event_time"
    counting: Callable[[DataFrame], DataFrame] = lambda rows: rows


SOURCES: tuple[Source, ...] = (
    Source("coin_market_cap", (BRONZE_COIN_MARKET_CAP,), lambda read: quote_candles(read(BRONZE_COIN_MARKET_CAP))),
    Source("wallex", (BRONZE_WALLEX,), lambda read: ticker_candles(read(BRONZE_WALLEX))),
    Source(BASE_TMN, (MARKET_SNAPSHOTS,), lambda read: base_candles(read(MARKET_SNAPSHOTS))),
)
"""Prices, one sample each. They share a query, whose checkpoint knows its tables by their order."""

BINANCE_SOURCES: tuple[Source, ...] = (
    # Not from silver klines, which may lack what `coinlake backfill` commits after they were built: of bronze this
    # query reads at least what touched it.
    Source(
        BINANCE,
        (BRONZE_CRYPTO_KLINE_DATA, IMPORTED_KLINES),
        lambda read: kline_candles(
            newest_state(one_minute(states_of(read(BRONZE_CRYPTO_KLINE_DATA), read(IMPORTED_KLINES))))
        ),
        time="open_time",
        counting=one_minute,
    ),
    Source(
        BINANCE_TRADES,
        (BRONZE_BINANCE_AGG_TRADES, IMPORTED_AGG_TRADES),
        lambda read: trade_candles(one_of_each_trade(read(BRONZE_BINANCE_AGG_TRADES), read(IMPORTED_AGG_TRADES))),
    ),
)
"""An exchange's own candles and trades, in a query of their own: a checkpoint cannot be given more tables."""

BINANCE_QUERY = f"{CANDLES.name}_{BINANCE}"

Touched = Mapping[str, Sequence[Span]]
"""Per venue, the stretches of time whose candles are to be computed again."""


def plan(candles: DataFrame, rules: JobSettings) -> DataFrame:
    """Roll small candles up into rows of the `candles` table, of every interval."""
    return (
        candles.transform(roll_up, rules.candle_minutes)
        .transform(roll_up, *intervals_from(rules.candle_minutes))
        .transform(finish, rules.sample_seconds)
    )


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing candles up to date with what was landed, imported and joined, of the venues that have news."""
    return [
        _start(context, query, sources)
        for query, sources in ((CANDLES.name, SOURCES), (BINANCE_QUERY, BINANCE_SOURCES))
        if has_news(context, CANDLES, *(table for source in sources for table in source.streams), query=query)
    ]


def _start(context: Context, query: str, sources: Sequence[Source]) -> StreamingQuery:
    def write(batch: DataFrame, number: int) -> Outcome:
        touched = touched_spans(batch, context.rules.candle_minutes)
        if not touched:
            return Outcome(rows_out=0)
        rows = compute(context, touched)
        return Outcome(replace(context, rows, touched, transaction_of(batch, number, CANDLES)))

    new = [_new_rows(context, source, table) for source in sources for table in source.streams]
    return context.lake.run(query, reduce(DataFrame.unionByName, new), write)


def _new_rows(context: Context, source: Source, table: Table) -> DataFrame:
    rows = context.lake.read_stream(table)
    fresh = rows.where(~F.col(REPEAT.name)) if REPEAT.name in table.schema.names else rows
    return source.counting(fresh).select(F.lit(source.venue).alias("venue"), F.col(source.time).alias("event_time"))


def compute(context: Context, touched: Touched, snapshots: DataFrame | None = None) -> DataFrame:
    """Compute the candles of these stretches anew, from everything that bronze and silver hold of them.

    A candle of any interval that meets a stretch is computed, of the whole of its time. `snapshots` stands in for the
    table market_snapshots, where that is about to be replaced.
    """
    widest = intervals_from(context.rules.candle_minutes)[-1]

    def rows(source: Source) -> DataFrame:
        spans = covering(touched[source.venue], widest)

        def read(table: Table) -> DataFrame:
            found = snapshots if table is MARKET_SNAPSHOTS else None
            # The `date` of a kline may be the one after that of its open time.
            where = within(source.time, spans) if source.time == "event_time" else during(source.time, spans)
            return (context.lake.read(table) if found is None else found).where(where)

        return source.candles(read)

    found = [rows(source) for source in (*SOURCES, *BINANCE_SOURCES) if touched.get(source.venue)]
    rolled = plan(reduce(DataFrame.unionByName, found), context.rules)
    return rolled.where(place_of(touched, context.rules))


def place_of(touched: Touched, rules: JobSettings) -> str:
    """Write, as SQL, which candles these stretches touch: of every interval those that meet one."""
    return " OR ".join(
        f"(interval = '{interval_name(minutes)}' AND venue = '{venue}'"
        f" AND {within('open_time', covering(spans, minutes))})"
        for minutes in intervals_from(rules.candle_minutes)
        for venue, spans in touched.items()
    )


def rebuild_base(context: Context) -> None:
    """Compute all toman base candles anew: their table was replaced, which their stream does not see."""
    context.lake.ensure(CANDLES)
    touched = {BASE_TMN: [EVER]}
    replace(context, compute(context, touched), touched)


def replace(context: Context, rows: DataFrame, touched: Touched, transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all candles that the stretches touch; return how many they are."""
    return context.lake.replace(rows, CANDLES, place_of(touched, context.rules), transaction)
