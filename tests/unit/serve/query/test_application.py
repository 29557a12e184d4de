"""The routes: answers as JSON and CSV, and every way in which there is none."""

import asyncio
import csv
import io
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from contracts.tables import CANDLES, MARKET_CAP
from serve.query.application import application
from serve.query.queries import Named
from serve.query.result import Result
from serve.query.store import Store
from serve.query.values import Value
from tests.unit.serve.query.served import lake_query, parameter, served
from tests.unit.serve.rows import at, candle, lake_in, published, total

TOKEN = "known-to-readers"
PRICE = "12345678901234567890.123456789012345678"
TEXT = {"text": parameter("text")}
ECHO = {"echo": lake_query("SELECT :text AS text", parameters=TEXT)}
RUNAWAY = lake_query("SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7")
EVERY_TYPE = lake_query(
    """SELECT 'a"b,c' AS t, 9223372036854775807 AS i, 12345678901234567890.123456789012345678 AS d, 0.5::DOUBLE AS f,
    true AS b,
    TIMESTAMPTZ '2024-03-19 22:05:00.25+00' AS m, TIMESTAMP '2024-03-19 22:05:00.000001' AS u, DATE '2024-03-19' AS day,
    '\\xFF'::BLOB AS raw, [1.10, 2] AS list, NULL AS nothing, '' AS empty""",
)


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_json_has_columns_rows_and_what_became_of_them(tmp_path: Path) -> None:
    async with served(tmp_path, {"types": EVERY_TYPE}) as api:
        answer = await api.ask("types")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    body = answer.body
    assert {name: body[name] for name in ("key", "row_count", "truncated")} == {
        "key": "types",
        "row_count": 1,
        "truncated": False,
    }
    assert 0 < body["seconds"] < 60
    (row,) = body["rows"]
    assert {column["name"]: (column["type"], cell) for column, cell in zip(body["columns"], row, strict=True)} == {
        "t": ("text", 'a"b,c'),
        "i": ("integer", 2**63 - 1),
        "d": ("decimal", PRICE),
        "f": ("float", 0.5),
        "b": ("boolean", True),
        "m": ("time", "2024-03-19T22:05:00.250Z"),
        "u": ("time", "2024-03-19T22:05:00.000001Z"),
        "day": ("date", "2024-03-19"),
        "raw": ("binary", "/w=="),
        "list": ("json", ["1.10", "2.00"]),
        "nothing": ("text", None),
        "empty": ("text", ""),
    }


@pytest.mark.parametrize(
    ("path", "accept"), [("/api/q/types?format=csv", "*/*"), ("/api/q/types", "text/csv, application/json;q=0.5")]
)
async def test_csv_has_the_same_texts(path: str, accept: str, tmp_path: Path) -> None:
    async with served(tmp_path, {"types": EVERY_TYPE}) as api:
        answer = await api.get(path, {"Accept": accept})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Row-Count"] == "1"
    names, row = csv.reader(io.StringIO(answer.text, newline=""))
    assert dict(zip(names, row, strict=True)) == {
        "t": 'a"b,c',
        "i": "9223372036854775807",
        "d": PRICE,
        "f": "0.5",
        "b": "true",
        "m": "2024-03-19T22:05:00.250Z",
        "u": "2024-03-19T22:05:00.000001Z",
        "day": "2024-03-19",
        "raw": "/w==",
        "list": '["1.10","2.00"]',
        "nothing": "",
        "empty": "",
    }


async def test_what_is_no_number_is_null_in_both_formats(tmp_path: Path) -> None:
    queries = {"odd": lake_query("SELECT 'nan'::DOUBLE AS n, 'inf'::DOUBLE AS i, 1.5::DOUBLE AS f")}
    async with served(tmp_path, queries) as api:
        assert (await api.ask("odd")).body["rows"] == [[None, None, 1.5]]
        assert (await api.ask("odd", format="csv")).text.split() == ["n,i,f", ",,1.5"]


async def test_decimals_of_the_lake_come_through_digit_by_digit(tmp_path: Path) -> None:
    prices = ["12345678901234567890.123456789012345678", "0.000000000000000001", "83434.405", "0"]
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(10 * n, " ".join([price] * 5)) for n, price in enumerate(prices)])
    query = lake_query("SELECT close FROM candles WHERE close >= :least ORDER BY open_time")
    query["parameters"] = {"least": parameter("decimal")}
    async with served(tmp_path, {"closes": query}, lake) as api:
        body = (await api.ask("closes", least="0.000000000000000001")).body
        text = (await api.ask("closes", least="0", format="csv")).text
    assert [Decimal(cell) for (cell,) in body["rows"]] == [Decimal(price) for price in prices[:3]]
    assert [cell for (cell,) in body["rows"]][1] == "0.000000000000000001"
    assert [Decimal(line) for line in text.split()[1:]] == [Decimal(price) for price in prices]


