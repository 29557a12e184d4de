"""Join coin quotes with market tickers on event time: one row per (coin, quote event time, Wallex market)."""

import datetime as dt
from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.records import wire_time
from contracts.settings import JobSettings
from contracts.tables import (
    BRONZE_BINANCE_TICKER,
    BRONZE_COIN_MARKET_CAP,
    BRONZE_WALLEX,
    CANDLES,
    MARKET_SNAPSHOTS,
)
from spark_jobs import build_candles
from spark_jobs.context import Context
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.lake import Lake, newest_event_time, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.touched import has_news
from spark_jobs.transforms.binance_price import compare, look_up, without_binance
from spark_jobs.transforms.market_join import (
    fresh_quotes,
    fresh_tickers,
    nearest_ticker,
    pair_within,
    price_in_toman,
)
from spark_jobs.transforms.spans import EVER, Span, widened, within

INPUTS = (BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX)
ALL_FILES = 2**31 - 1
FILLED = "filled-before"
"""The note in a checkpoint that says up to which event time the table was filled in batch before its stream began."""


def plan(quotes: DataFrame, tickers: DataFrame, rules: JobSettings) -> DataFrame:
    """Join two bronze tables, as streams or in batch, which ignores the watermarks and also gives what is open."""
    dated_quotes = fresh_quotes(quotes).withWatermark("event_time", f"{rules.lateness_coin_market_cap_seconds} seconds")
    dated_tickers = fresh_tickers(tickers).withWatermark("ticker_time", f"{rules.lateness_wallex_seconds} seconds")
    return (
        pair_within(dated_quotes, dated_tickers, rules.join_tolerance_seconds)
        .transform(nearest_ticker)
        .transform(price_in_toman)
    )


def with_binance(rows: DataFrame, tickers: DataFrame | None, rules: JobSettings) -> DataFrame:
    """Add to closed rows what Binance said then, from bronze `binance_ticker` as it stands; None where it is empty."""
    if tickers is None:
        return rows.transform(without_binance).transform(compare)
    return rows.transform(look_up, tickers, rules.join_tolerance_seconds).transform(compare)


def start(context: Context) -> list[StreamingQuery]:
    """Start the stream join from its checkpoint; nothing where neither quotes nor tickers are new.

    Without a checkpoint, and with an empty table, it reads bronze from its first version. Where the table has rows,
    bronze's first version is gone, or bronze holds more than `join_fill_rows`, the table is filled in batch up to where
    a stream would be, and the stream takes over from there: it reads the rows that are still open and all that come
    after.
    """
    lake, rules = context.lake, context.rules
    if not has_news(context, MARKET_SNAPSHOTS, *INPUTS):
        return []
    checkpoint = Checkpoint(context.state, MARKET_SNAPSHOTS)
    fresh = not checkpoint.exists() and checkpoint.note(FILLED) is None
    if fresh and not _can_stream_from_the_start(lake, rules):
        before = closed_before(context)
        if before is not None:
            spans = [Span(EVER.start, before)]
            lake.replace(compute(context, spans), MARKET_SNAPSHOTS, within("event_time", [EVER]))
            if not lake.is_empty(CANDLES):
                build_candles.rebuild_base(context)
            checkpoint.leave_note(FILLED, wire_time(before).encode())
    quotes, tickers = _bronze_streams(context, checkpoint)

    def write(batch: DataFrame, number: int) -> Outcome:
        # What the batches before this one gave out ends where the rows of this one begin.
        open_since = Span(closed_before(context) or EVER.start, EVER.end)
        rows = with_binance(batch, _tickers_of(context, [open_since]), rules)
        return Outcome(lake.append_stateful(rows, MARKET_SNAPSHOTS, transaction_of(batch, number, MARKET_SNAPSHOTS)))

    return [lake.run(MARKET_SNAPSHOTS.name, plan(quotes, tickers, rules), write)]


def _can_stream_from_the_start(lake: Lake, rules: JobSettings) -> bool:
    return (
        lake.is_empty(MARKET_SNAPSHOTS)
        and all(lake.has_first_version(table) for table in INPUTS)
        and sum(map(lake.rows, INPUTS)) <= rules.join_fill_rows
    )


