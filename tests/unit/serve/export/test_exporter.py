"""The files are what a plain count message by message says, however messages were cut into batches and interleaved."""

import datetime as dt
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ExportError
from contracts.records import AggTrade, Post, Record, encode, replace
from serve.export.exporter import Exporter
from serve.export.feed import Lane, Message
from tests.unit.serve.export.contents import contents, days, table
from tests.unit.serve.export.expected import expected
from tests.unit.serve.export.messages import (
    RULES,
    after,
    in_lanes,
    kline,
    neutral,
    placed,
    polled,
    post,
    quote,
    ticker,
    trade,
    values_of,
)

TO_MIDNIGHT = 12 * 60 * 60


def exporter(folder: Path) -> Exporter:
    return Exporter(folder, RULES, neutral, os.replace)


def exported(folder: Path, messages: Sequence[Message], sizes: Iterator[int] | None = None) -> None:
    """Take messages in batches of these sizes, or in one; each batch by an exporter that begins anew."""
    rest = list(messages)
    while rest:
        size = next(sizes) if sizes else len(rest)
        exporter(folder).commit(rest[:size])
        rest = rest[size:]


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


def test_what_is_no_record_is_kept_whole_with_its_reason(tmp_path: Path) -> None:
    ahead = replace(trade(1, "10", 61), ingest_time=after(0.999))
    values = [b"", b"\xff\x00", b"x" * 7001, encode(ahead), encode(ticker("1", 0)), b'{"price": "NaN"}']
    nan = encode(trade(2, "10", 0)).replace(b'"10"', b'"NaN"')
    surrogate = encode(trade(2, "10", 0, symbol="BTC~")).replace(b"~", b"\\ud800")
    nul = encode(trade(3, "10", 0, symbol="BTC~")).replace(b"~", b"\\u0000")
    huge = encode(trade(4, "10", 0)).replace(b'"agg_trade_id":4', b'"agg_trade_id":' + b"9" * 30)
    values += [nan, surrogate, nul, huge]
    messages = placed([("binance_agg_trades", "BTCUSDT", value) for value in values])
    exported(tmp_path, messages, iter(lambda: 3, None))
    assert contents(tmp_path).rejected == sorted(values_of(messages), key=repr)
    frame: pd.DataFrame = pd.read_hdf(tmp_path / "rejected.h5", "rejected")
    reasons = frame.drop_duplicates("offset").set_index("offset")["reason"]
    assert reasons[3] == "expected an event time at most 60 s ahead of the ingest time, found 60.001 s"
    assert reasons.str.startswith("expected").all()
    assert days(tmp_path) == []


def test_a_record_exactly_as_far_ahead_as_allowed_is_taken(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([replace(trade(1, "10", 60), ingest_time=after(0))]))
    assert len(table(tmp_path, "open_bars")) == 1


def test_of_states_of_a_candle_pushed_at_one_time_the_closed_one_is_last(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([kline("7", 30, closed=True), kline("9", 30)]))
    assert list(table(tmp_path, "open_bars")["last"]) == [7.0]


def test_of_quotes_of_one_time_under_one_name_the_greater_id_is_last(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([quote(20, "7", 30), quote(3, "9", 30)]))
    assert list(table(tmp_path, "open_bars")["last"]) == [7.0]


def test_a_post_of_another_coin_than_its_topic_is_rejected(tmp_path: Path) -> None:
    exported(tmp_path, placed([("bitcoin", "1", encode(post("1", "gm", coin="ethereum")))]))
    assert len(contents(tmp_path).rejected) == 1


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


def test_a_count_that_no_table_holds_is_rejected(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([post("1", "gm", likes=10**400), post("2", "gm", likes=2**62)]))
    assert len(contents(tmp_path).rejected) == 1
    assert list(table(tmp_path, "posts")["likes"]) == [float(2**62)]


def test_a_folder_of_other_rules_is_refused(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([trade(1, "10", 30)]))
    with pytest.raises(ExportError, match=r"made by, interval 60000 ms, found 300000 ms"):
        Exporter(tmp_path, RULES._replace(interval=300_000), neutral, os.replace)


def test_days_without_their_progress_are_refused(tmp_path: Path) -> None:
    exported(tmp_path, in_lanes([trade(1, "10", 30)]))
    (tmp_path / "progress.h5").unlink()
    with pytest.raises(ExportError, match=r"progress.h5 beside 2024-03-19.h5, found none"):
        exporter(tmp_path)


@pytest.mark.parametrize("name", ["2024-03-19.h5", "progress.h5"])
def test_a_broken_file_is_an_error_that_names_it_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    messages = in_lanes([trade(1, "10", 30), trade(2, "10", 31)])
    exported(tmp_path, messages[:1])
    (tmp_path / name).write_bytes(b"no HDF5")
    with pytest.raises(ExportError, match=name):
        exporter(tmp_path).commit(messages[1:])
    assert (tmp_path / name).read_bytes() == b"no HDF5"
    assert not list(tmp_path.glob(".*.new"))
