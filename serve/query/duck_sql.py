"""What DuckDB's own parser says of a query: whether it is one SELECT, and which tables it names."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import duckdb
import msgspec

from contracts.errors import SettingsError

_READS = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
"""The nodes of a query that only read, as DuckDB names them."""


class Parsed(NamedTuple):
    """A SELECT: the tables that it names, and whether the same tables always make the same rows of it."""

    tables: frozenset[str]
    is_lasting: bool


def varying_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Return the functions that do not always say the same of the same, or of which DuckDB does not say that they do.

    It says nothing of macros, such as `ago`, and of functions that make tables, such as `query`. `age` may mean now.
    """
    rows = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE stability IS DISTINCT FROM 'CONSISTENT'"
    ).fetchall()
    return frozenset({"age", *(name for (name,) in rows)})


def parse(connection: duckdb.DuckDBPyConnection, sql: str, known: Collection[str], varying: Collection[str]) -> Parsed:
    """Parse a SELECT, its parameters written as `$name`.

    Raises:
        SettingsError: it is no single SELECT, or names a table that is not known.
    """
    (text,) = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone() or ("{}",)
    parsed = msgspec.json.decode(text)
    if parsed.get("error"):
        raise SettingsError(f"sql: expected one SELECT, found: {parsed.get('error_message')}{_near(sql, parsed)}")
    if len(parsed["statements"]) != 1:
        raise SettingsError(f"sql: expected one SELECT, found {len(parsed['statements'])}")
    for node in _nodes(parsed):
        kind = str(node.get("type"))
        if kind.endswith("_NODE") and kind not in _READS:
            raise SettingsError(f"sql: expected one SELECT, found {kind.partition('_')[0]} in it")
    own = {entry["key"] for node in _nodes(parsed) for entry in node.get("cte_map", {}).get("map", [])}
    found: set[str] = set()
    for node in _nodes(parsed):
        if node.get("type") != "BASE_TABLE":
            continue
        name = ".".join(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part)
        if name in own:
            continue
        if name not in known:
            near = get_close_matches(name, known, 3) or sorted(known)
            raise SettingsError(f"sql: expected a table such as {', '.join(near)}, found {name}")
        found.add(name)
    return Parsed(frozenset(found), not any(_varies(node, varying) for node in _nodes(parsed)))


def _varies(node: dict[str, Any], varying: Collection[str]) -> bool:
    """Say whether a node is now, chance or a sample; `current_date` and its like are parsed as columns."""
    if node.get("sample") or node.get("function_name") in varying:
        return True
    return node.get("class") == "COLUMN_REF" and str(node["column_names"][-1]).lower().startswith(("current_", "local"))


def _near(sql: str, parsed: dict[str, Any]) -> str:
    position = str(parsed.get("position"))
    return f" (line {sql.count(chr(10), 0, int(position)) + 1})" if position.isdecimal() else ""


def _nodes(parsed: object) -> Iterator[dict[str, Any]]:
    if isinstance(parsed, dict):
        yield parsed
    for inner in parsed.values() if isinstance(parsed, dict) else parsed if isinstance(parsed, list) else ():
        yield from _nodes(inner)
