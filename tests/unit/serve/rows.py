"""A lake in files with literal rows, written by deltalake and published by the job's own publisher."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
from deltalake import Schema, write_deltalake

from contracts.settings import LakeSettings
from contracts.tables import Table
from serve.kafka_messages import Position
from spark_jobs.edges.lake import STATS, STATS_COLUMNS, Lake
from spark_jobs.edges.publish import publish
from spark_jobs.edges.store import FolderStore

Row = dict[str, Any]
NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)


def at(minute: float) -> dt.datetime:
    """So many minutes after noon."""
    return NOON + dt.timedelta(minutes=minute)


def lake_in(folder: Path) -> LakeSettings:
    return LakeSettings(lake=f"file://{folder}/lake", state=f"file://{folder}/state")


def write(lake: LakeSettings, table: Table, rows: Sequence[Row]) -> None:
    """Append rows; columns that a row lacks are null."""
    schema = pa.schema(cast(Any, Schema.from_json(table.schema.json()).to_arrow()))
    dated = [row if "date" in row else {**row, "date": _time_of(row).date()} for row in rows]
    # The statistics that the jobs' tables have, and no others.
    stats = {STATS: ",".join(name for name in STATS_COLUMNS if name in table.schema.names)}
    write_deltalake(
        f"{lake.lake}/{table.path}",
        pa.Table.from_pylist(dated, schema),
        mode="append",
        partition_by=["date"],
        configuration=stats,
    )


def _time_of(row: Row) -> dt.datetime:
    return cast(dt.datetime, row["event_time" if "event_time" in row else "open_time"])


def published(lake: LakeSettings, table: Table, rows: Sequence[Row]) -> None:
    """Append rows and publish the table."""
    write(lake, table, rows)
    nothing = cast(Any, None)  # publishing reads the table's log alone: no Spark
    ours = cast(Any, SimpleNamespace(check=lambda: None))
    publish(FolderStore(Path(lake.lake.removeprefix("file://"))), table, Lake(nothing, lake, ours, nothing))


def candle(minute: int, prices: str, *, venue: str = "coin_market_cap", coin: str = "BTC", quote: str = "USD") -> Row:
    """`prices` are open, high, low, close and average."""
    names = ("open", "high", "low", "close", "average")
    return {
        "venue": venue,
        "coin": coin,
        "quote": quote,
        "interval": "10m",
        "open_time": at(minute),
        "close_time": at(minute + 10),
        **dict(zip(names, map(Decimal, prices.split()), strict=True)),
        "samples": 10,
        "expected": 10,
        "complete": True,
    }


def total(minute: int, market_cap: str) -> Row:
    return {
        "open_time": at(minute),
        "close_time": at(minute + 10),
        "interval": "10m",
        "market_cap": Decimal(market_cap),
        "coins": 100,
        "oldest_age_seconds": 2405,
        "largest_coin": "BTC",
        "dominance": Decimal("0.522234"),
    }


def snapshot(minute: float, market: str, **changes: object) -> Row:
    return {
        "coin": "BTC",
        "event_time": at(minute),
        "market": market,
        "market_quote": "TMN",
        "ticker_time": at(minute),
        "cmc_id": 1,
        "price_usd": Decimal("83434.4"),
        "price": Decimal("9400000000"),
        "usdt_tmn": Decimal("111234.56"),
        "base_tmn": Decimal("9280788472.064"),
        "price_tmn": Decimal("9400000000"),
        "premium": Decimal("0.012845151"),
        "quote_offset": 7,
        "ticker_offset": 9,
        **changes,
    }


def quote(minute: float, offset: int, price: str, **changes: object) -> Row:
    """Build a row of bronze coin_market_cap."""
    return {
        **_landed("coin_market_cap", minute, offset),
        "poll_time": at(minute),
        "cmc_id": 1,
        "coin": "BTC",
        "symbol": "BTC",
        "name": "Bitcoin",
        "quote": "USD",
        "price": Decimal(price),
        **changes,
    }


def ticker(minute: float, offset: int, price: str | None, **changes: object) -> Row:
    """Build a row of bronze wallex."""
    return {
        **_landed("wallex", minute, offset),
        "symbol": "BTCTMN",
        "base": "BTC",
        "quote": "TMN",
        "price": None if price is None else Decimal(price),
        "usdt_tmn": Decimal("111234.56"),
        **changes,
    }


def _landed(topic: str, minute: float, offset: int) -> Row:
    return {
        "venue": topic,
        "event_time": at(minute),
        "ingest_time": at(minute),
        "kafka_topic": topic,
        "kafka_partition": 0,
        "kafka_offset": offset,
        "kafka_time": at(minute),
        "repeat": False,
    }


class KeptMessages:
    """A broker that still has some messages."""

    def __init__(self, kept: dict[Position, bytes | None]) -> None:
        self.kept = kept

    def read(self, positions: Any) -> dict[Position, bytes | None]:
        return {position: self.kept[position] for position in positions if position in self.kept}
