"""A market that was played into Kafka and processed, and what must then be true of the lake."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.settings import LakeSettings
from contracts.streams import STREAMS
from contracts.tables import CANDLES, KLINES, LANDINGS, MARKET_CAP, MARKET_SNAPSHOTS, REJECTED
from infra.crashtest.journal import Journal
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.plan import Step
from infra.crashtest.series import disturbed
from infra.stack import StackInfo
from tests.integration import oracle
from tests.integration.conftest import Ran, coinlake, lake_of, rows_of
from tests.integration.oracle import EQUAL, Candle, Message, Row, Snapshot, Total, differences

BRONZE = {landing.stream.topic: landing.table for landing in LANDINGS}
OWN_PRICES = ("coin_market_cap", "wallex")
EXCHANGE = ("binance", "binance_trades")
KLINE_COLUMNS = ("symbol", "interval", "open_time", "open", "high", "low", "close", "volume", "closed", "event_time")
Place = tuple[str, int, int]


@dataclass
class Played:
    """What was played so far: every message that the independent consumer ever read, and up to when rows are out."""

    stack: StackInfo
    seen: dict[Place, Message] = field(default_factory=dict)
    cut_off: dt.datetime | None = None

    @property
    def lake(self) -> LakeSettings:
        return lake_of(self.stack)

    @property
    def messages(self) -> list[Message]:
        return list(self.seen.values())

    def read(self) -> None:
        """Read the topics as they are."""
        read = oracle.consume(self.stack.kafka_bootstrap_servers, *(stream.topic for stream in STREAMS))
        self.seen |= {(message.topic, message.partition, message.offset): message for message in read}
        self.cut_off = oracle.closed_before(self.quotes(), self.tickers())

    def process(self) -> Ran:
        """Read the topics as they are, then let the job do what there is to do."""
        self.read()
        return coinlake(self.stack, "process").well()

    def process_struck(self, seed: int, steps: Sequence[Step]) -> list[str]:
        """Read the topics as they are, then let the job run until it ends well, struck on the way; return by what."""
        self.read()
        env = {**self.stack.env(), "COINLAKE_HOME": str(self.stack.home)}
        journal = Journal(print)
        disturbed(LakeUnderTest("market", self.stack.home, env, self.lake), journal, seed, steps)
        return journal.done

    def quotes(self) -> list[Row]:
        return oracle.quotes_of(self.messages)

    def tickers(self) -> list[Row]:
        return oracle.tickers_of(self.messages)

    def polls(self) -> list[Row]:
        return oracle.polls_of(self.messages)

    def joined(self) -> list[Snapshot]:
        """Return the rows that the join must have given by now."""
        assert self.cut_off is not None
        return oracle.joined(self.quotes(), self.tickers(), self.cut_off, self.polls())

    def own_candles(self) -> list[Candle]:
        """Return the candles of the venues' own prices."""
        return oracle.candles([*oracle.quote_samples(self.quotes()), *oracle.ticker_samples(self.tickers())])

    def binance_candles(self) -> list[Candle]:
        """Return the candles of Binance's klines and of its trades."""
        klines, trades = oracle.klines_of(self.messages), oracle.trades_of(self.messages)
        return oracle.exchange_candles([*oracle.kline_minutes(klines), *oracle.trade_minutes(trades)])


def assert_every_message_landed_once(world: Played) -> None:
    counts: dict[Place, int] = {}
    for table in (*BRONZE.values(), REJECTED):
        for row in rows_of(world.lake, table):
            place = (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"])
            counts[place] = counts.get(place, 0) + 1
    due = oracle.to_account_for(world.messages)
    assert [one for one in due if counts.get((one.topic, one.partition, one.offset)) != 1][:5] == []
    assert [place for place, count in counts.items() if count != 1 or place not in world.seen][:5] == []


def assert_bronze_says_what_kafka_said(world: Played) -> None:
    for topic, table in BRONZE.items():
        for row in rows_of(world.lake, table):
            said = oracle.typed(world.seen[topic, row["kafka_partition"], row["kafka_offset"]])
            assert {name: row[name] for name in said} == said


def assert_joined_like_the_oracle(world: Played) -> None:
    assert differences(world.joined(), joined_rows(world.lake)) == EQUAL


def assert_own_candles_like_the_oracle(world: Played) -> None:
    assert differences(world.own_candles(), candle_rows(world.lake, *OWN_PRICES)) == EQUAL


def assert_klines_like_the_oracle(world: Played) -> None:
    due = [tuple(row[name] for name in KLINE_COLUMNS) for row in oracle.klines_of(world.messages)]
    found = [tuple(row[name] for name in KLINE_COLUMNS) for row in rows_of(world.lake, KLINES)]
    assert differences(due, found) == EQUAL


def assert_binance_candles_like_the_oracle(world: Played) -> None:
    assert differences(world.binance_candles(), candle_rows(world.lake, *EXCHANGE)) == EQUAL


def assert_base_candles_like_the_oracle(world: Played, snapshots: list[Snapshot]) -> None:
    expected = oracle.candles(oracle.base_samples(snapshots))
    assert differences(expected, candle_rows(world.lake, "base_tmn")) == EQUAL


def assert_market_cap_like_the_oracle(world: Played) -> None:
    found = columns(rows_of(world.lake, MARKET_CAP), Total)
    assert differences(oracle.market_caps(world.quotes()), found) == EQUAL


def joined_rows(lake: LakeSettings) -> list[tuple[Any, ...]]:
    return columns(rows_of(lake, MARKET_SNAPSHOTS), Snapshot)


def candle_rows(lake: LakeSettings, *venues: str) -> list[tuple[Any, ...]]:
    return columns([row for row in rows_of(lake, CANDLES) if row["venue"] in venues], Candle)


def columns(rows: list[Row], kind: type[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in kind._fields) for row in rows]
