"""Three hours of a generated market through the venues' protocols, Kafka, Spark and MinIO, against the oracle.

The tests share one stack and go on from each other in the order of this file: first run, killed twice on its way,
additions and second run, runs with nothing new, rebuild, and the same topics into a lake of files.
"""

import datetime as dt
import os
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from contracts.records import CoinQuote, MarketTicker, decode, replace
from contracts.settings import LakeSettings
from contracts.streams import COIN_MARKET_CAP, WALLEX
from contracts.tables import (
    BRONZE_WALLEX,
    CANDLES,
    HOURLY_SENTIMENT,
    LANDINGS,
    MARKET_SNAPSHOTS,
    POSTS_SCORED,
    PUBLISHED,
    TABLES,
    Table,
)
from infra.crashtest.plan import KillAtCommit, Moment
from infra.demo.replay import Market
from spark_jobs.edges.store import open_store
from tests.integration import oracle
from tests.integration.conftest import Ran, coinlake, own_stack, play, rows_of, send, versions
from tests.integration.oracle import EQUAL, Message, Snapshot, differences
from tests.integration.played_market import (
    BRONZE,
    Place,
    Played,
    assert_base_candles_like_the_oracle,
    assert_binance_candles_like_the_oracle,
    assert_bronze_says_what_kafka_said,
    assert_every_message_landed_once,
    assert_joined_like_the_oracle,
    assert_klines_like_the_oracle,
    assert_market_cap_like_the_oracle,
    assert_own_candles_like_the_oracle,
    joined_rows,
)

SPAN = dt.timedelta(hours=3)
SPEED = 120
"""A poll in half a second: the demo's 720, and 240 too, lose polls where two test files share two slow cores."""
SEED = 20260311
KILLS = (KillAtCommit(BRONZE_WALLEX, Moment.DURING, passing=1), KillAtCommit(MARKET_SNAPSHOTS, Moment.AFTER))
"""Nothing of a killed driver is seen below: the tables are what the oracle says."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A played market that has been processed once, by a driver that was killed while it landed and while it joined."""
    with own_stack(tmp_path_factory.mktemp("market") / "home") as stack:
        play(stack, Market(SPAN.total_seconds(), SPEED, seed=SEED))
        world = Played(stack)
        done = world.process_struck(SEED, KILLS)
        assert sum("kill -9" in line for line in done) >= len(KILLS)
        assert "ended well" in done[-1]
        yield world


@dataclass(frozen=True)
class Added:
    """The same market with repeats, disorder and late rows, processed a second time."""

    world: Played
    run: Ran
    before: frozenset[Place]
    late: frozenset[Place]

    def on_time(self) -> list[Snapshot]:
        """Join what was not later than its lateness."""
        kept = [message for place, message in self.world.seen.items() if place not in self.late]
        assert self.world.cut_off is not None
        polls = oracle.polls_of(kept)
        return oracle.joined(oracle.quotes_of(kept), oracle.tickers_of(kept), self.world.cut_off, polls)


@pytest.fixture(scope="module")
def added(played: Played) -> Added:
    before = frozenset(played.seen)
    watermark = {"coin_market_cap": oracle.QUOTE_LATENESS, "wallex": oracle.TICKER_LATENESS}
    newest = {
        topic: max(oracle.typed(m)["event_time"] for m in played.messages if m.topic == topic) for topic in watermark
    }
    known = {_event(message) for message in played.messages if message.topic in watermark}
    quotes, tickers = additions(played.messages)
    send(played.stack, COIN_MARKET_CAP, quotes)
    send(played.stack, WALLEX, tickers)
    run = played.process()
    late = [
        place
        for place, message in played.seen.items()
        if place not in before
        and _event(message) not in known
        and oracle.typed(message)["event_time"] < newest[message.topic] - watermark[message.topic]
    ]
    return Added(played, run, before, frozenset(late))


def _event(message: Message) -> tuple[object, object]:
    row = oracle.typed(message)
    return row.get("cmc_id", row.get("symbol")), row["event_time"]


