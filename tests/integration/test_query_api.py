"""The query API on the embedded stack: QuestDB by way of Kafka Connect, Kafka itself, and its page in Chromium."""

import asyncio
import datetime as dt
import json
import os
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import Page

from contracts.errors import StackError
from contracts.records import Liquidation, Side, encode
from contracts.streams import ALT_LIQUIDATIONS
from infra.connect.connectors import Connector
from infra.live.browser import chromium
from infra.stack import Liquidations, StackInfo, kill_part, questdb, restart_part
from infra.stack.layout import Layout
from serve.query.client import EndpointError
from tests.integration.conftest import anything_of, own_stack, send
from tests.integration.liquidation_rows import wait_until
from tests.integration.query_server import PATIENCE_SECONDS, QueryServer

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
COUNT = 240
SECONDS_APART = 47
INJECTIONS = (
    "x'; DROP TABLE alt_liquidations; --",
    "' OR '1'='1",
    "' UNION SELECT 1 --",
    "$1",
    ":symbol",
    "\\",
    "/*",
    "ریال",
)
RUNAWAY = "SELECT count() FROM long_sequence(1000000) a CROSS JOIN long_sequence(1000000) b WHERE a.x * b.x = 7"


def query(sql: str, parameters: dict[str, str] | None = None, **fields: object) -> dict[str, Any]:
    declared = {name: {"type": kind, "description": name} for name, kind in (parameters or {}).items()}
    return {"description": "What a test asks.", "store": "questdb", "sql": sql, "parameters": declared, **fields}


QUERIES = {
    "echo": query("SELECT :text AS text", {"text": "text"}),
    "of_symbol": query("SELECT count() AS n FROM alt_liquidations WHERE symbol = :text", {"text": "text"}),
    "of_every_type": query(
        "SELECT event_time, notional FROM alt_liquidations WHERE notional >= :least AND event_time >= :since AND"
        " sampled = :sampled ORDER BY event_time DESC LIMIT :limit",
        {"least": "decimal", "since": "time", "sampled": "boolean", "limit": "integer"},
    ),
    "cut": query("SELECT event_time FROM alt_liquidations ORDER BY event_time DESC", row_limit=3),
    "no_column": query("SELECT nosuch FROM alt_liquidations"),
    "no_table": query("SELECT * FROM nosuch"),
    "no_number": query("SELECT event_time FROM alt_liquidations LIMIT :text", {"text": "text"}),
    "runaway": query(RUNAWAY, time_limit_seconds=1),
    "long_runaway": query(RUNAWAY, time_limit_seconds=25),
    "changing": query("SELECT * FROM changing"),
}


def liquidation(number: int) -> Liquidation:
    """Return one of a series; notionals have all of their 8 places, prices all of their 18."""
    side: Side = "long" if number % 3 else "short"
    coin = ("BTC", "ETH", "BTC", "SOL")[number % 4]
    quote = "USDC" if coin == "SOL" else "USDT"
    at = NOON + dt.timedelta(seconds=SECONDS_APART * number)
    return Liquidation(
        venue="binance_futures",
        event_time=at,
        ingest_time=at,
        symbol=f"{coin}{quote}",
        base=coin,
        quote=quote,
        side=side,
        quantity=Decimal(number + 1),
        filled_quantity=Decimal(number + 1),
        bankruptcy_price=Decimal("0.000000000000000001"),
        average_price=Decimal("12345678901234567890.123456789012345678"),
        notional=Decimal(1000 * ((number * 37) % COUNT)) + Decimal("0.12345678"),
        sampled=True,
    )


def as_admin(stack: StackInfo, sql: str) -> list[dict[str, Any]]:
    """Run a statement as the user who may change QuestDB."""
    env = stack.env()

    async def run() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(
            host=env["COINLAKE_QUESTDB_HOST"],
            port=int(env["COINLAKE_QUESTDB_PG_PORT"]),
            user=questdb.ADMIN,
            password=questdb.passwords(Layout(stack.home))[0],
            database="qdb",
        )
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(run())


ALL = [liquidation(number) for number in range(COUNT)]
NEWEST = ALL[-1].event_time


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    folder = tmp_path_factory.mktemp("query")
    with own_stack(folder / "home", Liquidations.on_free_ports()) as info:
        yield info
    assert anything_of(folder) == []


