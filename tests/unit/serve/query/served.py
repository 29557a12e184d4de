"""A query API that listens, over a lake in files and with stores that are not there for the others."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from contracts.settings import KafkaSettings, LakeSettings, QuestDbSettings
from serve.query.application import Parts, application
from serve.query.server import opened
from serve.query.settings import QuerySettings
from tests.unit.serve.rows import lake_in

NOWHERE = 1
"""A port on which nothing listens."""
Query = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers and body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    """A server that listens, its parts, and its file of queries."""

    client: TestClient[web.Request, web.Application]
    parts: Parts
    file: Path

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        async with self.client.get(path, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def ask(self, key: str, **params: str) -> Answer:
        async with self.client.get(f"/api/q/{key}", params=params) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def measured(self, name: str, **labels: str) -> float:
        """Return a value of /metrics, 0 where there is none."""
        families = list(text_string_to_metric_families((await self.get("/metrics")).text))
        samples = [s for family in families for s in family.samples if s.name == f"coinlake_query_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def lake_query(sql: str, *, store: str = "lake", description: str = "What a test asks.", **fields: Any) -> Query:
    return {"description": description, "store": store, "sql": sql, **fields}


def parameter(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "description": f"a {kind}", **fields}


def write_queries(file: Path, queries: Mapping[str, Query]) -> None:
    """Write the file of queries as an editor does: a new file in the place of the old one."""
    partial = file.with_suffix(".new")
    partial.write_text(json.dumps(queries))
    partial.replace(file)


@asynccontextmanager
async def served(
    folder: Path, queries: Mapping[str, Query] | None = None, lake: LakeSettings | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Serve a file of queries in `folder`, the shipped one where none are given, on a free port."""
    file = folder / "queries.json"
    if queries is not None:
        write_queries(file, queries)
    rules = QuerySettings(**{"queries": "" if queries is None else str(file), "query_fresh_seconds": 0, **settings})
    nowhere = QuestDbSettings(questdb_pg_port=NOWHERE), KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{NOWHERE}")
    async with (
        opened(rules, lake or lake_in(folder), *nowhere) as parts,
        TestClient(TestServer(application(parts))) as client,
    ):
        yield Served(client, parts, file)
