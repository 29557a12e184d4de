"""The moving average against pandas and Python's decimal: trades, klines, order, lateness, bad messages."""

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyspark.sql.functions as F
import pytest
from pyspark.sql import SparkSession

from contracts.records import AggTrade, Kline, MovingAverage
from contracts.settings import MovingAverageSettings
from spark_jobs.moving_average import plan
from tests.streaming.live_messages import (
    KAFKA,
    Message,
    expected_of_trades,
    exploded,
    frame_of,
    messages_of,
    newest,
    ratio,
    told,
    trade,
)
from tests.streaming.rows import NOON

SETTINGS = MovingAverageSettings()
KLINES = MovingAverageSettings(live_source="crypto_kline_data")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "DOGEUSDT")


def at(ms: int) -> dt.datetime:
    return NOON + dt.timedelta(milliseconds=ms)


def some_trades(seed: int, seconds: int = 12) -> list[AggTrade]:
    """Draw trades at random milliseconds, several at the same one, and on the edges of windows."""
    draw = random.Random(seed)
    times = sorted([draw.randrange(seconds * 1000) for _ in range(150)] + [500 * draw.randrange(2 * seconds)] * 3)
    return [
        trade(at(ms), str(Decimal(draw.randrange(10**12)) / 10**8 + 1), f"0.{draw.randrange(1, 10**8):08}", number,
              draw.choice(SYMBOLS))
        for number, ms in enumerate(times)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_windows_of_trades_equal_pandas_to_the_last_digit(spark: SparkSession, seed: int) -> None:
    trades = some_trades(seed)
    windows = told(plan(frame_of(spark, messages_of(trades)), SETTINGS))
    assert len(windows) == len(newest(windows))
    assert newest(windows) == expected_of_trades(trades, SETTINGS)


def test_other_windows_by_setting(spark: SparkSession) -> None:
    trades, settings = some_trades(4), MovingAverageSettings(live_window_ms=1000, live_slide_ms=250)
    windows = told(plan(frame_of(spark, messages_of(trades)), settings))
    assert newest(windows) == expected_of_trades(trades, settings)


def test_trades_at_one_millisecond_are_ordered_by_id(spark: SparkSession) -> None:
    trades = [trade(at(0), "5", "1", 12), trade(at(0), "3", "1", 11)]
    windows = told(plan(frame_of(spark, messages_of(trades)), SETTINGS))
    assert {window.last for window in windows} == {Decimal(5)}
    assert len(windows) == SETTINGS.live_window_ms // SETTINGS.live_slide_ms


def test_messages_that_are_no_trades_are_left_out(spark: SparkSession) -> None:
    good = trade(at(0), "5", "1", 1)
    ahead = trade(at(90_000), "9", "1", 2)
    bad = [b"", b"[]", b"no json", messages_of([ahead])[0][0].replace(b"12:01:30.002Z", b"12:00:00.000Z")]
    messages = [*messages_of([good]), *((value, "binance_agg_trades", 0, 9, NOON) for value in bad)]
    assert newest(told(plan(frame_of(spark, messages), SETTINGS))) == expected_of_trades([good], SETTINGS)


def streamed(spark: SparkSession, folder: Path, batches: Sequence[Sequence[Message]]) -> list[MovingAverage]:
    """Run the plan as a stream, one batch a file, in update mode as the job does."""
    for number, batch in enumerate(batches):
        frame_of(spark, batch).coalesce(1).write.parquet(str(folder / f"b{number:03}"))
    files = spark.readStream.schema(KAFKA).option("maxFilesPerTrigger", 1).option("recursiveFileLookup", "true")
    query = (
        plan(files.parquet(str(folder)), SETTINGS)
        .writeStream.format("memory")
        .queryName("windows")
        .outputMode("update")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return told(spark.table("windows"))


def test_a_stream_tells_each_window_anew_and_ends_equal(spark: SparkSession, tmp_path: Path) -> None:
    trades = some_trades(5)
    chunks = [trades[first : first + 30] for first in range(0, len(trades), 30)]
    windows = streamed(spark, tmp_path, [messages_of(chunk) for chunk in chunks])
    assert len(windows) > len(newest(windows))
    assert newest(windows) == expected_of_trades(trades, SETTINGS)


def test_a_trade_later_than_lateness_is_not_averaged(spark: SparkSession, tmp_path: Path) -> None:
    first, late = trade(at(30_000), "5", "1", 2), trade(at(0), "4", "1", 1)
    within = trade(at(26_000), "6", "1", 3)
    windows = streamed(spark, tmp_path, [messages_of([one]) for one in (first, first, late, within)])
    ends = {window.window_end for window in windows}
    assert min(ends) > at(20_000)
    assert any(window.count == 1 and window.last == Decimal(6) for window in windows)


# --- klines -----------------------------------------------------------------------------------------------------------


def pushes_of(trades: Sequence[AggTrade], seconds: int, *, every_ms: int = 2000) -> list[Kline]:
    """Push each symbol's 1-minute klines every two seconds, and when they close, as the venue does."""
    pushes = []
    for symbol in {one.symbol for one in trades}:
        for ms in range(every_ms, seconds * 1000 + 1, every_ms):
            opened = (ms - 1) // 60_000 * 60_000
            inside = [one for one in trades if one.symbol == symbol and at(opened) <= one.event_time < at(ms)]
            if inside:
                pushes.append(kline_of(inside, opened, ms))
    return sorted(pushes, key=lambda push: push.event_time)


def kline_of(inside: Sequence[AggTrade], opened: int, ms: int) -> Kline:
    prices = [one.price for one in inside]
    return Kline(
        venue="binance",
        event_time=at(ms),
        ingest_time=at(ms + 2),
        symbol=inside[0].symbol,
        base=inside[0].base,
        quote="USDT",
        interval="1m",
        open_time=at(opened),
        close_time=at(opened + 60_000),
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum((one.quantity for one in inside), Decimal(0)),
        quote_volume=sum((one.price * one.quantity for one in inside), Decimal(0)),
        closed=ms % 60_000 == 0,
    )


def whole_cents(seed: int, seconds: int) -> list[AggTrade]:
    """Draw trades whose notional has at most eight places, so that a quote volume holds it whole."""
    draw = random.Random(seed)
    times = sorted(draw.sample(range(seconds * 1000), seconds * 3))
    return [
        trade(at(ms), f"{draw.randrange(100, 999)}.{draw.randrange(100):02}", f"{draw.randrange(1, 99)}.5", number,
              draw.choice(SYMBOLS[:2]))
        for number, ms in enumerate(times)
    ]  # fmt: skip


def test_windows_of_klines_weigh_by_what_was_traded_between_pushes(spark: SparkSession) -> None:
    """Ninety seconds with the end of a minute in them, against the trades that the klines were made of."""
    trades = whole_cents(6, 90)
    pushes = pushes_of(trades, 90)
    windows = newest(told(plan(frame_of(spark, messages_of(pushes)), KLINES)))
    known = 0
    for (symbol, end_ms), rows in exploded(pushes, KLINES).groupby(["symbol", "end"]):
        inside = list(rows["record"])
        end = dt.datetime.fromtimestamp(end_ms / 1000, dt.UTC)
        found = windows.pop((symbol, end))
        assert found.count == len(inside)
        assert found.last == inside[-1].close
        assert found.mean == ratio(sum((push.close for push in inside), Decimal(0)), Decimal(len(inside)))
        before = [push for push in pushes if push.symbol == symbol and push.event_time < found.window_start]
        since = before[-1].event_time if before else at(0)
        between = [one for one in trades if one.symbol == symbol and since <= one.event_time < inside[-1].event_time]
        volume = sum((one.quantity for one in between), Decimal(0))
        notional = sum((one.price * one.quantity for one in between), Decimal(0))
        if volume and (not before or found.window_start - since <= dt.timedelta(seconds=4)):
            assert found.vwap == ratio(notional, volume)
            known += 1
    assert windows == {}
    assert known > 300


def test_klines_of_other_intervals_are_left_out(spark: SparkSession) -> None:
    pushes = pushes_of(whole_cents(7, 6), 6)
    longer = [
        Kline(**{**{name: getattr(push, name) for name in push.__struct_fields__}, "interval": "5m"}) for push in pushes
    ]
    assert told(plan(frame_of(spark, messages_of(longer)), KLINES)) == []


def test_vwap_is_unknown_where_no_push_before_the_window_is_known(spark: SparkSession) -> None:
    push = kline_of(whole_cents(8, 40), 0, 40_000)
    windows = told(plan(frame_of(spark, messages_of([push])), KLINES))
    assert [window.vwap for window in windows] == [None] * 6
    assert {window.mean for window in windows} == {push.close}


def test_plan_has_the_columns_that_kafka_takes(spark: SparkSession) -> None:
    frame = plan(frame_of(spark, []), SETTINGS)
    assert frame.schema.names == ["key", "value"]
    assert frame.where(F.lit(True)).count() == 0
