"""Kafka as a store: DuckDB over what its broker, and the readers of its topics, say."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from contracts.errors import NoDataError, SettingsError, StoreError
from contracts.tables import LANDINGS, Landing
from serve.query.duck import Duck
from serve.query.errors import StoreDownError
from serve.query.failed import first_line
from serve.query.fresh import Fresh
from serve.query.kafka_facts import MESSAGES, MOST_MESSAGES, TOPICS, KafkaFacts, Row
from serve.query.lake_tables import LakeTables
from serve.query.landed import next_offsets
from serve.query.queries import Named
from serve.query.result import Result
from serve.query.slots import Slots
from serve.query.values import Value

_LAG = pa.schema(
    [
        ("consumer", pa.string()),
        ("reader", pa.string()),
        ("topic", pa.string()),
        ("partition", pa.int64()),
        ("next_offset", pa.int64()),
        ("end_offset", pa.int64()),
        ("lag", pa.int64()),
    ]
)
KAFKA_TABLES = frozenset({"topics", "lag", "messages"})


class KafkaStore:
    """Answers queries on Kafka. A query of `messages` has the parameters topic and limit, which say what is read."""

    def __init__(self, facts: KafkaFacts, lake: LakeTables, duck: Duck, slots: Slots, fresh_seconds: float) -> None:
        self._facts = facts
        self._lake = lake
        self._duck = duck
        self._slots = slots
        self._rows: Fresh[list[Row]] = Fresh(fresh_seconds)
        self._landed: dict[str, tuple[tuple[object, int], dict[int, int]]] = {}

    def check(self, named: Named) -> None:
        """See `Store.check`."""
        declared = {name: parameter.type for name, parameter in named.query.parameters.items()}
        needed = {"topic": "text", "limit": "integer"}
        if "messages" in self._duck.tables(named, KAFKA_TABLES) and not needed.items() <= declared.items():
            raise SettingsError("parameters: expected topic, a text, and limit, an integer, which say what is read")

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        """See `Store.answer`."""
        names = self._duck.tables(named, KAFKA_TABLES)
        async with self._slots.turn(named.query.time_limit_seconds):
            return await self._duck.answer(
                named, values, lambda anew: {name: self._table(name, values, anew) for name in sorted(names)}
            )

    async def close(self) -> None:
        """See `Store.close`; DuckDB is not ours, and clients of Kafka end with their last use."""

    def _table(self, name: str, values: Mapping[str, Value | None], anew: bool) -> pa.Table:
        try:
            return self._read(name, values, anew)
        except StoreError as error:
            raise StoreDownError(f"kafka: {error}") from None

    def _read(self, name: str, values: Mapping[str, Value | None], anew: bool) -> pa.Table:
        if name == "messages":
            topic, limit = values["topic"], values["limit"]
            rows = self._facts.newest(str(topic), limit if isinstance(limit, int) else MOST_MESSAGES)
            return pa.Table.from_pylist(rows, MESSAGES)
        if name == "lag":
            return pa.Table.from_pylist(self._rows.get("lag", self._lag, anew=anew), _LAG)
        return pa.Table.from_pylist(self._topics(anew=anew), TOPICS)

    def _topics(self, *, anew: bool = False) -> list[Row]:
        return self._rows.get("topics", self._facts.topics, anew=anew)

    def _lag(self) -> list[Row]:
        ends = {(row["topic"], row["partition"]): row for row in self._topics(anew=True)}
        partitions = Counter(topic for topic, _ in ends)
        found = [
            _lag_of("bronze", landing.table.name, place, landed.get(place[1]), ends[place])
            for landing in LANDINGS
            if (landed := self._landed_offsets(landing, partitions[landing.stream.topic])) is not None
            for place in ends
            if place[0] == landing.stream.topic
        ]
        for row in self._facts.committed():
            place = row["topic"], row["partition"]
            if place in ends:
                found.append(_lag_of("connect", row["group"], place, row["next_offset"], ends[place]))
        return found

    def _landed_offsets(self, landing: Landing, partitions: int, *, anew: bool = False) -> dict[int, int] | None:
        """Return the next offsets of a bronze table; None where there is no table yet."""
        name = landing.table.name
        try:
            found = self._lake.delta(landing.table, anew=anew)
            # Before its files are read: others may bring it up to now meanwhile.
            version = found.metadata().id, found.version()
            known, offsets = self._landed.get(name, (None, {}))
            if known != version:
                offsets = next_offsets(found, partitions)
                self._landed[name] = version, offsets
        except NoDataError:
            return None
        except StoreError as error:
            raise StoreDownError(f"lake: {error}") from None
        except (KeyError, OSError) as error:
            if not anew:  # its files were removed or replaced
                return self._landed_offsets(landing, partitions, anew=True)
            raise StoreDownError(f"lake: cannot read {name}", found=first_line(str(error))) from None
        return offsets


def _lag_of(consumer: str, reader: str, place: tuple[str, int], next_offset: int | None, end: Row) -> Row:
    """Count what a reader has not read of a partition; what retention has deleted meanwhile is not counted."""
    start = end["first_offset"] if next_offset is None else next_offset
    return {
        "consumer": consumer,
        "reader": reader,
        "topic": place[0],
        "partition": place[1],
        "next_offset": next_offset,
        "end_offset": end["next_offset"],
        "lag": max(0, end["next_offset"] - max(start, end["first_offset"])),
    }