@pytest.fixture(scope="module")
def api(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryServer]:
    """The shipped queries, with all of the series in QuestDB."""
    send(stack, ALT_LIQUIDATIONS, ALL)
    with QueryServer(stack, tmp_path_factory.mktemp("shipped")) as server:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (counted := server.rows("liquidations_newest")[0]["liquidations"]) < COUNT:
            assert time.monotonic() < deadline, f"{counted} of {COUNT} rows are in QuestDB"
            time.sleep(0.2)
        yield server


@pytest.fixture(scope="module")
def own(stack: StackInfo, api: QueryServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryServer]:
    """Queries of the tests' own, on the same rows."""
    folder = tmp_path_factory.mktemp("own")
    as_admin(stack, "CREATE TABLE changing (a INT)")
    (folder / "queries.json").write_text(json.dumps(QUERIES))
    with QueryServer(stack, folder, COINLAKE_QUERIES=str(folder / "queries.json")) as server:
        yield server


# --- the shipped queries, beside what Python makes of the same records ------------------------------------------------


def since(hours: int) -> list[Liquidation]:
    return [one for one in ALL if one.event_time > NEWEST - dt.timedelta(hours=hours)]


def test_the_newest_is_the_last_that_happened(api: QueryServer) -> None:
    (row,) = api.rows("liquidations_newest")
    assert (row["event_time"], row["liquidations"]) == (NEWEST, COUNT)
    assert abs(dt.datetime.now(dt.UTC) - row["kafka_time"]) < dt.timedelta(minutes=10)


def test_the_recent_ones_come_whole_and_newest_first(api: QueryServer) -> None:
    found = api.rows("liquidations_recent", limit=7)
    names = [name for name in Liquidation.__struct_fields__ if name != "ingest_time"]
    assert [{name: row[name] for name in names} for row in found] == [
        {name: getattr(one, name) for name in names} for one in ALL[:-8:-1]
    ]
    of_one = api.rows("liquidations_recent", limit=5, symbol="SOLUSDC")
    assert [row["event_time"] for row in of_one] == [one.event_time for one in ALL[::-1] if one.base == "SOL"][:5]


@pytest.mark.parametrize(("hours", "symbol"), [(24, None), (1, None), (1, "BTCUSDT")])
def test_totals_are_exact_sums(hours: int, symbol: str | None, api: QueryServer) -> None:
    wanted: dict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for one in since(hours):
        if symbol in {None, one.symbol}:
            wanted[one.symbol, one.quote or "", one.side].append(one.notional)
    found = api.rows("liquidation_totals", hours=hours, symbol=symbol)
    assert {
        (row["symbol"], row["quote"], row["side"]): (row["liquidations"], row["notional"], row["largest"])
        for row in found
    } == {key: (len(values), sum(values), max(values)) for key, values in wanted.items()}
    assert [row["notional"] for row in found] == sorted((sum(values) for values in wanted.values()), reverse=True)


def test_the_largest_are_the_largest_of_these_hours(api: QueryServer) -> None:
    wanted = sorted(since(2), key=lambda one: one.notional, reverse=True)[:4]
    found = api.rows("liquidations_largest", hours=2, limit=4)
    assert [(row["event_time"], row["notional"]) for row in found] == [(one.event_time, one.notional) for one in wanted]


@pytest.mark.parametrize("symbol", [None, "ETHUSDT"])
def test_minutes_hold_what_happened_in_them(symbol: str | None, api: QueryServer) -> None:
    wanted: dict[tuple[dt.datetime, str, str], list[Decimal]] = defaultdict(list)
    for one in since(1):
        if symbol in {None, one.symbol}:
            wanted[one.event_time.replace(second=0), one.side, one.quote or ""].append(one.notional)
    found = api.rows("liquidations_per_minute", hours=1, symbol=symbol)
    names = ("minute", "side", "quote", "liquidations", "notional")
    assert [tuple(row[name] for name in names) for row in found] == [
        (*key, len(values), sum(values)) for key, values in sorted(wanted.items())
    ]


