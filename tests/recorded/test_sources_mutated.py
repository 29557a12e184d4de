"""The parsers are total: whatever a body becomes, they give records, rejections or a named error."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import Record, decode, encode
from contracts.streams import COIN_MARKET_CAP, WALLEX, Stream, key_of, symbol_of
from ingest.sources import coin_market_cap, wallex
from tests.recorded.test_sources import LISTINGS, recorded

POLL = dt.datetime(2024, 3, 19, 22, 6, 29, tzinfo=dt.UTC)
Parse = Callable[[str, dt.datetime, dt.datetime], list[Any]]

STRANGE: tuple[Any, ...] = (
    None, True, "", "-", "NaN", "\ud800", "\x00", 0, -1, 10**40, 1e-300, 1e300, float("nan"), float("inf"),
    [], {}, [[]], {"USD": None}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-03-19",
)  # fmt: skip
strange = st.sampled_from(STRANGE) | st.text(max_size=5) | st.integers() | st.floats()


def small(name: str) -> Any:
    """Cut a recorded body to three rows: a mutation then meets a field that is read."""
    document = json.loads(recorded(name))
    if "data" in document:
        document["data"] = document["data"][:3]
    else:
        symbols = document["result"]["symbols"]
        document["result"]["symbols"] = {key: symbols[key] for key in (*list(symbols)[:2], "USDTTMN")}
    return document


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the path of every member of a document."""
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found += places(member, (*path, key))
    return found


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def checked(parse: Parse, stream: Stream, text: str) -> None:
    try:
        rows: list[Record] = parse(text, POLL, POLL)
    except (TransientSourceError, FatalSourceError) as error:
        assert str(error).isprintable()
        str(error).encode()
        return
    assert rows
    for row in rows:
        assert decode(encode(row), type(row)) == row
        if isinstance(row, stream.record):
            assert key_of(stream, row)
            assert symbol_of(stream, row)


CASES = [
    pytest.param(coin_market_cap.parse, COIN_MARKET_CAP, f"coinmarketcap/{LISTINGS[1]}", id="coin_market_cap"),
    pytest.param(wallex.parse, WALLEX, "wallex/markets_2022-07-24.json", id="wallex"),
]
quietly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("parse", "stream", "name"), CASES)
@quietly
@given(data=st.data())
def test_any_member_replaced_by_anything_is_no_crash(
    parse: Parse, stream: Stream, name: str, data: st.DataObject
) -> None:
    document = small(name)
    path = data.draw(st.sampled_from(places(document)))
    put(document, path, data.draw(strange))
    checked(parse, stream, json.dumps(document))


@pytest.mark.parametrize(("parse", "stream", "name"), CASES)
@quietly
@given(cut=st.floats(0, 1), length=st.integers(0, 30), noise=st.text(max_size=3))
def test_any_stretch_of_text_replaced_by_noise_is_no_crash(
    parse: Parse, stream: Stream, name: str, cut: float, length: int, noise: str
) -> None:
    text = json.dumps(small(name))
    start = int(cut * len(text))
    checked(parse, stream, text[:start] + noise + text[start + length :])


@pytest.mark.parametrize(("parse", "stream", "name"), CASES)
@quietly
@given(text=st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_no_crash(parse: Parse, stream: Stream, name: str, text: str) -> None:
    checked(parse, stream, text)


@pytest.mark.parametrize(("parse", "stream", "name"), CASES)
def test_a_body_cut_anywhere_is_a_named_error(parse: Parse, stream: Stream, name: str) -> None:
    text = json.dumps(small(name))
    for end in range(0, len(text), 7):
        with pytest.raises(TransientSourceError, match=r"^expected JSON, found "):
            parse(text[:end], POLL, POLL)


@pytest.mark.parametrize(("parse", "stream", "name"), CASES)
def test_nesting_without_end_is_no_crash(parse: Parse, stream: Stream, name: str) -> None:
    for depth in (90, 400, 900, 100_000):
        document = small(name)
        marked = document["data"][0] if "data" in document else document["result"]["symbols"]["USDTTMN"]
        marked["symbol"] = "HERE"
        checked(parse, stream, json.dumps(document).replace('"HERE"', "[" * depth + "]" * depth))
