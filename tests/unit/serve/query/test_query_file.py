"""The file of queries: what is wrong with one is named, an edit is picked up, a broken edit changes nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from serve.query.query_file import LOOK_SECONDS, QueryFile
from tests.unit.serve.query.served import Query, Served, lake_query, parameter, served, write_queries

ONE = {"one": lake_query("SELECT 1 AS n")}
TWO = {"two": lake_query("SELECT 2 AS n")}
LIMIT = {"limit": parameter("integer")}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"store": "lake", "sql": "SELECT 1"}, "q: object missing required field `description`"),
        (lake_query("SELECT 1", row_limit="x"), "q: row_limit: expected `int`, got `str`"),
        (lake_query("SELECT 1", row_limit=0), "q: row_limit: expected `int` >= 1"),
        (lake_query("SELECT 1", time_limit_seconds=0), "q: time_limit_seconds: expected `float` > 0.0"),
        (lake_query("SELECT 1", limit=3), "q: object contains unknown field `limit`"),
        (lake_query("SELECT 1", store="mysql"), "q: store: invalid enum value 'mysql'"),
        (lake_query("SELECT :limit", parameters={"limit": {"type": "float"}}), "q: parameters[...].type: invalid enum"),
        (lake_query("SELECT :x", parameters=LIMIT), "q: sql: expected parameters of limit, found :x"),
        (lake_query("SELECT 1", parameters=LIMIT), "q: parameters.limit: expected a parameter that the SQL uses"),
        (
            lake_query("SELECT :format", parameters={"format": parameter("text")}),
            "q: parameters.format: expected lower",
        ),
        (lake_query("SELECT :L", parameters={"L": parameter("text")}), "q: parameters.L: expected lower case letters"),
        (lake_query("SELEC 1"), "q: sql: expected one SELECT, or WITH and SELECT, found SELEC"),
        (lake_query("SELECT 1 FROM"), 'q: sql: expected one SELECT, found: syntax error at or near "FROM" (line 1)'),
        (
            lake_query("SELECT 1\nFROM gap s s"),
            'q: sql: expected one SELECT, found: syntax error at or near "s" (line 2)',
        ),
        (lake_query("SELECT 1; SELECT 2"), "q: sql: expected one statement without a semicolon, found ';'"),
        (
            lake_query("WITH x AS (DELETE FROM candles RETURNING *) SELECT * FROM x"),
            "q: sql: expected one SELECT, found DELETE",
        ),
        (lake_query("SELECT * FROM candels"), "q: sql: expected a table such as candles"),
        (lake_query("SELECT * FROM '/etc/passwd'"), "q: sql: expected a table such as "),
        (lake_query("SELECT * FROM topics", store="kafka", parameters=LIMIT), "q: parameters.limit: expected a param"),
        (lake_query("SELECT * FROM messages", store="kafka"), "q: parameters: expected topic, a text, and limit"),
        (lake_query("SELECT * FROM candles", store="kafka"), "q: sql: expected a table such as lag, messages, topics"),
        (lake_query("SELECT 1", store="questdb", parameters=LIMIT), "q: parameters.limit: expected a parameter"),
        (lake_query("DROP TABLE alt_liquidations", store="questdb"), "q: sql: expected one SELECT, or WITH"),
    ],
)
async def test_what_is_wrong_with_a_query_is_named(query: Query, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        async with served(tmp_path, {"q": query}):
            pass
    assert str(raised.value).startswith(f"{tmp_path}/queries.json: {said}")


@pytest.mark.parametrize("key", ["", "A", "a-b", "a/b", "1a", "a" * 64, "é"])
async def test_a_key_that_no_path_should_have_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected a key of lower case letters"):
        async with served(tmp_path, {key: lake_query("SELECT 1")}):
            pass


async def test_a_new_query_answers_without_a_restart_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    async with served(tmp_path, ONE) as api:
        assert (await api.ask("two")).status == 404
        write_queries(api.file, ONE | TWO)
        await _looked(api)
        assert (await api.ask("two")).body["rows"] == [[2]]
        assert set((await api.get("/openapi.json")).body["paths"]) == {"/api/q", "/api/q/one", "/api/q/two"}
        write_queries(api.file, TWO)
        await _looked(api)
        assert (await api.ask("one")).status == 404
        assert await api.measured("file_reads") == 3


async def test_an_edit_in_place_of_the_same_length_is_seen(tmp_path: Path) -> None:
    async with served(tmp_path, ONE) as api:
        api.file.write_text(json.dumps(ONE).replace("SELECT 1", "SELECT 7"))
        await _looked(api)
        assert (await api.ask("one")).body["rows"] == [[7]]


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"one": 3}', '{"one": {"sql": "SELECT 1"}}', "\xff"])
async def test_a_broken_edit_leaves_the_last_good_queries_and_is_told(broken: str, tmp_path: Path) -> None:
    async with served(tmp_path, ONE) as api:
        api.file.write_text(broken, encoding="latin-1")
        await _looked(api)
        assert (await api.ask("one")).body["rows"] == [[1]]
        health = await api.get("/healthz")
        assert health.status == 200
        assert health.body["queries"] == 1
        assert health.body["refused"] is True
        told = (await api.get("/api/q")).body["refused"]
        assert "expected" in told or "missing" in told
        assert await api.measured("file_refused") == 1
        write_queries(api.file, TWO)
        await _looked(api)
        assert (await api.ask("two")).body["rows"] == [[2]]
        assert "refused" not in (await api.get("/healthz")).body
        assert "refused" not in (await api.get("/api/q")).body


async def test_a_new_query_with_bad_sql_is_told_to_who_asks_for_it(tmp_path: Path) -> None:
    async with served(tmp_path, ONE) as api:
        write_queries(api.file, {**ONE, "bad": lake_query("SELECT FROM WHERE")})
        await _looked(api)
        answer = await api.ask("bad")
        assert (answer.status, answer.body["kind"]) == (422, "refused")
        assert answer.body["found"].startswith("bad: sql: expected one SELECT, found: syntax error")
        assert (await api.ask("other")).status == 404
        assert (await api.ask("one")).status == 200


async def test_a_file_that_vanishes_and_comes_back_is_read_again(tmp_path: Path) -> None:
    async with served(tmp_path, ONE) as api:
        api.file.unlink()
        await _looked(api)
        assert (await api.ask("one")).status == 200
        assert (await api.get("/healthz")).body["refused"] is True
        assert "No such file" in (await api.get("/api/q")).body["refused"]
        write_queries(api.file, ONE)
        await _looked(api)
        assert "refused" not in (await api.get("/healthz")).body


def test_a_file_that_is_not_there_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected a file that can be read, found: No such file"):
        QueryFile(tmp_path / "none.json", {})


async def test_sql_may_be_written_line_by_line(tmp_path: Path) -> None:
    query: dict[str, Any] = lake_query("") | {
        "sql": ["SELECT 1 AS n -- a comment ends with its line", "UNION ALL SELECT 2"]
    }
    async with served(tmp_path, {"lines": query}) as api:
        assert (await api.ask("lines")).body["rows"] == [[1], [2]]


async def _looked(_: Served) -> None:
    """Wait until the server looks at its file again."""
    await asyncio.sleep(LOOK_SECONDS)
