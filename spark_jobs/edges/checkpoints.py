"""What a streaming query's checkpoint says, read without Spark.

Layout (Spark 4.2): `offsets/N` holds the metadata of batch N, the watermark it ran with included; `commits/N` says that
batch N ended, with the watermark that the next one has to run with.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from deltalake import DeltaTable

from contracts.tables import Table
from spark_jobs.edges.store import ObjectStore


class Reached(NamedTuple):
    """How far a query has read a Delta table: the version that it goes on with, which it may have read in part.

    `in_snapshot` says that this is the version with which it began, of which it still reads all rows.
    """

    next_version: int
    in_snapshot: bool

    def lacks(self, version: int) -> bool:
        """Say whether the query has still to read this version of the table."""
        return self.in_snapshot or version >= self.next_version


class Checkpoint:
    """The checkpoint of a query, which has the name of the table that it writes unless another is given."""

    def __init__(self, store: ObjectStore, query: Table | str) -> None:
        self._store = store
        self.path = f"checkpoints/{query if isinstance(query, str) else query.name}"

    def exists(self) -> bool:
        """Say whether a query has ever started a batch from this checkpoint."""
        return bool(self._batches("offsets"))

    def committed_watermark_ms(self) -> int | None:
        """Return the watermark (ms since 1970) that the newest finished batch ran with; None before the first one."""
        offsets = self._newest_finished()
        return _watermark_ms(offsets) if offsets else None

    def committed_offsets(self, topic: str) -> dict[int, int] | None:
        """Return, by partition of a topic, the offset up to which the newest finished batch read; None before it."""
        offsets = self._newest_finished()
        if offsets is None:
            return None
        return {int(number): int(offset) for number, offset in json.loads(offsets[2])[topic].items()}

    def reached(self) -> dict[str, Reached]:
        """Return, by id of each Delta table that the query reads, how far the newest finished batch came."""
        return _reached(self._newest_finished() or [])

    def is_behind(self, tables: Iterable[DeltaTable]) -> bool:
        """Say whether a run would find anything to do: rows of these tables that it has not read, or a batch still due.

        Due is one that was started and did not end, and one without rows that a newer watermark calls for.
        """
        started, ended = self._batches("offsets"), self._batches("commits")
        if not ended or max(started, default=-1) != max(ended):
            return True
        offsets, commit = self._lines("offsets", max(ended)), self._lines("commits", max(ended))
        if not offsets or not commit or json.loads(commit[1])["nextBatchWatermarkMs"] > _watermark_ms(offsets):
            return True
        reached = _reached(offsets)
        return any(
            table.file_uris() if read is None else read.lacks(table.version())
            for table, read in ((table, reached.get(str(table.metadata().id))) for table in tables)
        )

    def _newest_finished(self) -> list[str] | None:
        """Return the lines of the newest finished batch's offsets: a version, its metadata, then one line a source."""
        finished = self._batches("commits")
        return self._lines("offsets", max(finished)) if finished else None

    def _lines(self, kind: str, batch: int) -> list[str] | None:
        stored = self._store.get(f"{self.path}/{kind}/{batch}")
        return stored.body.decode().splitlines() if stored else None

    def note(self, name: str) -> bytes | None:
        """Read a note that was left in the checkpoint; it goes when the checkpoint is deleted."""
        stored = self._store.get(f"{self.path}/{name}.json")
        return stored.body if stored else None

    def leave_note(self, name: str, body: bytes) -> None:
        """Leave a note in the checkpoint."""
        self._store.put(f"{self.path}/{name}.json", body)

    def _batches(self, kind: str) -> list[int]:
        """List the numbers of the batches with a file of this kind; what a crash left half-written has another name."""
        names = (key.rpartition("/")[2] for key in self._store.keys(f"{self.path}/{kind}/"))
        return [int(name) for name in names if name.isdigit()]


def _watermark_ms(offsets: list[str]) -> int:
    return int(json.loads(offsets[1])["batchWatermarkMs"])


def _reached(offsets: list[str]) -> dict[str, Reached]:
    read = (json.loads(line) for line in offsets[2:] if line.startswith("{"))
    return {
        offset["reservoirId"]: Reached(int(offset["reservoirVersion"]), offset["isStartingVersion"])
        for offset in read
        if "reservoirId" in offset
    }
