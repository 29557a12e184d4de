"""The three Spark shells on a lake with data: the README's own lines, typed into them."""

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from contracts.tables import CANDLES, PUBLISHED, TABLES
from infra.children import Child
from infra.demo.replay import Market
from infra.object_store import BUCKETS
from infra.stack import StackInfo
from tests.integration.conftest import (
    COINLAKE,
    Ran,
    S3Client,
    client_of,
    coinlake,
    delta,
    lake_of,
    own_stack,
    play,
    ran,
)

README = Path(__file__).parent.parent.parent / "README.md"
SHELLS = ("scala", "python", "sql")
FILLED = 2
"""The version of the candles after both of their queries have committed."""


@dataclass(frozen=True)
class World:
    """A lake whose candles were created, filled by two queries and rid of a coin; every shell has run on it."""

    stack: StackInfo
    objects_before: dict[str, str]
    typed: dict[str, Ran]

    def btc(self, version: int | None = None) -> list[tuple[str, ...]]:
        """Read the 10-minute candles of BTC without Spark, as a shell prints them."""
        table = delta(lake_of(self.stack), CANDLES)
        table.load_as_version(table.version() if version is None else version)
        rows = [row for row in table.to_pyarrow_table().to_pylist() if (row["coin"], row["interval"]) == ("BTC", "10m")]
        assert all(isinstance(row["close"], Decimal) for row in rows)
        printed = (
            (row["venue"], row["quote"], f"{row['open_time']:%Y-%m-%d %H:%M:%S}", f"{row['close']:f}") for row in rows
        )
        return sorted(printed)

    def count(self, version: int) -> int:
        """Count the candles of a version without Spark."""
        table = delta(lake_of(self.stack), CANDLES)
        table.load_as_version(version)
        return int(table.to_pyarrow_table(columns=["coin"]).num_rows)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("shells")
    with own_stack(folder / "home") as stack:
        play(stack, Market(40 * 60, 120, seed=4))
        (folder / "posts.jsonl").write_text('{"id": "1", "text": "gm", "created_at": "2024-03-19T12:00:00Z"}\n')
        coinlake(stack, "import-posts", str(folder / "posts.jsonl"), "--coin", "bitcoin").well()
        coinlake(stack, "process").well()
        delta(lake_of(stack), CANDLES).delete("coin = 'ETH'")
        before = objects(client_of(stack))
        typed = {name: type_in(stack, folder, name) for name in SHELLS}
        yield World(stack, before, typed)


