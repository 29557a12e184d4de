"""The Python client: values typed by their columns, and every refusal an error with the server's words."""

import asyncio
import datetime as dt
import socket
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serve.query.client import EndpointError, Row, asking, hit_endpoint
from tests.unit.serve.query.served import Served, lake_query, parameter, served

TYPES = lake_query(
    """SELECT :price AS price, :since AS since, :day AS day, :n AS n, :closed AS closed, :text AS text,
    'a'::BLOB AS raw, NULL AS nothing""",
    parameters={
        "price": parameter("decimal"),
        "since": parameter("time"),
        "day": parameter("date"),
        "n": parameter("integer"),
        "closed": parameter("boolean"),
        "text": parameter("text"),
    },
)


async def hit(api: Served, key: str, **params: Any) -> list[Row]:
    """Ask from another thread, as a program beside the server does."""
    url = str(api.client.make_url("/"))
    return await asyncio.to_thread(partial(hit_endpoint, key, url=url, token="", **params))


async def test_values_go_and_come_back_as_they_are(tmp_path: Path) -> None:
    row = {
        "price": Decimal("12345678901234567890.123456789012345678"),
        "since": dt.datetime(2024, 3, 19, 22, 5, 0, 250001, tzinfo=dt.UTC),
        "day": dt.date(2024, 2, 29),
        "n": -7,
        "closed": False,
        "text": 'x\'; DROP TABLE "t" & = + ریال',
    }
    async with served(tmp_path, {"types": TYPES}) as api:
        assert await hit(api, "types", **row) == [{**row, "raw": b"a", "nothing": None}]


async def test_what_is_none_is_not_given_and_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    async with served(tmp_path, {"types": TYPES}) as api:
        (row,) = await hit(api, "types", price=None, since=dt.datetime(2024, 3, 19))  # noqa: DTZ001
    assert (row["price"], row["since"]) == (None, dt.datetime(2024, 3, 19, tzinfo=dt.UTC))


async def test_a_refusal_is_an_error_in_the_servers_words(tmp_path: Path) -> None:
    async with served(tmp_path, {"types": TYPES}) as api:
        with pytest.raises(EndpointError) as raised:
            await hit(api, "types", n="x")
    assert (raised.value.status, raised.value.kind) == (400, "wrong_parameter")
    assert str(raised.value) == "parameter n: expected an integer, found 'x'"


async def test_a_part_is_no_answer_unless_it_is_wanted(tmp_path: Path) -> None:
    queries = {
        "many": lake_query("SELECT range AS n FROM range(:n)", parameters={"n": parameter("integer")}, row_limit=2)
    }
    async with served(tmp_path, queries) as api:
        assert await hit(api, "many", n=2) == [{"n": 0}, {"n": 1}]
        with pytest.raises(
            EndpointError, match="query many: expected all rows, found more than its row limit of 2"
        ) as raised:
            await hit(api, "many", n=3)
        assert (raised.value.status, raised.value.kind) == (200, "truncated")
        assert await hit(api, "many", n=3, cut=True) == [{"n": 0}, {"n": 1}]


async def test_the_token_is_sent_and_never_told(tmp_path: Path) -> None:
    async with served(tmp_path, {"one": lake_query("SELECT 1 AS n")}, query_token="s3cret") as api:
        url = str(api.client.make_url("/")).rstrip("/")
        assert await asyncio.to_thread(asking(url, "s3cret"), "one") == [{"n": 1}]
        with pytest.raises(EndpointError) as raised:
            await asyncio.to_thread(asking(url, "wr0ng"), "one")
    assert (raised.value.status, raised.value.kind) == (401, "no_token")
    assert "wr0ng" not in str(raised.value)


def test_where_nobody_answers_the_error_says_where() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError) as raised:
        hit_endpoint("one", url=f"http://127.0.0.1:{port}", token="")
    assert (raised.value.status, raised.value.kind) == (0, "unreachable")
    assert str(raised.value).startswith(f"query API at http://127.0.0.1:{port}: no answer: ")


def test_the_url_and_the_token_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_QUERY_URL", "http://127.0.0.1:1/")
    with pytest.raises(EndpointError, match=r"query API at http://127\.0\.0\.1:1: no answer"):
        hit_endpoint("one")
