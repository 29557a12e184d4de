"""What is done to a run, drawn from a seed: every kind at least once, in an order in which each of them hurts."""

import random
from dataclasses import dataclass
from enum import StrEnum

from contracts.tables import (
    BRONZE_COIN_MARKET_CAP,
    BRONZE_WALLEX,
    CANDLES,
    MARKET_CAP,
    MARKET_SNAPSHOTS,
    PUBLISHED,
    Table,
)

LANDED = (BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX)
BUILT = (CANDLES, MARKET_CAP)


class Moment(StrEnum):
    """Where a batch stands in its commit to Delta, as it is seen from outside.

    BEFORE: the checkpoint has `offsets/N`, the table no new data file. DURING: a new data file is there, the
    version that names it is not. AFTER: that version is there, the checkpoint's `commits/N` is not.
    """

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True)
class KillAtCommit:
    """Kill the driver at a commit of a table, after it has made `passing` commits to it in this run."""

    table: Table
    moment: Moment
    passing: int = 0

    def __str__(self) -> str:
        return f"kill -9 of the driver {self.moment} a Delta commit of {self.table.name}"


@dataclass(frozen=True)
class KillAtPublish:
    """Kill the driver when it has written so many objects of a table's published Parquet, and not its version."""

    table: Table
    objects: int

    def __str__(self) -> str:
        return f"kill -9 of the driver after {self.objects} published objects of {self.table.name}"


@dataclass(frozen=True)
class KillBroker:
    """Kill the broker while landing runs, and start it again after a while; with `at_start`, before the job runs."""

    down_seconds: float
    at_start: bool = False

    def __str__(self) -> str:
        when = "as the job starts" if self.at_start else "while landing runs"
        return f"kill -9 of the broker {when}, back after {self.down_seconds:.1f} s"


@dataclass(frozen=True)
class LoseCommit:
    """Delete the newest file of the `commits/` of the query that writes a table."""

    table: Table

    def __str__(self) -> str:
        return f"the newest file of commits/ of {self.table.name} deleted"


@dataclass(frozen=True)
class LoseCheckpoint:
    """Delete the whole checkpoint of the query that writes a table."""

    table: Table

    def __str__(self) -> str:
        return f"the whole checkpoint of {self.table.name} deleted"


Blow = KillAtCommit | KillAtPublish | KillBroker
"""Strikes a running job."""
Loss = LoseCommit | LoseCheckpoint
"""Strikes while no job runs."""
Step = Blow | Loss


def draw(seed: int) -> list[Step]:
    """Draw the steps of one crash test.

    Landing comes first, then the join, then candles or market cap, then publishing: what a stage has written is not
    written again, so a later kill would wait for it in vain. The three moments fall on the three stages at random.
    """
    chance = random.Random(seed)
    landed, joined, built = chance.sample(list(Moment), 3)
    table = chance.choice(LANDED)
    fill: list[Step] = [LoseCheckpoint(MARKET_SNAPSHOTS)]
    if chance.random() < 0.5:
        fill.append(KillAtCommit(MARKET_SNAPSHOTS, Moment.DURING))
    early = chance.random() < 0.5
    # A commit lost right before its whole checkpoint would be no loss of its own.
    committed = (*LANDED, MARKET_CAP, *([MARKET_SNAPSHOTS] if early else []))
    return [
        KillAtCommit(table, landed, passing=1),
        LoseCheckpoint(table),
        KillBroker(down_seconds=chance.uniform(0.5, 4)),
        KillAtCommit(MARKET_SNAPSHOTS, joined),
        KillAtCommit(chance.choice(BUILT), built),
        *(fill if early else []),
        KillAtPublish(chance.choice(PUBLISHED[:2]), chance.randint(1, 40)),
        LoseCommit(chance.choice(committed)),
        *([] if early else fill),
        LoseCheckpoint(CANDLES),
    ]


def again(missed: Blow, chance: random.Random) -> list[Step]:
    """Draw steps in the place of one whose moment did not come: with its checkpoint gone, a table is built again."""
    if isinstance(missed, KillBroker):
        return [KillBroker(missed.down_seconds, at_start=True)]
    if isinstance(missed, KillAtPublish):
        return [LoseCheckpoint(CANDLES), KillAtPublish(CANDLES, chance.randint(1, 40))]
    table = chance.choice(BUILT)
    return [LoseCheckpoint(table), KillAtCommit(table, missed.moment)]
