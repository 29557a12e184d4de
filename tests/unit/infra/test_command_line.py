"""`coinlake`: every error is one line and an exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli import run

ROOT = Path(__file__).parent.parent.parent.parent


def test_an_error_is_one_line_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path))
    assert run(["logs"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"coinlake: expected a log at {tmp_path}/logs/kafka.log, found none: run `coinlake up` first\n"


def test_a_wrong_setting_names_the_variable_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path))
    monkeypatch.setenv("COINLAKE_KAFKA_PORT", "99999")
    assert run(["up"]) == 2
    assert capsys.readouterr().err == (
        "coinlake: COINLAKE_KAFKA_PORT: Input should be less than or equal to 65535, found '99999'\n"
    )


def test_topics_without_kafka_say_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path))
    monkeypatch.setenv("COINLAKE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert run(["topics", "apply"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("coinlake: Kafka cannot be reached at 127.0.0.1:1: ")
    assert shown.count("\n") == 1


def test_an_unknown_command_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bogus"]) == 2
    assert "No such command 'bogus'" in capsys.readouterr().err


def test_status_of_nothing_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path / "none"))
    assert run(["status"]) == 1
    assert capsys.readouterr().out == "nothing was started yet: run `coinlake up`\n"


def test_help_loads_neither_spark_nor_kafka_nor_pandas() -> None:
    code = (
        "import sys; from infra.cli import run; run(['--help']); "
        "print(sorted({'pyspark', 'confluent_kafka', 'pandas', 'boto3'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--posts", "p.jsonl", "--liquidations"],
            "expected one recording to import, found --posts and --liquidations",
        ),
        (
            ["--posts", "p.jsonl", "--binance-from", "2026-01-01T00:00:00Z"],
            "expected one recording to import, found --posts and --binance-from",
        ),
        (["--query", "bitcoin"], "--query: expected --posts beside it, found none"),
    ],
)
def test_no_option_of_an_import_is_left_out_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "1", "text": "gm", "created_at": "2021-11-10T09:00:04Z"}\n')
    assert run(["import", str(tmp_path), str(tmp_path / "out"), *options]) == 2
    assert capsys.readouterr().err == f"coinlake: {said}\n"
    assert not (tmp_path / "out").exists()
