"""The main job: Kafka -> bronze -> market join, klines, gaps, scored posts -> candles, market cap, hours -> Parquet.

    spark-submit --properties-file infra/spark/spark-defaults.conf spark_jobs/process_markets.py --trigger available-now

`--trigger available-now` does what there is to do and ends: schedule it. `--trigger "1 minute"` does the same every
minute until it is stopped. Either way one driver holds the lease of all tables.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.errors import LeaseHeldError
from contracts.tables import PUBLISHED
from spark_jobs import (
    build_candles,
    build_gaps,
    build_hourly_sentiment,
    build_klines,
    build_market_cap,
    join_markets,
    land,
    score_posts,
)
from spark_jobs.context import Context
from spark_jobs.driver import driving
from spark_jobs.edges.publish import publish
from spark_jobs.program import main_of, say

AVAILABLE_NOW = "available-now"


def process(context: Context) -> None:
    """Do once all that there is to do."""
    with stage("land"):
        context.lake.finish(land.start(context))
    with stage("join"):
        context.lake.finish(join_markets.start(context))
    with stage("build"):
        context.lake.finish([*build_klines.start(context), *build_gaps.start(context), *score_posts.start(context)])
        context.lake.finish([*build_candles.start(context), *build_market_cap.start(context)])
        context.lake.finish(build_hourly_sentiment.start(context))
    with stage("publish"):
        for table in PUBLISHED:
            publish(context.published, table, context.lake)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long a stage took, once it has ended well."""
    began = time.monotonic()
    yield
    say(f"stage {name} {time.monotonic() - began:.1f} s")


def trigger(text: str) -> float | None:
    """Read a trigger: None for available-now, else the seconds between two runs.

    >>> trigger("available-now"), trigger("1 minute"), trigger("30 seconds")
    (None, 60.0, 30.0)
    """
    if text == AVAILABLE_NOW:
        return None
    match = re.fullmatch(r"([1-9]\d*) (second|minute|hour)s?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f'expected "available-now" or an interval such as "1 minute", found "{text}"')
    return float(match[1]) * {"second": 1, "minute": 60, "hour": 3600}[match[2]]


def every(seconds: float, work: Callable[[], None]) -> None:
    """Do the work on a fixed grid for ever; a turn that takes longer than its slot skips the slots it missed."""
    begin = time.monotonic()
    while True:
        work()
        time.sleep(seconds - (time.monotonic() - begin) % seconds)


def run(seconds: float | None) -> None:
    """Process once (None), or every so many seconds until stopped."""
    try:
        with driving("process_markets", check=land.find_topics) as context:
            if seconds is None:
                process(context)
            else:
                every(seconds, lambda: process(context))
    except LeaseHeldError as error:
        if seconds is not None:
            raise
        # An overlapping scheduled run: the run that holds the lease does the work.
        say(f"coinlake: nothing to do: {error}")


def main() -> int:
    """Run the job from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="process_markets", description="Kafka -> lake, once or on a grid.")
    parser.add_argument("--trigger", type=trigger, default=None, metavar='available-now|"1 minute"')
    arguments = parser.parse_args()
    return main_of(lambda: run(arguments.trigger))


if __name__ == "__main__":
    sys.exit(main())
