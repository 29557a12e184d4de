"""The generated market has the shape of the real bodies: the same keys, and no JSON type that they lack."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import coinmarketcap_generated, wallex
from simulator.market import Market
from simulator.wire import Content, Request

DATA = Path(__file__).parents[3] / "shared" / "data"
LISTING = DATA / "coinmarketcap" / "listings_latest_2024-03-19T220629.658Z.json"
HERO = DATA / "coinmarketcap" / "quotes_latest_symbol_HERO.json"
MARKETS = DATA / "wallex" / "markets_2022-07-24.json"
AT = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded data is not at {DATA}")


def number_types(body: Any) -> dict[str, set[str]]:
    """Map each path of a body to its JSON types; rows of an array and of a map of markets count as one path."""
    types: dict[str, set[str]] = defaultdict(set)
    for path, kind in walk(body, ""):
        types[path].add(kind)
    return types


def walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    yield path, kind
    if isinstance(value, dict):
        rows = path.endswith(("symbols", "tags"))
        for key, inner in value.items():
            yield from walk(inner, f"{path}.*" if rows else f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, f"{path}[]")


def served(content: Content, path: str, **query: str) -> Any:
    answer = content(Request(path, query, {}), AT)
    assert answer is not None
    return json.loads(answer.body)


def assert_same_shape(generated: Any, real: Any, extra_types: dict[str, set[str]] | None = None) -> None:
    ours, theirs = number_types(generated), number_types(real)
    for path, kinds in (extra_types or {}).items():
        theirs[path] |= kinds
    assert {path for path in theirs if path not in ours} == set()
    assert {path: kinds for path, kinds in ours.items() if not kinds <= theirs[path]} == {}


def test_generated_v1_listing_has_the_shape_of_the_real_one() -> None:
    real = json.loads(LISTING.read_text())
    generated = served(coinmarketcap_generated.generated(Market(1)), "/v1/cryptocurrency/listings/latest")
    assert_same_shape(generated, real)
    assert set(generated["data"][0]) == set(real["data"][0])
    assert list(generated["data"][0]["quote"]["USD"]) == list(real["data"][0]["quote"]["USD"])


def test_generated_v1_quote_has_the_shape_of_the_real_one() -> None:
    real = json.loads(HERO.read_text())
    generated = served(coinmarketcap_generated.generated(Market(1)), "/v1/cryptocurrency/quotes/latest", symbol="CELR")
    rename = json.loads(json.dumps(generated).replace('"CELR"', '"HERO"'))
    assert_same_shape(
        rename,
        real,
        {
            ".data.HERO.max_supply": {"NoneType"},
            ".data.HERO.self_reported_circulating_supply": {"NoneType"},
            ".data.HERO.self_reported_market_cap": {"NoneType"},
        },
    )
    assert list(generated["data"]["CELR"]) == list(real["data"]["HERO"])


def test_generated_wallex_markets_have_the_shape_of_the_real_ones() -> None:
    real = json.loads(MARKETS.read_text())
    generated = served(wallex.generated(Market(1)), "/v1/markets")
    assert_same_shape(generated, real)
    ours, theirs = (next(iter(body["result"]["symbols"].values())) for body in (generated, real))
    assert list(ours) == list(theirs)
    assert list(ours["stats"]) == list(theirs["stats"])


def test_generated_values_are_a_dash_nowhere_but_where_real_ones_are() -> None:
    def dashed(body: Any) -> set[str]:
        markets = body["result"]["symbols"].values()
        return {name for market in markets for name, value in market["stats"].items() if value == "-"}

    generated = dashed(served(wallex.generated(Market(1)), "/v1/markets"))
    assert generated == dashed(json.loads(MARKETS.read_text()))


def test_generated_prices_have_as_many_digits_as_real_ones() -> None:
    def digits(body: Any) -> float:
        prices = [
            repr(coin["quote"]["USD"]["price"]).split("e")[0].replace(".", "").lstrip("0") for coin in body["data"]
        ]
        return sum(map(len, prices)) / len(prices)

    real = digits(json.loads(LISTING.read_text()))
    generated = digits(served(coinmarketcap_generated.generated(Market(1)), "/v1/cryptocurrency/listings/latest"))
    assert abs(real - generated) < 0.5
