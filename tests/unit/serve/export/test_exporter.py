"""The files are what a plain count message by message says, however messages were cut into batches and interleaved."""

import datetime as dt
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import AggTrade, Post, Record, encode, replace
from serve.export.feed import Lane, Message
from tests.unit.serve.export.contents import contents, days, table
from tests.unit.serve.export.expected import expected
from tests.unit.serve.export.messages import (
    after,
    in_lanes,
    kline,
    polled,
    post,
    quote,
    ticker,
    trade,
    values_of,
)
from tests.unit.serve.export.taken import exported, exporter

TO_MIDNIGHT = 12 * 60 * 60


PRICES = st.decimals("0.000000000000000001", "99999999999999999999", places=18, allow_nan=False).map(str)
SECONDS = st.integers(TO_MIDNIGHT - 400, TO_MIDNIGHT + 400)
TEXTS = st.text(max_size=20)
RECORDS = st.one_of(
    st.builds(trade, st.integers(1, 30), PRICES, SECONDS, symbol=st.sampled_from(["BTCUSDT", "ETHUSDT"])),
    st.builds(quote, st.integers(1, 2), PRICES, SECONDS.map(lambda second: second * 4 - 3 * TO_MIDNIGHT)),
    st.builds(ticker, st.none() | PRICES, SECONDS),
    st.builds(polled, PRICES, SECONDS),
    st.builds(kline, PRICES, SECONDS, interval=st.sampled_from(["1m", "5m"]), closed=st.booleans()),
    st.builds(
        post, st.integers(1, 9).map(str), st.text(max_size=20), SECONDS, coin=st.sampled_from(["bitcoin", "ethereum"])
    ),
)


def consistent(records: Sequence[Record]) -> list[Record]:
    """Let the same trade, and the same post, happen at one time, as they do."""
    first: dict[object, dt.datetime] = {}

    def at_its_time(record: Record) -> Record:
        if isinstance(record, AggTrade):
            name: object = (record.symbol, record.agg_trade_id)
        elif isinstance(record, Post):
            name = (record.coin, record.post_id)
        else:
            return record
        at = first.setdefault(name, record.event_time)
        return replace(record, event_time=at, ingest_time=at)

    return [at_its_time(record) for record in records]


@settings(max_examples=25, deadline=None)
@given(records=st.lists(RECORDS, min_size=1, max_size=60).map(consistent), seed=st.integers(0, 2**32))
def test_neither_batches_nor_the_order_between_lanes_change_what_is_in_the_files(
    records: list[Record], seed: int
) -> None:
    drawn = random.Random(seed)
    messages = in_lanes(records, partitions=3)
    lanes: dict[Lane, list[Message]] = {}
    for message in messages:
        lanes.setdefault(message.lane, []).append(message)
    interleaved: list[Message] = []
    while lanes:
        lane = drawn.choice(sorted(lanes))
        interleaved.append(lanes[lane].pop(0))
        if not lanes[lane]:
            del lanes[lane]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        exported(Path(one), messages)
        exported(Path(other), interleaved, iter(lambda: drawn.randint(1, 25), None))
        due = expected(values_of(messages))
        assert contents(Path(one)) == due
        assert contents(Path(other)) == due


def test_a_row_for_a_closed_bar_is_kept_as_late_and_changes_no_bar(tmp_path: Path) -> None:
    messages = in_lanes([trade(1, "10", 30), trade(3, "30", 180), trade(2, "20", 59), trade(4, "40", 61)])
    exported(tmp_path, messages)
    bars, late, still_open = (table(tmp_path, name) for name in ("bars", "late", "open_bars"))
    assert list(bars["count"]) == [1]
    assert list(late["price"]) == ["20"]
    assert list(still_open["open_time"]) == [pd.Timestamp(after(60)), pd.Timestamp(after(180))]


def test_a_bar_closes_with_its_own_symbol_and_no_other(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([trade(1, "10", 30), trade(1, "7", 9000, symbol="ETHUSDT")]))
    assert table(tmp_path, "bars").empty
    exporter(tmp_path).commit([Message(Lane("binance_agg_trades", "0"), 2, encode(trade(2, "10", 180)))])
    assert list(table(tmp_path, "bars")["symbol"]) == ["BTCUSDT"]


def test_quotes_of_coinmarketcap_are_waited_for_longer(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([quote(1, "10", 30), quote(1, "11", 59 + 900)]))
    assert table(tmp_path, "bars").empty
    exporter(tmp_path).commit([Message(Lane("coin_market_cap", "0"), 2, encode(quote(1, "10", 60 + 900)))])
    assert list(table(tmp_path, "bars")["sum"]) == [10.0]


def test_the_last_bar_of_a_day_is_closed_in_its_own_file_by_the_next_day(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([trade(1, "10", TO_MIDNIGHT - 1)]))
    exporter(tmp_path).commit([Message(Lane("binance_agg_trades", "0"), 1, encode(trade(2, "11", TO_MIDNIGHT + 120)))])
    first, second = days(tmp_path)
    assert (first.stem, second.stem) == ("2024-03-19", "2024-03-20")
    assert (len(pd.read_hdf(first, "bars")), len(pd.read_hdf(first, "open_bars"))) == (1, 0)
    assert (len(pd.read_hdf(second, "bars")), len(pd.read_hdf(second, "open_bars"))) == (0, 1)


def test_an_event_time_before_1970_is_in_the_bar_that_it_is_in(tmp_path: Path) -> None:
    long_ago = trade(1, "10", -3_000_000_030.5)
    exported(tmp_path, in_lanes([long_ago]))
    assert contents(tmp_path) == expected([("binance_agg_trades", encode(long_ago))])


def test_of_states_of_a_candle_pushed_at_one_time_the_closed_one_is_last(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([kline("7", 30, closed=True), kline("9", 30)]))
    assert list(table(tmp_path, "open_bars")["last"]) == [7.0]


def test_of_quotes_of_one_time_under_one_name_the_greater_id_is_last(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([quote(20, "7", 30), quote(3, "9", 30)]))
    assert list(table(tmp_path, "open_bars")["last"]) == [7.0]


def test_a_post_comes_back_as_it_was_written_nuls_at_its_end_too(tmp_path: Path) -> None:
    texts = ["", "gm\0\0", "\0", "a\0b", "nan", "🚀" * 300]
    messages = in_lanes([post(str(number), text, likes=number or None) for number, text in enumerate(texts)])
    exported(tmp_path, messages, iter([2, 2, 2]))
    assert contents(tmp_path).posts == expected(values_of(messages)).posts
    assert sorted(row[4] for row in contents(tmp_path).posts) == sorted(texts)


def test_of_a_post_that_comes_again_the_first_one_stays(tmp_path: Path) -> None:
    again = [post("1", "first"), post("1", "second"), post("1", "third", coin="ethereum"), post("2", "fourth")]
    exported(tmp_path, in_lanes([*again, *again]), iter([1, 3, 4]))
    assert sorted(table(tmp_path, "posts")["text"]) == ["first", "fourth", "third"]