async def test_more_rows_than_the_limit_are_cut_off_and_said_to_be(tmp_path: Path) -> None:
    queries = {
        "many": lake_query("SELECT range AS n FROM range(100000000)", row_limit=3),
        "three": lake_query("SELECT range AS n FROM range(3)", row_limit=3),
    }
    async with served(tmp_path, queries) as api:
        many, three = await api.ask("many"), await api.ask("three", format="csv")
        assert (many.body["rows"], many.body["truncated"]) == ([[0], [1], [2]], True)
        assert (three.headers["X-Truncated"], three.text.split()) == ("false", ["n", "0", "1", "2"])
        assert await api.measured("truncated_total", key="many") == 1
        assert await api.measured("rows_total", key="many") == 3


async def test_a_new_version_of_a_published_table_is_seen_at_once(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, MARKET_CAP, [total(0, "100")])
    async with served(tmp_path, {"caps": lake_query("SELECT market_cap FROM market_cap ORDER BY 1")}, lake) as api:
        assert (await api.ask("caps")).body["rows"] == [["100.00000000"]]
        published(lake, MARKET_CAP, [total(10, "200.12345678")])
        assert (await api.ask("caps")).body["rows"] == [["100.00000000"], ["200.12345678"]]


async def test_the_queries_are_listed_without_their_sql(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as api:
        answer = await api.get("/api/q")
    assert answer.body == {
        "queries": [
            {
                "key": "echo",
                "description": "What a test asks.",
                "store": "lake",
                "parameters": {"text": {"type": "text", "description": "a text"}},
                "time_limit_seconds": 10.0,
                "row_limit": 1000,
            }
        ]
    }


# --- no answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "kind", "words"),
    [
        ("/api/q/ech", 404, "unknown_query", "a key such as echo"),
        ("/api/q/zzz", 404, "unknown_query", "a key that GET /api/q lists"),
        ("/api/q/echo;DROP", 404, "unknown_query", "DROP"),
        ("/api/q/..%2F..%2Fetc", 404, "unknown_query", "etc"),
        ("/api/q/" + "k" * 3000, 404, "unknown_query", "kkk"),
        ("/api/q/numbers", 400, "wrong_parameter", "an integer from 1 to 9"),
        ("/api/q/numbers?n=x", 400, "wrong_parameter", "'x'"),
        ("/api/q/numbers?n=", 400, "wrong_parameter", "''"),
        ("/api/q/numbers?n=10", 400, "wrong_parameter", "'10'"),
        ("/api/q/numbers?n=1&n=2", 400, "wrong_parameter", "more than one"),
        ("/api/q/numbers?n=1&N=2", 400, "wrong_parameter", "parameters of n"),
        ("/api/q/numbers?n=1&format=xml", 400, "wrong_parameter", "json or csv"),
        ("/api/q/echo?text=" + "x" * 201, 400, "wrong_parameter", "at most 200 characters"),
        ("/api/q/echo?text=a%00b", 400, "wrong_parameter", "a text"),
        ("/api/q/column", 422, "refused", 'Referenced column \\"nosuch\\" not found'),
        ("/api/q/cast?text=abc", 422, "refused", "Conversion Error"),
        ("/api/q/huge", 422, "refused", "more than 64 MiB"),
        ("/api/q/endless", 422, "refused", "column t has a time that cannot be written"),
        ("/api/q/endless_day", 422, "refused", "column t has a date that cannot be written"),
        ("/api/q/file", 422, "refused", "disabled"),
        ("/api/q/missing", 404, "nothing_there", "coinlake process"),
        ("/api/q/kafka", 503, "store_down", "kafka: 127.0.0.1:1 does not answer"),
        ("/api/q/questdb", 503, "store_down", "questdb: 127.0.0.1:1 does not answer"),
        ("/nosuch", 404, "http", "Not Found"),
    ],
)
async def test_every_refusal_is_json_that_says_why(
    path: str, status: int, kind: str, words: str, tmp_path: Path
) -> None:
    queries = {
        **ECHO,
        "numbers": lake_query(
            "SELECT :n AS n", parameters={"n": parameter("integer", required=True, minimum=1, maximum=9)}
        ),
        "column": lake_query("SELECT nosuch FROM range(3)"),
        "cast": lake_query("SELECT :text::INTEGER AS n", parameters=TEXT),
        "huge": lake_query("SELECT repeat('x', 100000000) AS t"),
        "endless": lake_query("SELECT 'infinity'::TIMESTAMP AS t"),
        "endless_day": lake_query("SELECT 'infinity'::DATE AS t"),
        "file": lake_query("SELECT * FROM read_text('/etc/passwd')"),
        "missing": lake_query("SELECT * FROM silver_gaps"),
        "kafka": lake_query("SELECT * FROM topics", store="kafka"),
        "questdb": lake_query("SELECT 1", store="questdb"),
    }
    async with served(tmp_path, queries) as api:
        answer = await api.get(path)
        assert (answer.status, answer.body["kind"]) == (status, kind)
        assert words in answer.text
        assert "root:" not in answer.text
        assert (await api.ask("echo", text="still here")).body["rows"] == [["still here"]]


