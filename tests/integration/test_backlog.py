"""A long backlog gives the same tables whichever way it is taken in: streamed whole, streamed in pieces, or filled.

The market crosses midnight, so that a commit of bronze holds files of two dates.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from benchmarks.market import fill
from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, CANDLES, MARKET_CAP, MARKET_SNAPSHOTS
from infra.crashtest.compare import compare
from infra.crashtest.lake import LakeUnderTest, lake_of
from infra.spark.backlog import backlog as messages_behind
from infra.stack import StackInfo
from tests.integration.conftest import coinlake, own_stack

BEGIN = dt.datetime(2024, 3, 19, 23, 10, tzinfo=dt.UTC)
FIRST_MINUTES, THEN_MINUTES = 80, 30
PIECES = {"COINLAKE_MAX_OFFSETS_PER_BATCH": "6000", "COINLAKE_JOIN_BYTES_PER_BATCH": "1"}
"""Bronze in several commits, each with up to two files, of which every batch of the join reads one."""
FILLED = {"COINLAKE_JOIN_FILL_ROWS": "0"}
_BUILT = (MARKET_SNAPSHOTS, CANDLES, MARKET_CAP)
FROM_TWO_VENUES = {
    *(table.name for table in (BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, *_BUILT)),
    *(f"published {table.name}" for table in _BUILT),
}
"""The tables that have rows when nothing comes from Binance."""


pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Backlog:
    """A market in Kafka, and the lakes that it was taken into."""

    stack: StackInfo
    streamed: LakeUnderTest
    in_pieces: LakeUnderTest
    filled: LakeUnderTest

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(kafka_bootstrap_servers=self.stack.kafka_bootstrap_servers)

    def send(self, minutes: int, begin: dt.datetime) -> int:
        return fill(self.kafka, minutes, begin)

    def process(self, lake: LakeUnderTest, **settings: str) -> list[str]:
        return coinlake(self.stack, "process", **lake.env, **settings).well().out


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backlog]:
    with own_stack(tmp_path_factory.mktemp("backlog") / "home") as stack:
        found = Backlog(stack, *(lake_of(stack, name) for name in ("streamed", "pieces", "filled")))
        found.send(FIRST_MINUTES, BEGIN)
        found.process(found.streamed)
        yield found


def unequal(one: LakeUnderTest, other: LakeUnderTest) -> list[str]:
    compared = compare(one, other)
    assert {table.name for table in compared if table.undisturbed.rows} == FROM_TWO_VENUES
    return [table.name for table in compared if not table.equal]


def batches_of(out: list[str], query: str) -> int:
    return sum(line.startswith(f"{query} ") for line in out)


def test_backlog_that_nobody_can_count_is_none(backlog: Backlog) -> None:
    nobody = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1")
    assert messages_behind(nobody, backlog.streamed.settings) == 0
    refused = LakeSettings(
        s3_endpoint=backlog.stack.s3_endpoint, s3_access_key=SecretStr("x"), s3_secret_key=SecretStr("y")
    )
    assert messages_behind(backlog.kafka, refused) == 0


def test_backlog_streamed_file_by_file_gives_the_same_tables(backlog: Backlog) -> None:
    out = backlog.process(backlog.in_pieces, **PIECES)
    assert batches_of(out, "market_snapshots") > 3
    assert unequal(backlog.streamed, backlog.in_pieces) == []


def test_backlog_filled_in_batch_gives_the_same_tables_and_its_stream_goes_on(backlog: Backlog) -> None:
    backlog.process(backlog.filled, **FILLED)
    assert unequal(backlog.streamed, backlog.filled) == []
    assert messages_behind(backlog.kafka, backlog.filled.settings) == 0
    sent = backlog.send(THEN_MINUTES, BEGIN + dt.timedelta(minutes=FIRST_MINUTES))
    assert messages_behind(backlog.kafka, backlog.filled.settings) == sent
    backlog.process(backlog.streamed)
    backlog.process(backlog.filled, **FILLED)
    assert unequal(backlog.streamed, backlog.filled) == []
