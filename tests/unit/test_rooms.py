"""The rules between the rooms that import-linter cannot see."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = sorted([*(ROOT / "spark_jobs" / "transforms").glob("*.py"), *(ROOT / "spark_jobs" / "columns").glob("*.py")])
FORBIDDEN = {
    "SparkSession",
    "getActiveSession",
    "getOrCreate",
    "environ",
    "getenv",
    "now",
    "current_timestamp",
    "collect",
}


@pytest.mark.parametrize("file", PURE, ids=lambda file: file.stem)
def test_a_transform_sees_no_session_environment_or_clock_and_collects_nothing(file: Path) -> None:
    tree = ast.parse(file.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not (names | attributes) & FORBIDDEN


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "handler"])
def test_no_file_has_a_name_that_says_nothing(word: str) -> None:
    rooms = ("contracts", "ingest", "spark_jobs", "serve", "simulator", "infra")
    assert not [file for room in rooms for file in (ROOT / room).rglob("*.py") if word in file.stem]