@pytest.mark.parametrize(
    "text",
    [
        "x'; DROP TABLE alt_liquidations; --",
        "' OR '1'='1",
        "' UNION SELECT 1 --",
        "\"; ATTACH '/tmp/x.db'; --",
        "$text",
        ":text",
        "$1",
        "\\'; SELECT 1",
        "/*",
        "{{7*7}}",
        "%27%3B",
        "ریال\u202e",
    ],
)
async def test_an_injection_attempt_is_a_text_like_any_other(text: str, tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, MARKET_CAP, [total(0, "100")])
    queries = {
        **ECHO,
        "caps": lake_query("SELECT count(*) AS n FROM market_cap WHERE largest_coin = :text", parameters=TEXT),
    }
    async with served(tmp_path, queries, lake) as api:
        assert (await api.ask("echo", text=text)).body["rows"] == [[text]]
        assert (await api.ask("caps", text=text)).body["rows"] == [[0]]
        assert (await api.ask("caps", text="BTC")).body["rows"] == [[1]]
        assert (await api.get(f"/api/q/{text.replace('/', '%2F')}")).status == 404


async def test_a_runaway_query_is_stopped_while_others_are_answered(tmp_path: Path) -> None:
    queries = {**ECHO, "runaway": RUNAWAY | {"time_limit_seconds": 0.5}}
    async with served(tmp_path, queries, query_max_running=2, query_threads=1) as api:
        began = time.monotonic()
        running = asyncio.create_task(api.ask("runaway"))
        await asyncio.sleep(0.1)
        assert (await api.ask("echo", text="meanwhile")).body["rows"] == [["meanwhile"]]
        assert not running.done()
        answer = await running
        assert time.monotonic() - began < 5
        assert (answer.status, answer.body["kind"]) == (422, "time_limit")
        assert answer.body["expected"] == "an answer within 0.5 s"
        # Nothing works on: with one thread a query that still ran would slow this one down to its own limit.
        cpu = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - cpu < 0.2
        assert await api.measured("requests_total", key="runaway", status="422") == 1


async def test_a_client_that_leaves_takes_its_query_back(tmp_path: Path) -> None:
    async with served(tmp_path, {**ECHO, "runaway": RUNAWAY | {"time_limit_seconds": 60}}, query_max_running=1) as api:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(api.ask("runaway"), 0.3)
        assert (await asyncio.wait_for(api.ask("echo", text="next"), 10)).status == 200
        assert await api.measured("requests_total", key="runaway", status="499") == 1
        assert await api.measured("requests_total", key="runaway") == 1


class _Broken(Store):
    """A store with a fault that nobody foresaw."""

    def check(self, named: Named) -> None:
        return None

    async def close(self) -> None:
        return None

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        raise ZeroDivisionError("secret words")