def _bronze_streams(context: Context, checkpoint: Checkpoint) -> tuple[DataFrame, DataFrame]:
    """Read the inputs, either from bronze's first version or only what a filled table still lacks.

    From the first version, commits are read in the order in which they were landed, and within a commit by date, a
    bounded part a batch. A snapshot has no order: the first batch of a filled table reads all of it at once.
    """
    bounded: dict[str, str | int] = {"maxBytesPerTrigger": context.rules.join_bytes_per_batch}
    before = _filled_before(checkpoint)
    if before is None:
        quotes, tickers = (context.lake.read_stream(table, startingVersion=0, **bounded) for table in INPUTS)
        return quotes, tickers
    at_once: dict[str, str | int] = {"maxFilesPerTrigger": ALL_FILES}
    limits = at_once if checkpoint.committed_watermark_ms() is None else bounded
    quotes, tickers = (context.lake.read_stream(table, **limits) for table in INPUTS)
    tolerance = dt.timedelta(seconds=context.rules.join_tolerance_seconds)
    return quotes.where(F.col("event_time") >= before), tickers.where(F.col("event_time") >= before - tolerance)


def _filled_before(checkpoint: Checkpoint) -> dt.datetime | None:
    note = checkpoint.note(FILLED)
    return None if note is None else dt.datetime.fromisoformat(note.decode())


def closed_before(context: Context) -> dt.datetime | None:
    """Return the event time before which the stream has given, or would have given, all its rows; None for no time.

    Spark gives a joined group out when its quote's time is below the watermark less the join's tolerance. The
    watermark is that of the newest finished batch. Before there is one: where the table was filled, the time up to
    which it was; where the stream has started, none, as it will give every row itself; without a checkpoint, what
    bronze would make it.
    """
    checkpoint = Checkpoint(context.state, MARKET_SNAPSHOTS)
    tolerance = dt.timedelta(seconds=context.rules.join_tolerance_seconds)
    filled, watermark_ms = _filled_before(checkpoint), checkpoint.committed_watermark_ms()
    if watermark_ms is not None:
        given = dt.datetime.fromtimestamp(watermark_ms / 1000, dt.UTC) - tolerance
        return given if filled is None else max(given, filled)
    if filled is not None or checkpoint.exists():
        return filled
    watermark = _watermark_of_bronze(context)
    return None if watermark is None else watermark - tolerance


def _watermark_of_bronze(context: Context) -> dt.datetime | None:
    """Return the least, over the inputs, of their newest event time less their lateness."""
    newest_quote = newest_event_time(context.lake.delta(BRONZE_COIN_MARKET_CAP))
    newest_ticker = newest_event_time(context.lake.delta(BRONZE_WALLEX))
    if newest_quote is None or newest_ticker is None:
        return None
    return min(
        newest_quote - dt.timedelta(seconds=context.rules.lateness_coin_market_cap_seconds),
        newest_ticker - dt.timedelta(seconds=context.rules.lateness_wallex_seconds),
    )


def _tickers_of(context: Context, spans: Sequence[Span]) -> DataFrame | None:
    """Read the polls of Binance that may be near rows of these stretches; None where there are none to read."""
    if context.lake.is_empty(BRONZE_BINANCE_TICKER):
        return None
    tolerance = dt.timedelta(seconds=context.rules.join_tolerance_seconds)
    near = within("event_time", widened(spans, tolerance, tolerance * 2))
    return context.lake.read(BRONZE_BINANCE_TICKER).where(near)


def compute(context: Context, spans: Sequence[Span]) -> DataFrame:
    """Join the quotes of these stretches in batch, from everything that bronze holds: the plan of the stream."""
    tolerance = dt.timedelta(seconds=context.rules.join_tolerance_seconds)
    quotes = context.lake.read(BRONZE_COIN_MARKET_CAP).where(within("event_time", spans))
    tickers = context.lake.read(BRONZE_WALLEX).where(within("event_time", widened(spans, tolerance, tolerance * 2)))
    return with_binance(plan(quotes, tickers, context.rules), _tickers_of(context, spans), context.rules)


def replace(context: Context, rows: DataFrame, spans: Sequence[Span]) -> None:
    """Put these rows in the place of all whose quotes lie in the spans."""
    context.lake.replace(rows, MARKET_SNAPSHOTS, within("event_time", spans))
