import datetime as dt
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from simulator.market import Market
from simulator.noise import walk
from simulator.toman import Exchange
from tests.unit.simulator.fakes import NOON

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=7)


def minutes(count: int) -> list[dt.datetime]:
    return [NOON + number * MINUTE for number in range(count)]


def test_market_at_a_time_does_not_depend_on_what_was_asked_before(market: Market) -> None:
    asked_often = [market.quotes(at) for at in minutes(10)][-1]
    assert Market(seed=7).quotes(minutes(10)[-1]) == asked_often
    tickers = [Exchange(market).tickers(at) for at in minutes(3)][-1]
    assert Exchange(Market(seed=7)).tickers(minutes(3)[-1]) == tickers


def test_another_seed_is_another_market(market: Market) -> None:
    assert market.quotes(NOON)[0].price != Market(seed=8).quotes(NOON)[0].price


def test_market_is_large_enough_and_two_coins_share_a_symbol(market: Market) -> None:
    quotes = market.quotes(NOON)
    assert len(quotes) >= 100
    assert len({quote.coin.cmc_id for quote in quotes}) == len(quotes)
    shared = [symbol for symbol, count in Counter(quote.coin.symbol for quote in quotes[:100]).items() if count > 1]
    assert shared == ["BEAM"]


def test_quotes_are_of_unequal_age_up_to_40_minutes(market: Market) -> None:
    ages = [(at - quote.updated) / MINUTE for at in minutes(45) for quote in market.quotes(at)]
    assert min(ages) >= 0.75
    assert 38 < max(ages) <= 40
    assert 0.6 < sum(age < 4 for age in ages) / len(ages) < 0.95


def test_a_coins_quote_never_goes_back_in_time(market: Market) -> None:
    for before, after in pairwise(market.quotes(at) for at in minutes(90)):
        oldest = {quote.coin.cmc_id: quote.updated for quote in before}
        assert all(quote.updated >= oldest[quote.coin.cmc_id] for quote in after)


def test_one_last_updated_always_carries_one_price(market: Market) -> None:
    prices: dict[tuple[int, dt.datetime], float] = {}
    for at in minutes(60):
        for quote in market.quotes(at):
            assert prices.setdefault((quote.coin.cmc_id, quote.updated), quote.price) == quote.price


def test_coins_move_together_and_stablecoins_do_not_move(market: Market) -> None:
    hours = 1_790_000_000 + 3600 * np.arange(500)
    names = [coin.symbol for coin in market.coins]
    rows = np.asarray([[names.index(name)] for name in ("BTC", "ETH", "SOL", "USDC")])
    returns = np.diff(np.log(market.usd(rows, hours)), axis=1)
    correlation = np.corrcoef(returns[:3])
    assert correlation[0, 1] > 0.4
    assert correlation[1, 2] > 0.4
    yearly = returns.std(axis=1) * np.sqrt(24 * 365)
    assert np.all((yearly[:3] > 0.3) & (yearly[:3] < 1.5))
    assert yearly[3] < 0.02


def test_walk_has_the_increments_of_brownian_motion() -> None:
    seconds = 1_790_000_000 + 64 * np.arange(4_000)
    increments = np.diff(walk(3, np.asarray(5), seconds)) / 8
    assert abs(increments.mean()) < 0.05
    assert 0.9 < increments.std() < 1.1
    assert abs(np.corrcoef(increments[:-1], increments[1:])[0, 1]) < 0.05


def test_wallex_prices_track_the_usd_price_through_usdt_tmn(market: Market) -> None:
    tickers = {ticker.market.symbol: ticker for ticker in Exchange(market).tickers(NOON)}
    usd = {quote.coin.symbol: quote.price for quote in reversed(market.quotes(NOON + 3 * MINUTE))}
    rate = tickers["USDTTMN"].last
    assert rate is not None
    for name, limit in (("BTC", 0.02), ("ETH", 0.02), ("SOL", 0.02), ("LINK", 0.05)):
        tmn, usdt = tickers[f"{name}TMN"].last, tickers[f"{name}USDT"].last
        assert tmn is not None
        assert usdt is not None
        assert tmn / rate == pytest.approx(usd[name], rel=limit)
        assert usdt == pytest.approx(usd[name], rel=limit)
        assert tmn / rate != pytest.approx(usd[name], rel=1e-6)


def test_wallex_has_130_markets_in_three_quotes_and_some_without_trades(market: Market) -> None:
    tickers = Exchange(market).tickers(NOON)
    quotes = Counter(ticker.market.quote for ticker in tickers)
    assert len(tickers) >= 130
    assert set(quotes) == {"TMN", "USDT", "BTC"}
    assert sum(ticker.last is None for ticker in tickers) >= 2
    assert sum(ticker.day_volume is None for ticker in tickers) >= 15
    assert all(ticker.bid < ticker.ask for ticker in tickers if ticker.ask is not None)


def test_usdt_tmn_drifts_upwards_by_about_a_quarter_a_year(market: Market) -> None:
    exchange = Exchange(market)
    years = np.asarray([1_750_000_000, 1_750_000_000 + 4 * 365 * 86_400])
    first, last = np.log(exchange.usdt_tmn(years))
    assert (last - first) / 4 == pytest.approx(0.25, abs=0.1)
