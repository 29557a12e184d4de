"""What an export does not take into its tables, and which folders it does not take up: said, kept, left as it is."""

import os
from pathlib import Path

import pandas as pd
import pytest

from contracts.errors import ExportError
from contracts.records import encode, replace
from contracts.settings import KafkaSettings, TransportSettings
from serve.export.exporter import Exporter
from serve.export.feed import Lane
from serve.export.kafka_feed import KafkaFeed
from serve.export.zmq_feed import ZmqFeed
from tests.unit.serve.export.contents import contents, days, table
from tests.unit.serve.export.messages import RULES, after, in_lanes, neutral, placed, post, ticker, trade, values_of
from tests.unit.serve.export.taken import exported, exporter


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


def test_a_post_of_another_coin_than_its_topic_is_rejected(tmp_path: Path) -> None:
    exported(tmp_path, placed([("bitcoin", "1", encode(post("1", "gm", coin="ethereum")))]))
    assert len(contents(tmp_path).rejected) == 1


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


def test_half_a_copy_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".2024-03-19.h5.new").mkdir()
    with pytest.raises(ExportError, match=r"expected a folder to write to, found: .*2024-03-19.h5.new"):
        exporter(tmp_path)


@pytest.mark.parametrize(
    ("feed", "lane"),
    [
        (KafkaFeed(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"), ["bitcoin"]), Lane("wallex", "00ff" * 4)),
        (ZmqFeed(TransportSettings(transport="zmq://127.0.0.1:1"), []), Lane("wallex", "0")),
    ],
    ids=["over Kafka", "over ZeroMQ"],
)
def test_a_folder_made_over_another_transport_is_refused(feed: KafkaFeed | ZmqFeed, lane: Lane) -> None:
    with pytest.raises(ExportError, match=rf"found '{lane.name}' of topic wallex.* export to another folder"):
        feed.start({lane: 7})
    feed.close()
