"""What the tables said at a time: by literal rows that are written, changed and removed."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES
from serve.asof import asof, version_at
from tests.unit.serve.rows import Row, at, candle, lake_in, write


def full(minute: int, prices: str, coin: str = "BTC") -> Row:
    return {**candle(minute, prices, coin=coin), "samples": 10, "expected": 10, "complete": True}


def table(lake: LakeSettings) -> DeltaTable:
    return DeltaTable(f"{lake.lake}/{CANDLES.path}")


def written_at(lake: LakeSettings) -> dt.datetime:
    """The time of the newest commit, and a moment in which no other commit is."""
    millis: int = table(lake).history(1)[0]["timestamp"]
    time.sleep(0.01)
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC)


def test_what_was_added_changed_and_removed_since(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [full(0, "1 2 1 2 1"), full(10, "1 2 1 2 1"), full(20, "1 2 1 2 1")])
    first = written_at(lake)
    table(lake).delete("open_time >= '2024-03-19 12:10:00'")
    written_at(lake)
    # 12:10 is written anew as it was: no news. 12:20 has another high and close. 12:00 stands, 12:30 is new.
    write(lake, CANDLES, [full(10, "1 2 1 2 1"), full(20, "1 5 1 4 1"), full(30, "2 2 2 2 2")])
    table(lake).delete("open_time = '2024-03-19 12:00:00'")
    found = asof(lake, CANDLES, first)
    assert (found.then.version, found.then.rows, found.then.newest) == (0, 3, at(20))
    assert (found.now.rows, found.now.newest) == (3, at(30))
    assert (found.added, found.changed, found.removed) == (1, 1, 1)
    assert [(e.kind, e.before, e.now) for e in found.examples] == [
        ("changed", "high 2, close 2", "high 5, close 4"),
        ("removed", "close 2", ""),
        ("added", "", "close 2"),
    ]


def test_an_older_version_may_lack_a_column(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [{**full(0, "1 2 1 2 1"), "trades": 7}])
    rows = table(lake).to_pyarrow_table()
    write_deltalake(table(lake), rows.drop_columns("trades"), mode="overwrite", schema_mode="overwrite")
    lacking = written_at(lake)
    write_deltalake(table(lake), rows, mode="overwrite", schema_mode="overwrite")
    found = asof(lake, CANDLES, lacking)
    assert (found.added, found.changed, found.removed) == (0, 1, 0)
    assert [(e.before, e.now) for e in found.examples] == [("trades -", "trades 7")]


def test_one_coin_alone(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [full(0, "1 2 1 2 1"), full(0, "1 2 1 2 1", coin="ETH")])
    first = written_at(lake)
    write(lake, CANDLES, [full(10, "1 2 1 2 1", coin="ETH")])
    assert asof(lake, CANDLES, first, "BTC").added == 0
    assert asof(lake, CANDLES, first, "ETH").added == 1


def test_a_time_before_the_first_version_is_said(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [full(0, "1 2 1 2 1")])
    with pytest.raises(NoDataError, match=r"table candles: expected a time not before .*, found 2020-01-01T00:00:00Z"):
        asof(lake, CANDLES, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


def test_the_newest_commit_not_after_a_time_is_taken() -> None:
    commits = {3: at(0), 4: at(1), 5: at(1), 6: at(2)}
    assert [version_at(commits, at(minute)) for minute in (-1, 0, 0.5, 1, 9)] == [None, 3, 3, 5, 6]


def test_a_price_is_written_in_full(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [full(0, "1 2 1 1.000000000000000001 1")])
    first = written_at(lake)
    table(lake).delete()
    (example,) = asof(lake, CANDLES, first).examples
    assert Decimal(example.before.removeprefix("close ")) == Decimal("1.000000000000000001")
