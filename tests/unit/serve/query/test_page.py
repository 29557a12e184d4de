"""The page's modules, run by Node: addresses, what a problem says, fields of parameters, cells."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from serve.query.application import PAGE
from serve.query.query_file import SHIPPED
from tests.unit.serve.live_page.node import run


def called(module: str, function: str, *arguments: Any) -> Any:
    script = f"return {function}(...given);"
    return run(script, list(arguments), imports={str(Path(PAGE) / module): function})


@pytest.mark.parametrize(
    ("values", "form", "path"),
    [
        ({}, None, "/api/q/candles"),
        ({"coin": "A/B=50% &x", "hours": ""}, None, "/api/q/candles?coin=A%2FB%3D50%25+%26x"),
        ({"coin": "BTC"}, "csv", "/api/q/candles?coin=BTC&format=csv"),
    ],
)
def test_a_question_is_an_address_that_hides_nothing(values: dict[str, str], form: str | None, path: str) -> None:
    assert called("api.js", "pathOf", "candles", values, form) == path


def test_a_problem_is_one_line() -> None:
    problem = {"error": "parameter n", "expected": "an integer", "found": "'x'", "hint": "ask again"}
    assert called("api.js", "said", problem) == "parameter n: expected an integer, found 'x' (ask again)"
    assert called("api.js", "said", {"error": "the server answered 500"}) == "the server answered 500"


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        (
            {"type": "integer", "default": 5, "minimum": 1},
            {"element": "input", "type": "number", "value": "5", "min": 1},
        ),
        ({"type": "date"}, {"element": "input", "type": "date", "value": "", "required": False}),
        ({"type": "decimal", "required": True}, {"element": "input", "type": "text", "required": True}),
        (
            {"type": "boolean", "default": False},
            {"element": "select", "choices": ["", "true", "false"], "value": "false"},
        ),
        ({"type": "text", "choices": ["1h"], "required": True}, {"element": "select", "choices": ["1h"]}),
    ],
)
def test_a_parameter_has_the_field_of_its_type(parameter: dict[str, Any], field: dict[str, Any]) -> None:
    found = called("fields.js", "fieldOf", "n", parameter)
    assert {name: found.get(name) for name in field} == field


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        (None, "\N{EN DASH}"),
        (7, "7"),
        (True, "true"),
        (["1.10"], '["1.10"]'),
        ("<b>", "<b>"),
    ],
)
def test_a_cell_is_shown_as_it_came(cell: object, text: str) -> None:
    assert called("table.js", "textOf", cell) == text


def test_an_answer_is_summed_up() -> None:
    answer = {"row_count": 1, "truncated": False, "seconds": 0.0123}
    assert called("table.js", "summaryOf", answer) == "1 row, 12 ms"
    answer = {"row_count": 1000, "truncated": True, "seconds": 1.5}
    assert called("table.js", "summaryOf", answer) == "1,000 rows, cut off at the row limit, 1500 ms"


def test_browsers_understand_every_pattern_of_the_file_as_we_do() -> None:
    """A field's pattern is read with the flag v, which wants hyphens of a class escaped; a wrong one is ignored."""
    queries = json.loads(SHIPPED.read_text())
    patterns = {
        p["pattern"] for query in queries.values() for p in query.get("parameters", {}).values() if "pattern" in p
    }
    texts = ["BTC", "BTC-USD", "alt_liquidations", "a.b-c_d", "10m", "x'", 'x"', "a;b", "a\\b", "a b", "1000XS/TMN", ""]
    script = """return given.patterns.map((p) => given.texts.map((t) => new RegExp(`^(?:${p})$`, "v").test(t)));"""
    found = run(script, {"patterns": sorted(patterns), "texts": texts}, imports={})
    assert found == [[re.fullmatch(pattern, text) is not None for text in texts] for pattern in sorted(patterns)]