def additions(messages: list[Message]) -> tuple[list[CoinQuote], list[MarketTicker]]:
    """Make what a venue and a network do to a stream, out of what is there."""
    quotes = {q.coin: q for q in (decode(m.value, CoinQuote) for m in messages if m.topic == "coin_market_cap")}
    tickers = {t.symbol: t for t in (decode(m.value, MarketTicker) for m in messages if m.topic == "wallex")}
    newest_quote = max(quote.event_time for quote in quotes.values())
    newest_poll = max(ticker.event_time for ticker in tickers.values())
    chosen = [quotes[coin] for coin in ("BTC", "ETH", "DOGE", "SHIB", "PEPE", "TRX")]
    markets = list(tickers.values())

    def quoted(quote: CoinQuote, at: dt.datetime, step: int) -> CoinQuote:
        price = quote.price * (1000 + step) / 1000
        return replace(quote, event_time=at, poll_time=at, ingest_time=at + dt.timedelta(seconds=1), price=price)

    def polled(ticker: MarketTicker, at: dt.datetime, step: int) -> MarketTicker:
        price = None if ticker.price is None else ticker.price * (1000 + step) / 1000
        return replace(ticker, event_time=at, ingest_time=at + dt.timedelta(seconds=1), price=price)

    def minutes(count: float) -> dt.timedelta:
        return dt.timedelta(minutes=count)

    later = [quoted(q, newest_quote + minutes(m + 1), m) for m in range(25) for q in chosen]
    later_polls = [polled(t, newest_poll + minutes(m + 1), m) for m in range(25) for t in markets]
    disordered = [quoted(q, newest_quote - minutes(9.7 - n), n) for n in range(5) for q in chosen]
    disordered_polls = [polled(t, newest_poll - minutes(1.3), 7) for t in markets]
    late = [quoted(q, newest_quote - minutes(50.3 + 7 * n), -n) for n in range(6) for q in chosen]
    # Within a second of a quote: nearer than the poll that was there.
    late_polls = [polled(t, newest_quote - minutes(40 + 11 * n + (n - 1) / 60), -5) for n in range(3) for t in markets]
    again = [decode(m.value, CoinQuote) for m in messages if m.topic == "coin_market_cap"][-300:]
    polls_again = [decode(m.value, MarketTicker) for m in messages if m.topic == "wallex"][-300:]
    received = max(newest_quote, newest_poll) + minutes(1)
    repeats = [replace(quote, ingest_time=received, poll_time=received) for quote in again]
    poll_repeats = [replace(ticker, ingest_time=received) for ticker in polls_again]
    quotes_out = [*later, *disordered, *late, *repeats]
    tickers_out = [*later_polls, *disordered_polls, *late_polls, *poll_repeats]
    shuffled = random.Random(SEED)
    shuffled.shuffle(quotes_out)
    shuffled.shuffle(tickers_out)
    return quotes_out, tickers_out


# --- the first run ----------------------------------------------------------------------------------------------------


def test_market_is_as_large_as_promised(played: Played) -> None:
    quotes, tickers = played.quotes(), played.tickers()
    assert len({row["cmc_id"] for row in quotes}) >= 100
    assert len({row["symbol"] for row in tickers}) >= 130
    times = [row["event_time"] for row in tickers]
    assert max(times) - min(times) >= SPAN - dt.timedelta(minutes=3)
    assert len(played.joined()) >= 9_000


def test_every_message_is_in_bronze_or_rejected_once(played: Played) -> None:
    assert_every_message_landed_once(played)


def test_bronze_rows_say_what_the_messages_say(played: Played) -> None:
    assert_bronze_says_what_kafka_said(played)


def test_join_equals_merge_asof_row_for_row(played: Played) -> None:
    assert_joined_like_the_oracle(played)


def test_candles_equal_brute_force_to_the_last_digit(played: Played) -> None:
    assert_own_candles_like_the_oracle(played)
    assert_base_candles_like_the_oracle(played, played.joined())


def test_klines_and_their_candles_equal_brute_force_to_the_last_digit(played: Played) -> None:
    assert_klines_like_the_oracle(played)
    assert_binance_candles_like_the_oracle(played)