def test_topics_messages_and_lag_are_those_of_kafka(stack: StackInfo, api: QueryServer) -> None:
    topic = ALT_LIQUIDATIONS.topic
    partitions = [row for row in api.rows("topics") if row["topic"] == topic]
    assert [row["partition"] for row in partitions] == [0, 1, 2]
    assert sum(row["messages"] for row in partitions) == COUNT
    assert not [row for row in api.rows("topics") if row["topic"].startswith("__")]
    newest = api.rows("messages", topic=topic, limit=5)
    assert {row["value"] for row in newest} <= {encode(one).decode() for one in ALL}
    assert [row["offset"] for row in newest] == [*range(COUNT - 1, COUNT - 6, -1)]  # all were sent to partition 0
    assert max(row["time"] for row in newest) == max(
        row["newest_message_time"] for row in partitions if row["messages"]
    )
    assert api.get("messages", topic="no-such-topic").status == 404


def test_the_sink_has_no_lag_once_it_has_committed(api: QueryServer) -> None:
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS  # a worker of Connect commits once a minute
    while not (found := [row for row in api.rows("lag") if row["consumer"] == "connect"]):
        assert time.monotonic() < deadline, "Connect has committed nothing"
        time.sleep(0.5)
    assert {(row["topic"], row["partition"], row["next_offset"], row["lag"]) for row in found} == {
        (ALT_LIQUIDATIONS.topic, partition, COUNT if partition == 0 else 0, 0) for partition in range(3)
    }
    assert {row["reader"] for row in found} == {f"connect-{Connector.read().name}"}


# --- whatever is asked ------------------------------------------------------------------------------------------------


