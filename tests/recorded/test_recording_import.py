"""What the importer makes of the real snapshots, against the snapshots themselves (read with csv, json and pandas)."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pandas as pd
import pytest

from contracts.errors import NoDataError
from simulator.config import SimulatorConfig
from simulator.import_recorded import ImportSummary, import_recorded
from simulator.server import running

DATA = Path(__file__).parents[3] / "shared" / "data"
SERIES = DATA / "coinmarketcap" / "timeseries_2022-06-13.csv.gz"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded data is not at {DATA}")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def summary(out: Path) -> ImportSummary:
    return import_recorded(DATA, out)


def lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line, parse_float=str, parse_int=str) for line in file]


@pytest.fixture(scope="module")
def quotes(summary: ImportSummary) -> pd.DataFrame:
    rows = [
        {
            "at": line["at"],
            "id": coin["id"],
            "symbol": coin["symbol"],
            "updated": coin["last_updated"],
            "price": coin["quote"]["USD"]["price"],
            "market_cap": coin["quote"]["USD"]["market_cap"],
        }
        for line in lines(summary.folders[0].folder / "coinmarketcap.jsonl.gz")
        for coin in line["response"]["body"]["data"]
    ]
    return pd.DataFrame(rows)


def test_every_distinct_quote_of_the_series_is_there_with_its_number_text(quotes: pd.DataFrame) -> None:
    series = pd.read_csv(SERIES, dtype=str)
    columns = ["id", "last_updated", "quote.USD.price", "quote.USD.market_cap"]
    expected = {tuple(row) for row in series[columns].itertuples(index=False)}
    found = {tuple(row) for row in quotes[["id", "updated", "price", "market_cap"]].itertuples(index=False)}
    assert found == expected
    assert len({row[:3] for row in found}) == 296


def test_each_distinct_poll_is_answered_once_soon_after_its_newest_quote(quotes: pd.DataFrame) -> None:
    polls = quotes.groupby("at").agg(coins=("id", "nunique"), rows=("id", "size"), newest=("updated", "max"))
    assert len(polls) == 21
    assert set(polls["coins"]) == set(polls["rows"]) == {15}
    delay = pd.to_datetime(polls.index, utc=True) - pd.to_datetime(polls["newest"], utc=True)
    assert delay.min() >= pd.Timedelta(seconds=1)
    assert delay.max() <= pd.Timedelta(seconds=60)


def test_wallex_body_repeats_every_60_seconds_and_is_equal_to_the_real_one(summary: ImportSummary) -> None:
    real = json.loads((DATA / "wallex" / "markets_2022-07-24.json").read_text(), parse_float=str, parse_int=str)
    answers = lines(summary.folders[0].folder / "wallex.jsonl.gz")
    times = pd.to_datetime([line["at"] for line in answers], utc=True)
    assert set(pd.Series(times).diff().dropna()) == {pd.Timedelta(seconds=60)}
    assert all(line["response"]["body"] == real for line in answers)
    dates = pd.to_datetime([line["response"]["headers"]["Date"] for line in answers], utc=True)
    assert list(dates) == list(times)


def test_at_least_200_quotes_meet_a_wallex_market_within_30_seconds(
    summary: ImportSummary, quotes: pd.DataFrame
) -> None:
    markets = json.loads((DATA / "wallex" / "markets_2022-07-24.json").read_text())["result"]["symbols"].values()
    bases = pd.DataFrame({"symbol": [m["baseAsset"] for m in markets], "market": [m["symbol"] for m in markets]})
    answers = lines(summary.folders[0].folder / "wallex.jsonl.gz")
    tickers = pd.DataFrame({"ticker_time": pd.to_datetime([line["at"] for line in answers], utc=True)})
    distinct = quotes.drop_duplicates(["id", "updated"]).assign(time=lambda q: pd.to_datetime(q["updated"], utc=True))
    near = pd.merge_asof(
        distinct.sort_values("time"),
        tickers,
        left_on="time",
        right_on="ticker_time",
        direction="nearest",
        tolerance=pd.Timedelta(seconds=30),
    ).dropna(subset=["ticker_time"])
    joined = near.merge(bases, on="symbol", how="inner")
    assert near["symbol"].isin(bases["symbol"]).sum() >= 190
    assert len(joined) >= 200
    assert summary.folders[0].matches == len(joined)


def test_whole_bodies_of_2024_are_kept_to_the_last_digit(summary: ImportSummary) -> None:
    answers = lines(summary.folders[1].folder / "coinmarketcap.jsonl.gz")
    names = (
        "listings_latest_2024-03-17T103434.793Z.json",
        "quotes_latest_symbol_HERO.json",
        "listings_latest_2024-03-19T220629.658Z.json",
    )
    for line, name in zip(answers, names, strict=True):
        text = (DATA / "coinmarketcap" / name).read_text()
        assert line["response"]["body"] == json.loads(text, parse_float=str, parse_int=str)
        assert line["at"].replace("000Z", "Z") == line["response"]["body"]["status"]["timestamp"]


async def test_imported_series_plays_through_the_protocol(summary: ImportSummary) -> None:
    config = SimulatorConfig(recording=summary.folders[0].folder)
    async with running(config) as server, aiohttp.ClientSession(headers={"X-CMC_PRO_API_KEY": "k"}) as session:
        async with session.get(
            server.url("coinmarketcap") + "/v1/cryptocurrency/listings/latest?limit=100"
        ) as response:
            body = json.loads(await response.text(), parse_float=Decimal)
            assert response.headers["Date"].startswith("Mon, 13 Jun 2022 00:10:5")
        assert body["data"][0]["quote"]["USD"]["price"] == Decimal("26662.449169274132")
        async with session.get(server.url("wallex") + "/v1/markets") as response:
            assert len((await response.json())["result"]["symbols"]) == 134


def test_missing_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"import: expected coinmarketcap/timeseries_2022-06-13\.csv\.gz in"):
        import_recorded(tmp_path, tmp_path / "out")
