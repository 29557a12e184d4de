"""The OpenAPI document: what it says of each query, and Schemathesis holding the server to it."""

import asyncio
import os
import sys
from pathlib import Path

from contracts.tables import CANDLES
from tests.unit.serve.query.served import Query, lake_query, parameter, served
from tests.unit.serve.rows import candle, lake_in, published

ROOT = Path(__file__).parents[4]
SECONDS = 120
EXAMPLES = 12
SEED = 7

EVERY_PARAMETER: Query = lake_query(
    "SELECT :text AS a, :symbol AS b, :interval AS c, :integer AS d, :decimal AS e, :time AS f, :date AS g,"
    " :boolean AS h",
    description="Every type there is.",
    row_limit=5,
    parameters={
        "text": parameter("text", required=True),
        "symbol": parameter("text", default="", pattern="[A-Z]{0,5}"),
        "interval": parameter("text", default="10m", choices=["10m", "1h"]),
        "integer": parameter("integer", default=3, minimum=1, maximum=9),
        "decimal": parameter("decimal"),
        "time": parameter("time"),
        "date": parameter("date"),
        "boolean": parameter("boolean", default=True),
    },
)
CANDLES_OF = lake_query(
    "SELECT * FROM candles WHERE coin = :coin AND open_time >= :since ORDER BY open_time LIMIT :limit",
    parameters={
        "coin": parameter("text", required=True),
        "since": parameter("time", default="2024-01-01T00:00:00Z"),
        "limit": parameter("integer", default=10, minimum=1, maximum=100),
    },
)


async def test_a_query_is_a_path_with_typed_parameters_and_all_its_answers(tmp_path: Path) -> None:
    async with served(tmp_path, {"every": EVERY_PARAMETER}) as api:
        document = (await api.get("/openapi.json")).body
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/api/q/every"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("every", "Every type there is.")
    assert operation["description"] == "At most 5 rows, stopped after 10 s."
    assert {given["name"]: (given["required"], given["schema"]) for given in operation["parameters"][:-1]} == {
        "text": (True, {"type": "string", "maxLength": 200}),
        "symbol": (False, {"type": "string", "maxLength": 200, "pattern": "^(?:[A-Z]{0,5})$", "default": ""}),
        "interval": (False, {"type": "string", "maxLength": 200, "enum": ["10m", "1h"], "default": "10m"}),
        "integer": (False, {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9, "default": 3}),
        "decimal": (False, {"type": "string", "pattern": r"^[+-]?[0-9]{1,20}(\.[0-9]{1,18})?$"}),
        "time": (False, {"type": "string", "format": "date-time"}),
        "date": (False, {"type": "string", "format": "date"}),
        "boolean": (False, {"type": "boolean", "default": True}),
    }
    assert list(operation["responses"]) == ["200", "400", "401", "403", "404", "406", "422", "429", "500", "503"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    assert "security" not in document


async def test_a_server_with_a_token_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, {"one": lake_query("SELECT 1")}, query_token="x") as api:
        document = (await api.get("/openapi.json?token=x")).body
    assert document["security"] == [{"token": []}]


async def test_schemathesis_finds_nothing_that_is_not_as_the_document_says(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(minute, "1 2 1 2 1.5") for minute in (0, 10, 20)])
    async with served(tmp_path, {"every": EVERY_PARAMETER, "candles_of": CANDLES_OF}, lake) as api:
        url = api.client.make_url("/openapi.json")
        program = Path(sys.executable).with_name("st")
        arguments = ["run", str(url), "--checks", "all", "--phases", "examples,coverage,fuzzing"]
        arguments += ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color"]
        process = await asyncio.create_subprocess_exec(
            *(str(program), *arguments),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        asked = sum([await api.measured("requests_total", key=key) for key in ("every", "candles_of")])
    assert process.returncode == 0, told.decode()
    assert asked > 2 * EXAMPLES