def test_market_cap_equals_brute_force_to_the_last_digit(played: Played) -> None:
    assert_market_cap_like_the_oracle(played)


# --- the second run: repeats, disorder, late rows -----------------------------------------------------------------


def test_second_run_adds_only_what_is_new(added: Added) -> None:
    assert_every_message_landed_once(added.world)
    new = [message for place, message in added.world.seen.items() if place not in added.before]
    assert len(new) > 4_000
    for topic in ("coin_market_cap", "wallex"):
        line = next(line for line in added.run.out if line.startswith(topic))
        counts = dict(re.findall(r"(in|out|late|rejected) +(\d+)", line))
        count = sum(message.topic == topic for message in new)
        late = sum(place[0] == topic for place in added.late)
        assert late > 0
        assert counts == {"in": str(count), "out": str(count), "late": str(late), "rejected": "0"}


def test_every_event_stands_once_however_often_it_was_sent(added: Added) -> None:
    for landing in LANDINGS[:2]:
        rows = rows_of(added.world.lake, landing.table)
        said = [tuple(row[name] for name in landing.stream.identity) for row in rows if not row["repeat"]]
        assert len(said) == len(set(said))
        assert set(said) == {tuple(row[name] for name in landing.stream.identity) for row in rows}
        assert len(rows) - len(said) >= 300


def test_disorder_within_lateness_is_joined_without_rebuild(added: Added) -> None:
    assert differences(added.on_time(), joined_rows(added.world.lake)) == EQUAL


def test_late_rows_correct_their_candles_at_once(added: Added) -> None:
    assert_own_candles_like_the_oracle(added.world)
    assert_base_candles_like_the_oracle(added.world, added.on_time())
    assert_market_cap_like_the_oracle(added.world)


def test_third_run_with_nothing_new_writes_nothing(added: Added) -> None:
    before = versions(added.world.lake)
    run = added.world.process()
    assert [re.sub(r"[\d.]+", "N", line) for line in run.out] == [
        f"stage {name} N s" for name in ("land", "join", "build", "publish")
    ]
    assert versions(added.world.lake) == before


def test_only_what_had_something_to_do_ever_ran(added: Added) -> None:
    state = open_store(added.world.lake, added.world.lake.state)
    ran = set(state.folders("checkpoints/"))
    landings = {landing.table.name for landing in LANDINGS}
    assert ran & landings == {BRONZE[message.topic].name for message in added.world.messages if message.topic in BRONZE}
    assert len(landings - ran) >= 2
    assert ran.isdisjoint({POSTS_SCORED.name, HOURLY_SENTIMENT.name})


# --- rebuild ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_rebuild_counts_what_the_stream_missed_and_takes_it_in(added: Added) -> None:
    lake = added.world.lake
    due, there = added.world.joined(), joined_rows(lake)
    identities = {row[:3] for row in there}
    missed, wrong = sum(row[:3] not in identities for row in due), len(set(there) - set(due))
    assert missed > 0
    assert wrong > 0
    before = versions(lake)
    dry = counted(coinlake(added.world.stack, "rebuild", "--dry-run").well())
    assert dry["market_snapshots"] == (len(due), missed, wrong)
    assert dry["market_cap"][1:] == (0, 0)
    assert versions(lake) == before
    assert counted(coinlake(added.world.stack, "rebuild").well())["market_snapshots"] == (len(due), missed, wrong)
    assert_joined_like_the_oracle(added.world)
    assert_own_candles_like_the_oracle(added.world)
    assert_base_candles_like_the_oracle(added.world, due)
    assert_klines_like_the_oracle(added.world)
    assert_binance_candles_like_the_oracle(added.world)
    assert_market_cap_like_the_oracle(added.world)


def counted(run: Ran) -> dict[str, tuple[int, int, int]]:
    """Read the lines of a rebuild: rows, missed, wrong."""
    lines = (re.match(r"(\w+) +rows +(\d+)  missed +(\d+)  wrong +(\d+)", line) for line in run.out)
    return {line[1]: (int(line[2]), int(line[3]), int(line[4])) for line in lines if line}