def lines_of_readme(language: str) -> str:
    """Return what the README tells its reader to type into a shell."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f"expected one block of {language} in README.md, found {len(blocks)}"
    return str(blocks[0])


def type_in(stack: StackInfo, folder: Path, language: str) -> Ran:
    script = folder / f"typed.{language}"
    script.write_text(lines_of_readme(language))
    if language == "sql":
        return coinlake(stack, "shell", "--sql", "-f", str(script))
    command = f"{shlex.join([*COINLAKE, 'shell', f'--{language}'])} < {shlex.quote(str(script))}"
    env = {"COINLAKE_HOME": str(stack.home), **stack.env()}
    return ran(["bash", "-c", command], stack.home / "logs" / "command.log", env)


def objects(store: S3Client) -> dict[str, str]:
    """Return every object of the lake and its state, leases among them, with the tag of its content."""
    pages = [page for bucket in BUCKETS for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket)]
    return {f"{page['Name']}/{item['Key']}": item["ETag"] for page in pages for item in page.get("Contents", [])}


def cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("| \n").split("|"))


def shown_tables(run: Ran) -> list[list[tuple[str, ...]]]:
    """Return the rows of each table that `show` printed."""
    tables: list[list[tuple[str, ...]]] = []
    borders = 0
    for line in run.out:
        text = re.sub(r"^(scala|>>>)\s*>?\s*", "", line)
        if re.fullmatch(r"\+[-+]+\+", text):
            borders += 1
            if borders % 3 == 1:
                tables.append([])
        elif borders % 3 == 2 and text.startswith("|"):
            tables[-1].append(cells(text))
    return tables


@pytest.mark.parametrize("shell", SHELLS)
def test_readme_lines_end_well(world: World, shell: str) -> None:
    run = world.typed[shell]
    assert run.code == 0, "\n".join([*run.out, *run.err])
    assert [line for line in [*run.out, *run.err] if re.search(r"\b(Exception|Error|error)\b", line)] == []


def test_spark_shell_prints_the_published_candles_of_btc(world: World) -> None:
    assert shown_tables(world.typed["scala"])[0] == world.btc(version=FILLED)


def test_spark_shell_travels_in_time(world: World) -> None:
    _, by_version, by_time, *_ = shown_tables(world.typed["scala"])
    assert world.count(FILLED) > world.count(FILLED + 1) > world.count(0) == 0
    assert by_version == [(str(world.count(FILLED)),)]
    assert by_time == [(str(world.count(0)),)]


def test_pyspark_prints_the_candles_of_btc_and_travels_in_time(world: World) -> None:
    candles, by_version, *_ = shown_tables(world.typed["python"])
    assert candles == world.btc()
    assert by_version == [(str(world.count(FILLED)),)]


def test_spark_sql_travels_in_time_and_counts_what_is_published(world: World) -> None:
    rows = [tuple(line.split("\t")) for line in world.typed["sql"].out]
    assert [row for row in rows if len(row) == 4] == world.btc(version=FILLED)
    assert rows[-1] == (str(len(world.btc(version=FILLED))),)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_table_is_there_by_its_name_and_is_said(world: World, shell: str) -> None:
    names = [*(table.name for table in TABLES), *(f"published_{table.name}" for table in PUBLISHED)]
    assert f"tables: {', '.join(names)}" in world.typed[shell].err


def test_shells_change_nothing_and_take_no_lease(world: World) -> None:
    assert objects(client_of(world.stack)) == world.objects_before


@pytest.mark.long
def test_a_statement_on_the_command_line_is_passed_on_and_its_error_is_the_exit_code(world: World) -> None:
    names = [table.name for table in TABLES] + [f"published_{table.name}" for table in PUBLISHED]
    counts = "; ".join(f"SELECT count(*) FROM {name}" for name in names)
    ran_well = coinlake(world.stack, "shell", "--sql", "-e", counts).well()
    lake = lake_of(world.stack)
    expected = [delta(lake, table).to_pyarrow_table().num_rows for table in TABLES]
    assert [int(line) for line in ran_well.out][: len(TABLES)] == expected
    assert all(int(line) > 0 for line in ran_well.out[len(TABLES) :])
    assert coinlake(world.stack, "shell", "--sql", "-e", "SELECT * FROM no_such_table").code == 1


def test_shell_of_an_empty_lake_opens_without_tables(world: World) -> None:
    empty = coinlake(world.stack, "shell", "--sql", "-e", "SELECT 41 + 1", COINLAKE_LAKE="s3a://lake-house/empty")
    assert (empty.code, empty.out) == (0, ["42"])
    assert "tables: none yet: run coinlake process first" in empty.err


def test_the_key_is_on_no_command_line(world: World, tmp_path: Path) -> None:
    secret = world.stack.s3_secret_key.get_secret_value()
    env = {"COINLAKE_HOME": str(world.stack.home), **world.stack.env()}
    seen: set[str] = set()
    with Child(
        "shell", [*COINLAKE, "shell", "--sql", "-e", "SELECT count(*) FROM candles"], env=env, log=tmp_path / "log"
    ) as shell:
        while shell.running():
            for process in [psutil.Process(shell.pid), *psutil.Process(shell.pid).children(recursive=True)]:
                try:
                    seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue
            time.sleep(0.1)
        assert shell.wait() == 0
    assert any("SparkSQLCLIDriver" in line for line in seen)
    assert [line for line in seen if secret in line] == []
    written = [path for path in (world.stack.home / "spark").rglob("*") if path.is_file()]
    assert written
    assert [path for path in written if secret.encode() in path.read_bytes()] == []


def test_without_a_stack_the_shell_is_one_clear_line(tmp_path: Path) -> None:
    env = {"COINLAKE_HOME": str(tmp_path), "COINLAKE_S3_ENDPOINT": "http://127.0.0.1:1"}
    done = ran([*COINLAKE, "shell"], tmp_path / "log", env)
    assert done.code == 1
    assert done.out == []
    assert done.err == [
        'coinlake: expected an object store at http://127.0.0.1:1, found none: start it with "coinlake up" '
        "or set COINLAKE_S3_ENDPOINT"
    ]
