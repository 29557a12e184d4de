"""What docs/query-api.md says is what the API does."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from serve.query.client import EndpointError, asking
from serve.query.errors import ERRORS
from serve.query.queries import STORE_NAMES, read_queries
from tests.unit.serve.query.served import served

TEXT = (Path(__file__).parents[4] / "docs" / "query-api.md").read_text()


def test_the_example_of_a_query_is_one() -> None:
    (example,) = re.findall(r"```json\n(\"\w+\": \{\n.*?\n\})\n```", TEXT, re.DOTALL)
    queries = read_queries(f"{{{example}}}".encode(), {name: lambda _: None for name in STORE_NAMES})
    assert [named.statement.names for named in queries.values()] == [("since", "symbol", "limit")]


def test_every_refusal_is_in_the_table() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| ((?:`\w+`(?:, )?)+) \|", TEXT, re.MULTILINE)
    said = {
        (int(status), kind.strip("` "))
        for statuses, kinds in rows
        for status, kind in zip(statuses.split(","), kinds.split(","), strict=len(statuses.split(",")) > 1)
    }
    assert said == {(error.status, error.kind) for error in ERRORS}


async def test_the_example_of_a_refusal_is_what_is_said(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(\{\"error\".*?\})\n```", TEXT, re.DOTALL)
    async with served(tmp_path) as api:
        answer = await api.ask("candles", coin="BTC", venue="wallex", quote="TMN", hours="x")
        assert answer.body == json.loads(example)


async def test_the_example_of_the_client_runs(tmp_path: Path) -> None:
    (line,) = re.findall(r"print\(error\.kind, error\)\n +# (.*)", TEXT)
    async with served(tmp_path) as api:
        with pytest.raises(EndpointError) as raised:
            await asyncio.to_thread(asking(str(api.client.make_url("/"))), "candles", coin="BTC")
    assert f"{raised.value.kind} {raised.value}" == line
