"""SQL with named parameters: which are parameters, and what is no single SELECT."""

import pytest

from contracts.errors import SettingsError
from serve.query.statement import Statement


@pytest.mark.parametrize(
    ("sql", "names", "numbered"),
    [
        ("SELECT 1", (), "SELECT 1"),
        ("SELECT :b, :a, :b", ("b", "a"), "SELECT $1, $2, $1"),
        ("select :a::int, x::text", ("a",), "select $1::int, x::text"),
        ("SELECT ':no', \":no\", 'it''s :no'", (), "SELECT ':no', \":no\", 'it''s :no'"),
        ("SELECT 1 -- :no\n, :a /* :no ; ' */", ("a",), "SELECT 1 -- :no\n, $1 /* :no ; ' */"),
        ("SELECT list[1:2], ts[:a]", ("a",), "SELECT list[1:2], ts[$1]"),
        (
            "WITH t AS (SELECT 1) SELECT * FROM t WHERE x=:a_1",
            ("a_1",),
            "WITH t AS (SELECT 1) SELECT * FROM t WHERE x=$1",
        ),
        ("SELECT '12:30:00', dateadd('h', -:hours, t)", ("hours",), "SELECT '12:30:00', dateadd('h', -$1, t)"),
    ],
)
def test_parameters_are_what_is_not_quoted(sql: str, names: tuple[str, ...], numbered: str) -> None:
    statement = Statement(sql)
    assert (statement.names, statement.numbered()) == (names, numbered)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "DROP TABLE alt_liquidations",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "/* SELECT */ TRUNCATE TABLE t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;",
        "SELECT 1) ; DROP TABLE t; --",
        "SELECT * FROM (SELECT 1",
        "SELECT 1) FROM (SELECT 2",
        "SELECT 'open",
        'SELECT "open',
        "SELECT /* open",
        "SELECT $1",
        "SELECT ?",
        "PRAGMA database_list",
        "ATTACH 'x'",
        "COPY t TO 'x'",
        "EXPLAIN SELECT 1",
    ],
)
def test_what_is_no_single_select_is_refused(sql: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        Statement(sql)


def test_a_semicolon_in_quotes_ends_nothing() -> None:
    assert Statement("SELECT 'a;b' AS \"c;d\" -- e;f").names == ()
