"""`coinlake moving-average`: submit the job of the live chart."""

from enum import StrEnum
from typing import Annotated

import typer


class Trigger(StrEnum):
    """When Spark looks at what has come."""

    REAL_TIME = "real-time"
    MICRO_BATCH = "micro-batch"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("moving-average")(moving_average)


def moving_average(
    trigger: Annotated[
        Trigger | None,
        typer.Option(help="default: COINLAKE_LIVE_TRIGGER, else real-time, for which pyspark 4.3 is fetched once"),
    ] = None,
) -> None:
    """Average the newest prices by sliding windows, Kafka to Kafka, until SIGTERM or Ctrl-C."""
    import os
    import sys

    from contracts.settings import MovingAverageSettings
    from infra.spark.live import live_submission
    from infra.spark.settings import SparkSettings

    rules = MovingAverageSettings.load()
    if trigger is not None:
        rules = rules.model_copy(update={"live_trigger": trigger.value})
    submitted = live_submission(SparkSettings.load(), rules)
    env = {**os.environ, **submitted.env, "COINLAKE_LIVE_TRIGGER": rules.live_trigger}
    sys.stdout.flush()
    # In our place, not beside us: who kills the command has killed the job, and a second one does not meet the first.
    os.execvpe(submitted.command[0], submitted.command, env)
