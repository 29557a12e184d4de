"""`coinlake show` on a small lake in files, down to the characters."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES, MARKET_CAP, MARKET_SNAPSHOTS
from serve.show import show
from tests.unit.serve.rows import at, candle, lake_in, published, snapshot, total


@pytest.fixture
def lake(tmp_path: Path) -> LakeSettings:
    lake = lake_in(tmp_path)
    usd = [
        candle(0, "83000 83500.123456789123456789 82900 83434.405 83200"),
        candle(10, "83434.405 83600 83400 83500 83512.5"),
    ]
    tmn = [
        candle(0, "9280788472.064 9280788472.064 9280788472.064 9280788472.064 9280788472.064", venue="base_tmn"),
        candle(0, "9400000000 9400000000 9300000000 9350000000 9380000000", venue="wallex"),
    ]
    published(lake, CANDLES, [*usd, *({**row, "quote": "TMN", "complete": False, "samples": 9} for row in tmn)])
    published(lake, MARKET_SNAPSHOTS, [snapshot(1, "BTCTMN", premium=None), snapshot(5, "BTCTMN")])
    published(lake, MARKET_CAP, [total(0, "3412345678901.12345678"), total(10, "3500000000000")])
    return lake


def shown(lake: LakeSettings, coin: str = "btc", width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(lake, coin, console, **options)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_the_header_says_last_prices_premiums_and_the_market(lake: LakeSettings) -> None:
    assert shown(lake).splitlines()[:6] == [
        "BTC, times in UTC",
        "base_tmn TMN           9,280,788,472  close of the candle of 2024-03-19 12:00",
        "coin_market_cap USD        83,500.00  close of the candle of 2024-03-19 12:10",
        "wallex TMN             9,350,000,000  close of the candle of 2024-03-19 12:00",
        "premium BTCTMN                +1.28%  9,400,000,000 TMN over base_tmn 9,280,788,472, 2024-03-19 12:05",
        "total market cap            $3.500 T  100 coins, BTC 52.22%, until 2024-03-19 12:20",
    ]


def test_the_table_of_a_series_rounds_half_up_and_groups_thousands(lake: LakeSettings) -> None:
    page = shown(lake)
    assert "BTC/USD 10m candles, coin_market_cap" in page
    assert "2024-03-19 12:00 83,000.00 83,500.12 82,900.00 83,434.41 83,200.00 yes 10/10" in page
    assert "2024-03-19 12:10 83,434.41 83,600.00 83,400.00 83,500.00 83,512.50 yes 10/10" in page


def test_a_candle_with_samples_missing_is_shown_as_not_complete(lake: LakeSettings) -> None:
    row = next(line for line in shown(lake).splitlines() if line.startswith("2024-03-19 12:00 9,280"))
    assert row.endswith("no 9/10")


def test_the_last_n_are_the_newest_in_time_order(lake: LakeSettings) -> None:
    page = shown(lake, last=1)
    assert "2024-03-19 12:00 83,000.00" not in page
    assert "2024-03-19 12:10 83,434.41" in page
    assert page.count("3.412 T") == 0


def test_total_market_cap_of_the_last_windows_is_shown(lake: LakeSettings) -> None:
    lines = shown(lake).splitlines()
    assert [" ".join(line.split()) for line in lines[-2:]] == [
        "2024-03-19 12:00 3.412 T 100 40 min BTC 52.22%",
        "2024-03-19 12:10 3.500 T 100 40 min BTC 52.22%",
    ]


def test_a_quote_chooses_its_series(lake: LakeSettings) -> None:
    page = shown(lake, quotes=["tmn"])
    assert "BTC/TMN 10m candles, wallex" in page
    assert "BTC/USD 10m candles" not in page


def test_a_narrow_terminal_cuts_no_digit_off(lake: LakeSettings) -> None:
    assert "9,280,788,472 9,280,788,472 9,280,788,472 9,280,788,472 9,280,788,472" in shown(lake, width=40)


def test_a_coin_on_no_wallex_market_is_shown_without_a_premium(lake: LakeSettings) -> None:
    published(lake, CANDLES, [candle(10, "2 2 2 2 2", coin="ETH")])
    page = shown(lake, "ETH")
    assert "premium" not in page
    assert "coin_market_cap USD         2.000000" in page


@pytest.fixture
def abroad(lake: LakeSettings) -> LakeSettings:
    """The lake with Binance in it: two coins on Wallex, and one that Binance does not know."""
    prices = {"binance_price": Decimal("83000"), "premium_binance": Decimal("0.018152")}
    implied = {"implied_usdt_tmn": Decimal("113253.012")}
    usdt = {"market_quote": "USDT", **prices, **implied}
    published(
        lake,
        MARKET_SNAPSHOTS,
        [
            snapshot(9, "BTCTMN", **prices, **implied),
            snapshot(9, "BTCUSDT", **usdt),
            snapshot(8, "ETHTMN", coin="ETH", price_usd=Decimal(2), price_tmn=Decimal(220_000), **prices)
            | {"implied_usdt_tmn": Decimal(110_000), "premium_binance": Decimal("-0.0111")},
            snapshot(8, "XYZTMN", coin="XYZ"),
        ],
    )
    published(lake, CANDLES, [candle(0, "83000 83100 82900 83050 83010", venue="binance", quote="USDT")])
    return lake


def test_binance_is_in_the_header_and_has_its_table_of_candles(abroad: LakeSettings) -> None:
    page = shown(abroad)
    assert "binance USDT               83,050.00  close of the candle of 2024-03-19 12:00" in page
    assert "USDT by BTCTMN             113,253.0  TMN, +1.82% over Binance's 83,000.00 USDT" in page
    assert "BTC/USDT 10m candles, binance" in page


def test_the_implied_rates_of_all_coins_are_one_row_per_toman_market_on_one_scale(abroad: LakeSettings) -> None:
    lines = shown(abroad, width=120).splitlines()
    title = next(number for number, line in enumerate(lines) if line.startswith("implied USDT/TMN by coin"))
    assert lines[title + 1].endswith("● by Binance ○ by CoinMarketCap premium │ USDTTMN on Wallex 111,235")
    found = [line.split()[:4] for line in lines[title + 2 :]]
    assert found == [["BTC", "113,253", "112,663", "+1.82%"], ["ETH", "110,000", "110,000", "-1.11%"]]
    btc, eth = (line[line.index("%") + 1 :].strip("\n") for line in lines[title + 2 :])
    assert btc.rstrip().endswith("●")
    assert btc.index("│") < btc.index("○") < btc.index("●")
    assert eth.index("◉") < eth.index("│")
    assert btc.index("│") == eth.index("│")


def test_without_binance_there_are_no_rates(lake: LakeSettings) -> None:
    assert "implied" not in shown(lake)


@pytest.mark.parametrize(
    ("coin", "options", "message"),
    [
        ("XRP", {}, "expected one of 1 coins, such as BTC, found XRP"),
        ("BTC", {"quotes": ["EUR"]}, "expected BTC in EUR, found it in TMN, USD"),
        ("BTC", {"interval": "1h"}, "expected 1h candles of BTC, found 10m"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    lake: LakeSettings, coin: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NoDataError) as raised:
        shown(lake, coin, **options)
    assert str(raised.value) == message


def test_longer_candles_reach_back_over_more_dates(lake: LakeSettings) -> None:
    days = [{**candle(24 * 60 * day, f"{day} {day} {day} {day} {day}"), "interval": "1h"} for day in range(1, 6)]
    published(lake, CANDLES, days)
    page = shown(lake, last=100, interval="1h")
    for day in range(1, 6):
        assert f"{at(24 * 60 * day):%Y-%m-%d %H:%M}" in page


def test_hundreds_of_candles_reach_back_over_several_dates(lake: LakeSettings) -> None:
    days = [candle(24 * 60 * day, f"{day} {day} {day} {day} {day}") for day in range(1, 6)]
    published(lake, CANDLES, days)
    page = shown(lake, last=2)
    assert f"{at(24 * 60 * 5):%Y-%m-%d %H:%M}" in page
    assert f"{at(24 * 60 * 4):%Y-%m-%d %H:%M}" in page
    assert f"{at(24 * 60 * 3):%Y-%m-%d %H:%M}" not in page
