"""Up to which offset each topic has landed in its bronze table."""

import pyarrow as pa
from deltalake import DeltaTable

_COLUMNS = ["kafka_partition", "kafka_offset"]


def next_offsets(table: DeltaTable, partitions: int) -> dict[int, int]:
    """Return, for each partition that a bronze table has rows of, the offset after the highest one.

    Only files are read that can hold a higher offset than was found before, by their statistics.

    Args:
        table: a bronze table, which has statistics of `kafka_offset`.
        partitions: how many the topic has.
    """
    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    newest = {file["path"]: file["max.kafka_offset"] for file in files if file.get("max.kafka_offset") is not None}
    highest: dict[int, int] = {}
    fragments = {fragment.path: fragment for fragment in table.to_pyarrow_dataset().get_fragments()}
    for path in sorted(newest, key=lambda path: newest[path], reverse=True):
        if len(highest) == partitions and newest[path] <= min(highest.values()):
            break
        found = (
            fragments[path].to_table(columns=_COLUMNS).group_by("kafka_partition").aggregate([("kafka_offset", "max")])
        )
        for row in found.to_pylist():
            number, offset = row["kafka_partition"], row["kafka_offset_max"]
            highest[number] = max(offset, highest.get(number, offset))
    return {number: offset + 1 for number, offset in sorted(highest.items())}