def test_values_of_every_type_are_bound(own: QueryServer) -> None:
    least = ALL[100].notional
    found = own.rows("of_every_type", least=least, since=ALL[50].event_time, sampled=True, limit=3)
    wanted = [one for one in ALL[50:] if one.notional >= least][::-1][:3]
    assert found == [{"event_time": one.event_time, "notional": one.notional} for one in wanted]


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_attempt_is_a_text_and_changes_nothing(text: str, own: QueryServer) -> None:
    assert own.rows("echo", text=text) == [{"text": text}]
    assert own.rows("of_symbol", text=text) == [{"n": 0}]
    assert own.get(text).status == 404
    assert own.rows("of_symbol", text="BTCUSDT") == [{"n": COUNT // 2}]


def test_a_shipped_query_refuses_what_no_symbol_is(api: QueryServer) -> None:
    answer = api.get("liquidations_recent", symbol=INJECTIONS[0])
    assert (answer.status, answer.body["kind"]) == (400, "wrong_parameter")


@pytest.mark.parametrize(
    ("key", "params", "said"),
    [
        ("no_column", {}, "Invalid column: nosuch"),
        ("no_table", {}, "table does not exist"),
        ("no_number", {"text": "x"}, ""),
    ],
)
def test_sql_that_questdb_refuses_is_told_with_its_reason(
    key: str, params: dict[str, str], said: str, own: QueryServer
) -> None:
    answer = own.get(key, **params)
    assert (answer.status, answer.body["kind"]) == (422, "refused")
    assert said in answer.body["found"]


def test_rows_beyond_the_limit_are_cut_off_in_their_order(own: QueryServer) -> None:
    body = own.get("cut").body
    assert body["truncated"] is True
    assert len(body["rows"]) == 3
    assert [dt.datetime.fromisoformat(row[0]) for row in body["rows"]] == [one.event_time for one in ALL[:-4:-1]]


def wait_for_no_runaway(stack: StackInfo) -> None:
    """Wait until QuestDB works on no such query, for less than the 25 and 30 s after which limits end the longest."""

    def none_runs() -> bool:
        activity = as_admin(stack, "SELECT query FROM query_activity()")
        return not [row for row in activity if "CROSS" in row["query"]]

    wait_until(none_runs, "no runaway query", 15)


def test_a_runaway_query_ends_at_its_limit_and_questdb_works_on_nothing(stack: StackInfo, own: QueryServer) -> None:
    answers: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        answer = own.get("runaway")
        assert (answer.status, answer.body["kind"]) == (422, "time_limit")
        answers.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    assert own.get("../healthz").status == 404  # the service answers meanwhile
    asking.join(PATIENCE_SECONDS)
    assert len(answers) == 1
    assert 1 <= answers[0] < 10, "not its own limit, but the usual one"
    assert own.rows("of_symbol", text="BTCUSDT") == [{"n": COUNT // 2}]
    wait_for_no_runaway(stack)


def test_a_client_that_leaves_takes_its_query_back(stack: StackInfo, own: QueryServer) -> None:
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{own.url}/api/q/long_runaway", timeout=0.5)
    wait_for_no_runaway(stack)


def test_a_table_that_has_another_column_by_now_is_read_with_it(stack: StackInfo, own: QueryServer) -> None:
    as_admin(stack, "INSERT INTO changing VALUES (1)")
    wait_until(lambda: own.rows("changing") == [{"a": 1}], "the first row", PATIENCE_SECONDS)
    as_admin(stack, "ALTER TABLE changing ADD COLUMN b INT")
    wait_until(lambda: own.rows("changing") == [{"a": 1, "b": None}], "the second column", PATIENCE_SECONDS)
    as_admin(stack, "DROP TABLE changing")
    assert own.get("changing").status == 422
    as_admin(stack, "CREATE TABLE changing (c STRING)")
    assert own.rows("changing") == []
    as_admin(stack, "INSERT INTO changing VALUES ('x')")
    wait_until(lambda: own.rows("changing") == [{"c": "x"}], "the row of the new table", PATIENCE_SECONDS)


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(api: QueryServer) -> Iterator[Page]:
    try:
        with chromium() as browser:
            opened = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="dark")
            problems: list[str] = []
            opened.on("pageerror", lambda error: problems.append(str(error)))
            opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
            opened.goto(f"{api.url}/")
            yield opened
            refused = [said for said in problems if "status of 4" not in said]
            assert refused == []
    except StackError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs it: {error}")
        pytest.skip(str(error))


def test_the_page_lists_every_query_and_shows_its_rows_digit_by_digit(page: Page, api: QueryServer) -> None:
    page.wait_for_selector("nav a")
    keys = [row["key"] for row in json.loads(_text(f"{api.url}/api/q"))["queries"]]
    assert sorted(page.locator("nav a").all_inner_texts()) == keys
    page.get_by_role("link", name="liquidations_recent", exact=True).click()
    page.wait_for_selector("#answer table")
    page.get_by_label("symbol", exact=True).fill("ETHUSDT")
    page.get_by_label("limit", exact=True).fill("2")
    page.get_by_label("limit", exact=True).press("Enter")
    page.wait_for_function("() => document.querySelectorAll('#answer tbody tr').length === 2")
    heads = page.locator("#answer th").all_inner_texts()
    cells = page.locator("#answer tbody tr").first.locator("td").all_inner_texts()
    newest = next(one for one in ALL[::-1] if one.base == "ETH")
    shown = dict(zip(heads, cells, strict=True))
    assert (shown["notional"], shown["average_price"]) == (str(newest.notional), str(newest.average_price))
    assert page.locator("#state").inner_text().startswith("2 rows")


def test_the_page_says_what_is_wrong_and_goes_on(page: Page) -> None:
    page.get_by_role("link", name="reconcile_score", exact=True).click()
    page.wait_for_function("() => document.getElementById('state').dataset.kind === 'wrong'")
    assert 'run "coinlake reconcile" first' in page.locator("#state").inner_text()
    page.get_by_role("link", name="topics", exact=True).click()
    page.wait_for_selector("#answer table")


def test_the_page_is_dark_or_light_as_its_reader_wants(page: Page) -> None:
    color = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(color) == "rgb(11, 14, 20)"
    page.get_by_role("button", name="Switch to light colors").press("Enter")
    assert page.evaluate(color) == "rgb(242, 244, 248)"
    page.get_by_role("button", name="Switch to dark colors").press("Enter")


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


# --- QuestDB killed, last: it is back for nobody else -----------------------------------------------------------------


def test_a_questdb_that_is_down_is_named_and_one_that_is_back_answers(stack: StackInfo, api: QueryServer) -> None:
    kill_part(stack.home, "questdb")
    try:
        answer = api.get("liquidations_newest")
        assert (answer.status, answer.body["kind"]) == (503, "store_down")
        assert answer.body["error"].startswith("questdb: 127.0.0.1:")
        password = stack.env()["COINLAKE_QUESTDB_PASSWORD"]
        assert password not in json.dumps(answer.body)
        assert api.rows("topics")  # the other stores go on
    finally:
        restart_part(stack.home, "questdb")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            assert api.rows("liquidations_newest")[0]["liquidations"] == COUNT
            return
        except EndpointError as error:
            assert error.kind == "store_down"
            assert time.monotonic() < deadline
            time.sleep(0.2)
