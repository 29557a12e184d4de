"""The published Parquet, read by the three ways the README names: our dataset, DuckDB, pandas."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pyarrow import dataset as ds

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES, MARKET_CAP
from serve.published import coins_of, matching, open_dataset, uri_of
from tests.unit.serve.rows import candle, lake_in, published, total

ODD = "A/B=50%"
"""A coin whose name a path cannot hold as it is."""


@pytest.fixture
def lake(tmp_path: Path) -> LakeSettings:
    lake = lake_in(tmp_path)
    published(
        lake,
        CANDLES,
        [
            candle(0, "1 2 1 2 1.5"),
            candle(24 * 60, "3 4 3 4 3.5"),
            candle(0, "5 6 5 6 5.5", coin="ETH"),
            candle(0, "7 8 7 8 7.5", coin=ODD),
        ],
    )
    published(lake, MARKET_CAP, [total(0, "100"), total(24 * 60, "200")])
    return lake


def files_of(dataset: ds.Dataset) -> list[str]:
    assert isinstance(dataset, ds.FileSystemDataset)
    return dataset.files


def test_coin_and_date_are_columns_again_also_for_a_name_that_a_path_cannot_hold(lake: LakeSettings) -> None:
    rows = open_dataset(lake, CANDLES).to_table().to_pylist()
    assert sorted((row["coin"], str(row["date"])) for row in rows) == [
        (ODD, "2024-03-19"),
        ("BTC", "2024-03-19"),
        ("BTC", "2024-03-20"),
        ("ETH", "2024-03-19"),
    ]
    assert coins_of(lake, CANDLES) == [ODD, "BTC", "ETH"]


def test_one_coin_opens_no_object_of_another(lake: LakeSettings) -> None:
    assert {Path(file).parent.parent.name for file in files_of(open_dataset(lake, CANDLES, "BTC"))} == {"coin=BTC"}
    assert open_dataset(lake, CANDLES, ODD).to_table()["coin"].to_pylist() == [ODD]


def test_only_the_newest_dates_are_opened(lake: LakeSettings) -> None:
    dates = open_dataset(lake, CANDLES, "BTC", newest_dates=1).to_table()["date"].to_pylist()
    assert [str(date) for date in dates] == ["2024-03-20"]
    assert len(files_of(open_dataset(lake, MARKET_CAP, newest_dates=1))) == 1


def test_duckdb_and_pandas_read_it_by_coin_and_date_with_no_library_of_ours(lake: LakeSettings) -> None:
    candles = ds.dataset(uri_of(lake, CANDLES), partitioning="hive")
    asked = "SELECT close::varchar FROM candles WHERE coin = 'BTC' AND date = '2024-03-20'"
    answer = duckdb.sql(asked)
    assert answer is not None
    assert answer.fetchall() == [("4.000000000000000000",)]
    assert candles.count_rows() == 4
    frame = pd.read_parquet(uri_of(lake, CANDLES), filters=[("coin", "==", "BTC"), ("date", "==", "2024-03-20")])
    assert frame["close"].map(str).tolist() == ["4.000000000000000000"]


def test_without_a_published_table_the_message_says_what_to_run(tmp_path: Path) -> None:
    for ask in (open_dataset, coins_of):
        with pytest.raises(NoDataError) as raised:
            ask(lake_in(tmp_path), CANDLES)
        assert str(raised.value) == 'expected the published table candles, found none: run "coinlake process" first'


def test_an_unknown_coin_is_answered_with_a_few_that_there_are() -> None:
    with pytest.raises(NoDataError) as raised:
        matching("BTX", ["ADA", "BNB", "BTC", "BTT", "ETH", "SOL", "XRP"])
    assert str(raised.value) == "expected one of 7 coins, such as BTC, BTT, BNB, ADA, ETH, found BTX"


def test_the_case_of_a_coin_matters_only_where_two_differ_by_it_alone() -> None:
    assert matching("steth", ["BTC", "stETH"]) == "stETH"
    with pytest.raises(NoDataError):
        matching("steth", ["STETH", "stETH"])
