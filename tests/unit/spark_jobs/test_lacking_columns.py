"""A table of an earlier version gets the columns that it lacks; one that differs otherwise is refused."""

from pathlib import Path
from typing import Any, cast

import pytest
from deltalake import DeltaTable, Schema
from deltalake.schema import Field
from pyspark.sql.types import LongType, StringType, StructField, StructType

from contracts.errors import JobError
from contracts.settings import LakeSettings
from contracts.tables import MARKET_SNAPSHOTS, Layer, Table
from spark_jobs.edges.lake import Lake


class Held:
    """A lease that holds, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def check(self) -> None:
        self.asked += 1


def table_of(*fields: StructField) -> Table:
    date = MARKET_SNAPSHOTS.schema["date"]
    return Table(
        name="t", layer=Layer.SILVER, schema=StructType([*fields, date]), identity=("a",), event_columns=("a",)
    )


A = StructField("a", StringType(), nullable=False)


def lake_in(folder: Path) -> tuple[Lake, Held]:
    held = Held()
    nothing = cast(Any, None)
    return Lake(
        nothing, LakeSettings(lake=f"file://{folder}", state=f"file://{folder}"), cast(Any, held), nothing
    ), held


def fields(found: DeltaTable | None) -> list[Field]:
    assert found is not None
    return list(found.schema().fields)


def test_new_nullable_columns_are_added_once_under_the_lease(tmp_path: Path) -> None:
    lake, held = lake_in(tmp_path)
    lake.ensure(table_of(A))
    now = table_of(A, StructField("b", LongType()), StructField("c", StringType()))
    lake.ensure(now)
    assert held.asked == 1
    expected = {field.name: field for field in Schema.from_json(now.schema.json()).fields}
    assert {field.name: field for field in fields(lake.delta(now))} == expected
    version = cast(DeltaTable, lake.delta(now)).version()
    lake.ensure(now)
    assert cast(DeltaTable, lake.delta(now)).version() == version


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ((StructField("a", LongType(), nullable=False),), r"a \(expected long not null, found string not null\)"),
        ((StructField("a", StringType()),), r"a \(expected string, found string not null\)"),
        ((A, StructField("b", LongType(), nullable=False)), r"b \(expected long not null, found no such column\)"),
        ((), r"a \(expected no such column, found string not null\)"),
    ],
    ids=["another type", "null", "a new one that must not be null", "an unknown one"],
)
def test_any_other_difference_is_refused_and_changes_nothing(
    tmp_path: Path, now: tuple[StructField, ...], message: str
) -> None:
    lake, _ = lake_in(tmp_path)
    lake.ensure(table_of(A))
    with pytest.raises(JobError, match=f"table t was made by another version of coinlake: {message}"):
        lake.ensure(table_of(*now))
    assert cast(DeltaTable, lake.delta(table_of(A))).version() == 0


def test_a_property_that_a_table_lacks_is_added_and_one_that_it_has_stays(tmp_path: Path) -> None:
    lake, _ = lake_in(tmp_path)
    lake.ensure(table_of(A))
    assert lake.ensure(table_of(A), {"coinlake.topic_id": "first"})["coinlake.topic_id"] == "first"
    assert lake.ensure(table_of(A), {"coinlake.topic_id": "second"})["coinlake.topic_id"] == "first"
