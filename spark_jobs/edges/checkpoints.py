"""What a streaming query's checkpoint says, read without Spark.

Layout (Spark 4.2): `offsets/N` holds the metadata of batch N, the watermark it ran with included; `commits/N` says that
batch N ended.
"""

import json

from contracts.tables import Table
from spark_jobs.edges.store import ObjectStore


class Checkpoint:
    """The checkpoint of the query that writes one table; its path derives from the table's name."""

    def __init__(self, store: ObjectStore, table: Table) -> None:
        self._store = store
        self.path = f"checkpoints/{table.name}"

    def exists(self) -> bool:
        """Say whether a query has ever started a batch from this checkpoint."""
        return any(True for _ in self._store.keys(f"{self.path}/offsets/"))

    def committed_watermark_ms(self) -> int | None:
        """Return the watermark (ms since 1970) that the newest finished batch ran with; None before the first one."""
        finished = [
            int(name) for key in self._store.keys(f"{self.path}/commits/") if (name := key.rpartition("/")[2]).isdigit()
        ]
        if not finished:
            return None
        offsets = self._store.get(f"{self.path}/offsets/{max(finished)}")
        if offsets is None:
            return None
        metadata = json.loads(offsets.body.decode().splitlines()[1])
        return int(metadata["batchWatermarkMs"])

    def note(self, name: str) -> bytes | None:
        """Read a note that was left in the checkpoint; it goes when the checkpoint is deleted."""
        stored = self._store.get(f"{self.path}/{name}.json")
        return stored.body if stored else None

    def leave_note(self, name: str, body: bytes) -> None:
        """Leave a note in the checkpoint."""
        self._store.put(f"{self.path}/{name}.json", body)
