"""Kill the generator, and the broker under it, while it polls: every poll is in its topic or in a Gap, and lands."""

import datetime as dt
import json
import random
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import StackError
from contracts.streams import COIN_MARKET_CAP, STREAMS, WALLEX, Stream
from infra.children import Child
from infra.crashtest.job import run_job
from infra.crashtest.journal import Journal
from infra.crashtest.lake import lake_of
from infra.crashtest.landed import Landed, check_landed
from infra.crashtest.polls import ALLOWED_INTERVALS, Polls, polls_of
from infra.crashtest.reader import Reader, Seen
from infra.demo.replay import DEMO_KEY, POLL_SECONDS, coinlake
from infra.stack import StackInfo, kill_part, restart_part
from infra.terminal import say, table

SPEED = 60.0
"""A poll a second."""
SPAN = "2h"
INTERVAL = dt.timedelta(seconds=POLL_SECONDS)
OUR_INTERVAL_SECONDS = POLL_SECONDS / SPEED
"""The interval on our own clock."""
PATIENCE_SECONDS = 120.0
POLLED_SECONDS = 240.0
RECOVERY_SECONDS = 6.0
FAULTS = (
    {"venue": "wallex", "kind": "truncated", "count": 1, "after_seconds": 150},
    {"venue": "coinmarketcap", "kind": "server_error", "count": 2, "after_seconds": 200},
    {"venue": "wallex", "kind": "html", "for_seconds": 150, "after_seconds": 300},
)
"""What goes wrong at the venues meanwhile, in seconds of their clock: two that a retry mends, one that it does not."""
ROWS = ({"venue": "coinmarketcap", "row": "1", "duplicate": True, "count": 4},)
"""Rows that are twice in an answer: ingest refuses the second."""

_VENUES: tuple[tuple[str, Stream], ...] = (("coinmarketcap", COIN_MARKET_CAP), ("wallex", WALLEX))


@dataclass(frozen=True)
class Outcome:
    """What came of it: per venue the polls, per topic what landed."""

    polls: tuple[Polls, ...]
    landed: tuple[Landed, ...]

    @property
    def problems(self) -> list[str]:
        """List everything that is not as it should be."""
        unexplained = [problem for polls in self.polls for problem in polls.unexplained(INTERVAL)]
        return unexplained + [f"{one.topic}: {one.wrong} rows or messages disagree" for one in self.landed if one.wrong]


def crash_generator(stack: StackInfo, seed: int, journal: Journal) -> Outcome:
    """Poll a simulated market, kill the generator and the broker at drawn moments, then land what is in the topics.

    Raises:
        StackError: the simulator, the generator or the job did not do its part.
        BrokerError: the topics could not be read to their ends.
    """
    served, messages = _poll(stack, random.Random(f"generator {seed}"), journal)
    polls = tuple(polls_of(venue, stream, served[venue], messages) for venue, stream in _VENUES)
    lake = lake_of(stack, "polled")
    journal.tell("landing what was polled")
    run = run_job(lake, journal)
    if run.code != 0:
        raise StackError(f"landing what was polled ended with exit code {run.code}: {run.last_words}")
    return Outcome(polls, tuple(check_landed(lake, messages)))


def _poll(stack: StackInfo, chance: random.Random, journal: Journal) -> tuple[dict[str, list[dt.datetime]], list[Seen]]:
    """Poll with kills; return what each venue says it served, and what an independent consumer read."""
    topics = [stream.topic for stream in STREAMS]
    with ExitStack() as running:
        reader = running.enter_context(Reader(stack.kafka_bootstrap_servers, topics))
        base = running.enter_context(_simulator(stack.home, chance.randrange(1000)))
        with _generator(stack, base) as first:
            _polled(base, first, chance)
            first.kill()
            journal.note("kill -9 of the generator")
        time.sleep(chance.uniform(0.5, 3))
        with _generator(stack, base) as second:
            journal.note("the generator is started again")
            _polled(base, second, chance)
            kill_part(stack.home, "kafka")
            down = chance.uniform(1, 4)
            journal.note(f"kill -9 of the broker under the generator, back after {down:.1f} s")
            time.sleep(down)
            restart_part(stack.home, "kafka")
            time.sleep(RECOVERY_SECONDS)
            if second.running():
                _stop(second, journal)
            else:
                journal.note(f"the generator gave up: {second.last_words()}")
        with _generator(stack, base) as third:
            journal.note("the generator is started again")
            _polled(base, third, chance)
            _stop(third, journal)
        with _generator(stack, base, "--once") as last:
            last.finish()
            journal.note("a last poll has put on record what the stop cut off")
        return _served(base), reader.catch_up()


