"""The main job: Kafka -> bronze -> market join -> candles and market cap -> published Parquet.

    spark-submit --properties-file infra/spark/spark-defaults.conf spark_jobs/process_markets.py --trigger available-now

`--trigger available-now` does what there is to do and ends: schedule it. `--trigger "1 minute"` does the same every
minute until it is stopped. Either way one driver holds the lease of all tables.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable

from pyspark.errors import StreamingQueryException
from pyspark.sql.streaming.query import StreamingQuery

from contracts.errors import CoinlakeError, JobError, LeaseHeldError
from contracts.settings import JobSettings, KafkaSettings, LakeSettings
from contracts.tables import PUBLISHED, TABLES
from spark_jobs import build_candles, build_market_cap, join_markets, land
from spark_jobs.context import Context
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.progress import Progress
from spark_jobs.edges.publish import publish
from spark_jobs.edges.session import open_session
from spark_jobs.edges.store import ObjectStore, open_store

AVAILABLE_NOW = "available-now"


def process(context: Context, lake_store: ObjectStore) -> None:
    """Do once all that there is to do."""
    finish(land.start(context))
    finish([join_markets.start(context)])
    finish([build_candles.start(context), build_market_cap.start(context)])
    for table in PUBLISHED:
        publish(lake_store, table, context.lake)


def finish(queries: Iterable[StreamingQuery]) -> None:
    """Wait until every query has read all there is.

    Raises:
        JobError: a query ended with an error; the others are stopped first.
    """
    waiting = list(queries)
    try:
        for query in waiting:
            query.awaitTermination()
    except StreamingQueryException as error:
        raise JobError(f"query {query.name} ended with an error: {_first_line(error)}") from error
    finally:
        for query in waiting:
            query.stop()


def _first_line(error: StreamingQueryException) -> str:
    return str(error).strip().splitlines()[0]


def trigger(text: str) -> float | None:
    """Read a trigger: None for available-now, else the seconds between two runs.

    >>> trigger("available-now"), trigger("1 minute"), trigger("30 seconds")
    (None, 60.0, 30.0)
    """
    if text == AVAILABLE_NOW:
        return None
    match = re.fullmatch(r"(\\d+) (second|minute|hour)s?", text)
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
    """Open the world, take the lease, and process once or for ever."""
    kafka, lake, rules = KafkaSettings.load(), LakeSettings.load(), JobSettings.load()
    state, lake_store = open_store(lake, lake.state), open_store(lake, lake.lake)
    with Lease(state, TABLES) as lease:
        spark = open_session("coinlake process_markets", lake, rules)
        progress = Progress(lambda line: print(line, flush=True))
        spark.streams.addListener(progress)
        context = Context(spark, Lake(spark, lake, lease, progress), state, kafka, rules)
        try:
            if seconds is None:
                process(context, lake_store)
            else:
                every(seconds, lambda: process(context, lake_store))
        finally:
            progress.flush(spark)
            spark.stop()


def main() -> int:
    """Run the job from the command line; one clear line and a non-zero exit where it cannot go on."""
    parser = argparse.ArgumentParser(prog="process_markets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trigger", type=trigger, default=None, metavar='available-now|"1 minute"')
    seconds = parser.parse_args().trigger
    try:
        run(seconds)
    except LeaseHeldError as error:
        # An overlapping scheduled run has nothing to do: the run that holds the lease does the work.
        print(f"coinlake: {error}", file=sys.stderr)
        return 0 if seconds is None else error.exit_code
    except CoinlakeError as error:
        print(f"coinlake: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