# --- published Parquet ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(added: Added) -> Iterator[Added]:
    """The variables of `coinlake env`, as a shell would have them."""
    with pytest.MonkeyPatch.context() as patch:
        for line in coinlake(added.world.stack, "env").well().out:
            name, _, value = line.removeprefix("export ").partition("=")
            patch.setenv(name, value.strip("'"))
        yield added


def test_pandas_reads_a_coin_and_a_date_in_one_line(exported: Added) -> None:
    coin, date = "BTC", newest_date(exported)
    frame = pd.read_parquet(os.environ["CANDLES"], filters=[("coin", "=", coin), ("date", "=", date)])
    found = [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")
    ]
    assert_rows_of(exported, CANDLES, coin, date, found)


def test_duckdb_reads_a_coin_and_a_date_in_one_line(exported: Added) -> None:
    coin, date = "ETH", newest_date(exported)
    candles = ds.dataset(os.environ["CANDLES"], partitioning="hive")
    asked = duckdb.sql(f"SELECT * FROM candles WHERE coin = '{coin}' AND date = '{date}'")
    assert asked is not None
    found = asked.to_arrow_table()
    assert candles.count_rows() > found.num_rows
    assert_rows_of(exported, CANDLES, coin, date, found.to_pylist())


def assert_rows_of(exported: Added, table: Table, coin: str, date: str, found: list[dict[Any, Any]]) -> None:
    names = [name for name in table.schema.names if name not in table.published_by]
    due = [row for row in rows_of(exported.world.lake, table) if row["coin"] == coin and str(row["date"]) == date]
    assert len(due) >= 10
    assert differences(picked(due, names), picked(found, names)) == EQUAL
    assert {(str(row["coin"]), str(row["date"])) for row in found} == {(coin, date)}


@pytest.mark.parametrize(
    "table", [table for table in PUBLISHED if table is not HOURLY_SENTIMENT], ids=lambda table: table.name
)
def test_published_parquet_holds_the_rows_of_the_table_and_no_others(exported: Added, table: Table) -> None:
    found = ds.dataset(os.environ[table.name.upper()], partitioning="hive").to_table().to_pylist()
    due = rows_of(exported.world.lake, table)
    names = [name for name in table.schema.names if name != "date"]
    assert differences(picked(due, names), picked(found, names)) == EQUAL
    assert {str(row["date"]) for row in found} == {str(row["date"]) for row in due}


def picked(rows: list[dict[Any, Any]], names: Iterable[str]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def newest_date(exported: Added) -> str:
    return str(max(row["date"] for row in rows_of(exported.world.lake, CANDLES)))


# --- the same topics into a lake of files -----------------------------------------------------------------------------


@pytest.mark.long
def test_lake_of_files_holds_the_same_rows(added: Added, tmp_path: Path) -> None:
    places = {"COINLAKE_LAKE": f"file://{tmp_path}/lake-house", "COINLAKE_STATE": f"file://{tmp_path}/spark"}
    coinlake(added.world.stack, "process", **places).well()
    files = LakeSettings(lake=places["COINLAKE_LAKE"], state=places["COINLAKE_STATE"])
    for table in TABLES:
        due, found = rows_of(added.world.lake, table), rows_of(files, table)
        assert differences(said(due, table), said(found, table)) == EQUAL, table.name
    candles = pd.read_parquet(tmp_path / "lake-house" / "published" / "candles", filters=[("coin", "=", "BTC")])
    assert len(candles) == sum(row["coin"] == "BTC" for row in rows_of(added.world.lake, CANDLES))


def said(rows: list[dict[str, Any]], table: Table) -> list[tuple[Any, ...]]:
    """Return what the rows say of the market.

    By now Kafka has dropped repeats that bronze has, the first of some quotes among them; a later answer that repeats
    a quote may rank its coin anew.
    """
    names = [name for name in table.event_columns if name != "cmc_rank"]
    return picked([row for row in rows if not row.get("repeat")], names)