def _polled(base: str, generator: Child, chance: random.Random) -> None:
    """Wait until each venue has served some more answers, and then for a part of a poll's interval.

    Raises:
        StackError: the generator ended, or the venues were not asked often enough in time.
    """
    before = {venue: len(answers) for venue, answers in _served(base).items()}
    more = chance.randint(4, 7)
    deadline = time.monotonic() + POLLED_SECONDS
    while any(len(answers) < before[venue] + more for venue, answers in _served(base).items()):
        if not generator.running() or time.monotonic() > deadline:
            raise StackError(f"expected {more} polls of each venue, found fewer: {generator.last_words()}")
        time.sleep(0.1)
    time.sleep(chance.uniform(0, OUR_INTERVAL_SECONDS))


def _stop(generator: Child, journal: Journal) -> None:
    """Stop a generator as an operator would, and let so much time pass that the next one finds a hole.

    A stop may cut off a poll whose answer is on its way; only the next start can say that it is missing.

    Raises:
        StackError: it did not end well.
    """
    generator.stop(PATIENCE_SECONDS)
    generator.finish()
    journal.note("the generator is stopped")
    time.sleep(ALLOWED_INTERVALS * OUR_INTERVAL_SECONDS)


@contextmanager
def _simulator(home: Path, seed: int) -> Iterator[str]:
    """Run the simulator; yield its base URL."""
    port_file = home / "logs" / "simulator.port"
    port_file.unlink(missing_ok=True)
    faults = [part for fault in FAULTS for part in ("--fault", json.dumps(fault))]
    command = coinlake("simulate", "--seed", str(seed), "--speed", str(SPEED), "--span", SPAN, *faults)
    log = home / "logs" / "simulator.log"
    with Child("simulator", [*command, "--port-file", str(port_file)], log=log) as simulator:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not port_file.exists():
            if not simulator.running() or time.monotonic() > deadline:
                raise StackError(f"the simulator did not start: {simulator.last_words()}")
            time.sleep(0.05)
        base = f"http://127.0.0.1:{int(port_file.read_text())}"
        for row in ROWS:
            with urllib.request.urlopen(f"{base}/_simulator/rows", json.dumps(row).encode(), timeout=10):
                pass
        yield base


@contextmanager
def _generator(stack: StackInfo, base: str, length: str = "--forever") -> Iterator[Child]:
    env = {
        **stack.env(),
        "COINLAKE_HOME": str(stack.home),
        "COINLAKE_COINMARKETCAP_URL": f"{base}/coinmarketcap",
        "COINLAKE_COINMARKETCAP_API_KEY": DEMO_KEY,
        "COINLAKE_WALLEX_URL": f"{base}/wallex",
        "COINLAKE_POLL_SECONDS": str(OUR_INTERVAL_SECONDS),
    }
    log = stack.home / "logs" / "generator.log"
    polled = [word for _, stream in _VENUES for word in ("--venue", stream.topic)]
    with Child("the generator", coinlake("generate", length, *polled), env=env, log=log) as generator:
        yield generator


def _served(base: str) -> dict[str, list[dt.datetime]]:
    """Return when each venue served a right answer, on its own clock."""
    with urllib.request.urlopen(f"{base}/_simulator/requests", timeout=10) as answer:
        requests = json.load(answer)
    return {
        venue: [
            dt.datetime.fromisoformat(request["simulated_time"])
            for request in requests
            if request["venue"] == venue and request["status"] == 200 and request["fault"] is None
        ]
        for venue, _ in _VENUES
    }


def show_generator(outcome: Outcome) -> None:
    """Print what became of every poll and of every message."""
    table(
        ("venue", "answers served", "whole in the topic", "in a gap", "gaps", "unexplained"),
        [
            (
                polls.venue,
                str(len(polls.served)),
                str(len(polls.whole)),
                str(len(polls.in_gaps())),
                str(len(polls.gaps)),
                str(len(polls.unexplained(INTERVAL))),
            )
            for polls in outcome.polls
        ],
    )
    say("")
    table(
        ("topic", "messages read", "compacted since", "rows in bronze", "disagree"),
        [
            (one.topic, str(one.read), str(one.compacted), str(one.rows), str(one.wrong))
            for one in sorted(outcome.landed, key=lambda each: each.topic)
        ],
    )
