"""Up to when a rebuild may write: never what the stream of the join will still give itself."""

import datetime as dt
import json
from pathlib import Path
from typing import cast

from contracts.records import wire_time
from contracts.settings import JobSettings, KafkaSettings
from contracts.tables import MARKET_SNAPSHOTS
from spark_jobs.context import Context
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.store import FolderStore
from spark_jobs.join_markets import FILLED, closed_before
from tests.unit.spark_jobs.fakes import NOON, EmptyLake, UnreadLake

HOUR = dt.timedelta(hours=1)
TOLERANCE = dt.timedelta(seconds=30)


def world(folder: Path, lake: object) -> Context:
    store = FolderStore(folder)
    settings = JobSettings(join_tolerance_seconds=30)
    return Context(None, cast(Lake, lake), store, store, KafkaSettings(), settings)  # type: ignore[arg-type]


def start_batch(context: Context, watermark: dt.datetime, *, finished: bool) -> None:
    path = Checkpoint(context.state, MARKET_SNAPSHOTS).path
    metadata = {"batchWatermarkMs": int(watermark.timestamp() * 1000)}
    context.state.put(f"{path}/offsets/0", f"v1\n{json.dumps(metadata)}\n-\n-".encode())
    if finished:
        context.state.put(f"{path}/commits/0", b"v1\n{}")


def fill(context: Context, before: dt.datetime) -> None:
    Checkpoint(context.state, MARKET_SNAPSHOTS).leave_note(FILLED, wire_time(before).encode())


def test_stream_that_has_started_and_finished_no_batch_leaves_nothing_to_rebuild(tmp_path: Path) -> None:
    context = world(tmp_path, UnreadLake())
    start_batch(context, NOON, finished=False)
    assert closed_before(context) is None


def test_filled_table_is_closed_up_to_where_it_was_filled_until_its_stream_is_further(tmp_path: Path) -> None:
    context = world(tmp_path, UnreadLake())
    fill(context, NOON)
    assert closed_before(context) == NOON
    start_batch(context, NOON + HOUR, finished=False)
    assert closed_before(context) == NOON
    start_batch(context, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), finished=True)
    assert closed_before(context) == NOON
    start_batch(context, NOON + HOUR, finished=True)
    assert closed_before(context) == NOON + HOUR - TOLERANCE


def test_finished_batch_closes_what_lies_before_its_watermark_less_the_tolerance(tmp_path: Path) -> None:
    context = world(tmp_path, UnreadLake())
    start_batch(context, NOON, finished=True)
    assert closed_before(context) == NOON - TOLERANCE


def test_nothing_is_closed_in_a_lake_without_rows(tmp_path: Path) -> None:
    assert closed_before(world(tmp_path, EmptyLake())) is None