async def test_a_fault_of_ours_is_told_as_one_and_counted(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as whole:
        parts = replace(whole.parts, stores={"lake": _Broken()})
        async with TestClient(TestServer(application(parts))) as client:
            api = replace(whole, client=client, parts=parts)
            with capture_logs() as logs:
                answer = await api.ask("echo", text="x")
            assert (answer.status, answer.body["kind"]) == (500, "internal")
            assert "secret" not in answer.text
            assert await api.measured("requests_total", key="echo", status="500") == 1
    assert [(log["event"], log["path"], log["fault"]) for log in logs] == [
        ("query_fault", "/api/q/echo", "ZeroDivisionError")
    ]


async def test_more_than_may_wait_are_sent_away(tmp_path: Path) -> None:
    queries = {"runaway": RUNAWAY | {"time_limit_seconds": 1}}
    async with served(tmp_path, queries, query_max_running=1, query_max_waiting=1) as api:
        answers = await asyncio.gather(*(api.ask("runaway") for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [422, 422, 429, 429] or sorted(
        answer.status for answer in answers
    ) == [422, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.body["expected"] == "at most 1 running and 1 waiting"
    assert refused.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("text/html, */*;q=0.1", 200, "application/json"),
        ("text/*", 200, "text/csv"),
        ("application/json;q=0.1, text/csv;q=0.9", 200, "text/csv"),
        ("text/csv;q=0, application/json", 200, "application/json"),
        ("image/png", 406, "application/json"),
    ],
)
async def test_the_accept_header_chooses(accept: str, status: int, kind: str, tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as api:
        answer = await api.get("/api/q/echo", {"Accept": accept})
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (status, kind)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_nothing_but_get_is_allowed(method: str, tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as api, api.client.request(method, "/api/q/echo") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


# --- who may ask ------------------------------------------------------------------------------------------------------


async def test_data_is_for_those_who_know_the_token_and_health_for_all(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO, query_token=TOKEN) as api:
        for path in ("/api/q", "/api/q/echo", "/openapi.json", "/metrics"):
            refused = await api.get(path)
            assert (refused.status, refused.body["kind"]) == (401, "no_token")
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in refused.text
            assert (await api.get(path, {"Authorization": f"Bearer {TOKEN}"})).status == 200
            known = await api.get(f"{path}?token={TOKEN}")
            assert (known.status, known.headers["Cache-Control"]) == (200, "no-store")
        assert (await api.get("/healthz")).status == 200
        assert (await api.get("/")).status == 200


async def test_a_name_that_was_led_to_our_address_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO, query_origins=("http://query:8766",)) as api:
        refused = await api.get("/api/q/echo", {"Host": "evil.example:8766"})
        assert (refused.status, refused.body["kind"]) == (403, "wrong_host")
        assert (await api.get("/api/q/echo", {"Host": "query:8766"})).status == 200


# --- the page ---------------------------------------------------------------------------------------------------------


async def test_every_file_that_the_page_names_is_there_and_none_beside_them(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as api:
        index = await api.get("/")
        assert index.headers["Content-Security-Policy"].startswith("default-src 'self'")
        named = {part.split('"')[0] for start in ('src="', 'href="') for part in index.text.split(start)[1:]}
        modules = [await api.get(name) for name in named if name.endswith(".js")]
        named |= {
            f"/page/{part.split(chr(34))[0]}" for module in modules for part in module.text.split('from "./')[1:]
        } | {part.split('"')[0] for module in modules for part in module.text.split('from "')[1:] if part[0] == "/"}
        assert len(named) > 8
        for name in named:
            assert (await api.get(name)).status == 200, name
        for path in ("/page/../server.py", "/page/%2e%2e/queries.json", "/shared/app.js"):
            assert (await api.get(path)).status in {403, 404}


async def test_what_is_counted_has_no_label_that_a_client_makes_up(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO) as api:
        for n in range(5):
            await api.ask(f"made_up_{n}")
        await api.ask("echo", text="x")
        assert await api.measured("requests_total", key="", status="404") == 5
        assert await api.measured("requests_total", key="echo", status="200") == 1
        assert await api.measured("seconds_count", key="echo") == 1
        assert "made_up" not in (await api.get("/metrics")).text


def rows_by_name(body: Any) -> list[dict[str, Any]]:
    names = [column["name"] for column in body["columns"]]
    return [dict(zip(names, row, strict=True)) for row in body["rows"]]


async def test_only_the_newest_dates_are_read_where_a_query_says_recent(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(day * 24 * 60, "1 2 1 2 1.5") for day in range(4)])
    queries = {
        "all": lake_query("SELECT open_time FROM candles ORDER BY 1"),
        "recent": lake_query("SELECT open_time FROM recent_candles ORDER BY 1"),
        "recent_gold": lake_query("SELECT open_time FROM recent_gold_candles ORDER BY 1"),
    }
    days = [at(day * 24 * 60).strftime("%Y-%m-%dT%H:%M:%S.000Z") for day in range(4)]
    async with served(tmp_path, queries, lake) as api:
        found = {key: [row["open_time"] for row in rows_by_name((await api.ask(key)).body)] for key in queries}
    assert found == {"all": days, "recent": days[2:], "recent_gold": days[2:]}
