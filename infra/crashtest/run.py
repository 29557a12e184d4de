"""The crash test itself: a stack and topics of its own, an undisturbed lake, a disturbed one, and the comparison."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import StackError
from contracts.settings import KafkaSettings
from infra.crashtest.compare import Compared, compare
from infra.crashtest.generator import crash_generator, show_generator
from infra.crashtest.journal import Journal
from infra.crashtest.lake import LakeUnderTest, lake_of
from infra.crashtest.plan import draw
from infra.crashtest.series import disturbed, undisturbed
from infra.crashtest.topics import prefill
from infra.demo.replay import Market
from infra.environment import environment
from infra.stack import StackInfo, down, embedded_stack
from infra.terminal import say, table

MARKET = Market(span_seconds=3600, speed=240)


@dataclass(frozen=True)
class Ground:
    """What crash tests stand on: a running stack whose topics are filled, and the lake of an undisturbed run."""

    stack: StackInfo
    undisturbed: LakeUnderTest


@contextmanager
def fresh_stack(home: Path, say: Callable[[str], None] = say) -> Iterator[StackInfo]:
    """Run a stack on free ports in a folder that is made anew; our own environment points at it meanwhile."""
    if home.exists():
        down(home)
        shutil.rmtree(home)
    home.mkdir(parents=True)
    with embedded_stack(home, say=say) as stack, environment({**stack.env(), "COINLAKE_HOME": str(home)}):
        yield stack


def prepare(stack: StackInfo, journal: Journal, market: Market = MARKET) -> Ground:
    """Fill the topics and do the undisturbed run."""
    journal.tell(f"filling the topics with {market.span_seconds / 60:.0f} minutes of market")
    kafka = KafkaSettings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers)
    prefill(kafka, market, stack.home / "logs", journal.quote)
    lake = lake_of(stack, "undisturbed")
    journal.tell("the undisturbed run")
    undisturbed(lake, journal)
    return Ground(stack, lake)


def crash(ground: Ground, seed: int, journal: Journal) -> list[Compared]:
    """Do the disturbed series of one seed in a lake of its own and compare it with the undisturbed one."""
    lake = lake_of(ground.stack, f"disturbed-{seed}")
    journal.tell(f"the disturbed runs of seed {seed}")
    disturbed(lake, journal, seed, draw(seed))
    journal.tell("comparing")
    return compare(ground.undisturbed, lake)


def show_done(journal: Journal) -> None:
    """Print once more what was done, with times."""
    journal.say("\nWhat was done:")
    for line in journal.done:
        journal.say(f"  {line}")


def show_compared(compared: Sequence[Compared]) -> None:
    """Print both lakes side by side."""
    table(
        ("table", "rows", "hash undisturbed", "hash disturbed", "equal"),
        [
            (
                one.name,
                str(one.disturbed.rows),
                one.undisturbed.sha256[:16],
                one.disturbed.sha256[:16],
                "yes" if one.equal else "NO",
            )
            for one in compared
        ],
    )


def differences(compared: Sequence[Compared]) -> list[str]:
    """List the tables that are not equal, or have a row twice."""
    return [
        f"{one.name}: expected the {one.undisturbed.rows} rows of the undisturbed run, found"
        f" {one.disturbed.rows} with another hash or {one.disturbed.doubled} doubled"
        for one in compared
        if not one.equal
    ]


def demand_right(problems: Sequence[str], seed: int) -> None:
    """Raise StackError where there is a problem; the message bears the first three."""
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise StackError(f"crashtest of seed {seed}: {'; '.join(problems[:3])}{more}")


def crashtest(home: Path, seed: int) -> None:
    """Show on this machine that crashes change nothing; nothing is left running.

    Raises:
        StackError: something was lost, doubled or changed, or a part did not do as it should.
    """
    journal = Journal(say)
    with fresh_stack(home / "drivers") as stack:
        compared = crash(prepare(stack, journal), seed, journal)
    show_compared(compared)
    journal.tell("now the generator, with topics of its own")
    with fresh_stack(home / "generator") as stack:
        outcome = crash_generator(stack, seed, journal)
    show_generator(outcome)
    show_done(journal)
    demand_right([*differences(compared), *outcome.problems], seed)
    say(f"\ncrashtest: seed {seed}: nothing lost, doubled or changed; everything is stopped")
