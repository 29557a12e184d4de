"""The command lines of Spark's programs: what they say, on which cluster, and what they keep to themselves."""

import re
import shlex
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES
from infra.cli import run
from infra.spark.catalog import registrations
from infra.spark.options import CONF, Submission
from infra.spark.python_code import python_zip
from infra.spark.settings import SparkSettings, memory_bytes
from infra.spark.shell import Language, shell
from infra.spark.submit import submission

SECRET = "s3-SECRET-0123456789"
CLUSTER = "spark://127.0.0.1:7077"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, a Spark and a folder of jars of the test's own, and a key."""
    spark, jars = tmp_path / "opt" / "spark", tmp_path / "opt" / "jars"
    (spark / "bin").mkdir(parents=True)
    (spark / "bin" / "spark-submit").touch()
    jars.mkdir()
    (jars / "delta-spark_4.2_2.13-4.4.0.jar").touch()
    settings = {
        "COINLAKE_HOME": tmp_path / "home",
        "COINLAKE_SPARK_HOME": spark,
        "COINLAKE_SPARK_JARS": jars,
        "COINLAKE_S3_ACCESS_KEY": "a-key",
        "COINLAKE_S3_SECRET_KEY": SECRET,
        "XDG_CACHE_HOME": tmp_path / "cache",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def conf_of(submitted: Submission) -> dict[str, str]:
    """Return what a command line says by --conf."""
    command = submitted.command
    pairs = [command[place + 1] for place, part in enumerate(command) if part == "--conf"]
    return dict(pair.split("=", 1) for pair in pairs)


def process(**settings: str) -> Submission:
    return submission(
        "process_markets", ["--trigger", "available-now"], SparkSettings.load().model_copy(update=settings)
    )


def test_driver_finds_the_given_spark_its_jars_and_our_python(machine: Path) -> None:
    submitted = process()
    conf = conf_of(submitted)
    assert submitted.command[0] == str(machine / "opt" / "spark" / "bin" / "spark-submit")
    assert submitted.env["SPARK_HOME"] == str(machine / "opt" / "spark")
    assert conf["spark.driver.extraClassPath"] == f"{machine}/opt/jars/*"
    assert conf["spark.pyspark.python"] == sys.executable
    assert submitted.command[submitted.command.index("--properties-file") + 1] == str(CONF)


def test_local_mode_carries_nothing_for_executors() -> None:
    submitted = process()
    assert not [name for name in conf_of(submitted) if name.startswith("spark.executor")]
    assert "--py-files" not in submitted.command


@pytest.mark.parametrize("master", [CLUSTER, "yarn", "k8s://https://10.0.0.1:6443", "local-cluster[2,1,1024]"])
def test_executors_get_jars_python_memory_and_our_code(machine: Path, master: str) -> None:
    submitted = process(spark_master=master, spark_executor_memory="512m")
    conf = conf_of(submitted)
    assert submitted.command[submitted.command.index("--master") + 1] == master
    assert conf["spark.executor.extraClassPath"] == f"{machine}/opt/jars/*"
    assert conf["spark.executor.memory"] == "512m"
    assert conf["spark.pyspark.python"] == sys.executable
    code = Path(submitted.command[submitted.command.index("--py-files") + 1])
    assert {"contracts/tables.py", "spark_jobs/process_markets.py"} <= set(zipfile.ZipFile(code).namelist())


@pytest.mark.parametrize(
    ("host", "bind", "local_ip"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "127.0.0.1"),
        ("driver.lake", "0.0.0.0", None),
    ],
)
def test_driver_binds_to_loopback_unless_executors_are_elsewhere(host: str, bind: str, local_ip: str | None) -> None:
    submitted = process(spark_driver_host=host)
    conf = conf_of(submitted)
    assert (conf["spark.driver.host"], conf["spark.driver.bindAddress"]) == (host, bind)
    assert submitted.env.get("SPARK_LOCAL_IP") == local_ip


def test_configuration_file_says_nothing_of_one_machine() -> None:
    names = [line.split()[0] for line in CONF.read_text().splitlines() if line and not line.startswith("#")]
    machine = ("spark.driver.host", "spark.driver.bindAddress", "spark.master", "spark.local.dir")
    assert "spark.sql.extensions" in names
    assert [name for name in names if name in machine or "ClassPath" in name or name.endswith(".key")] == []
    assert "/" not in "".join(line.split()[1] for line in CONF.read_text().splitlines() if line.startswith("spark."))


def test_event_log_in_files_is_a_folder_that_is_made(machine: Path) -> None:
    folder = machine / "two words" / "events"
    conf = conf_of(process(spark_event_log=folder.as_uri() + "/"))
    assert folder.is_dir()
    assert (conf["spark.eventLog.enabled"], conf["spark.eventLog.dir"]) == ("true", folder.as_uri())
    assert "spark.eventLog.enabled" not in conf_of(process())


@pytest.mark.parametrize("language", list(Language))
def test_shell_has_the_key_in_its_environment_alone(machine: Path, language: Language) -> None:
    started = shell(language, {"candles": "CREATE TABLE candles"}, ["-x"], SparkSettings.load(), LakeSettings.load())
    assert started.env["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert started.secret == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert SECRET not in " ".join(started.command)
    assert [file for file in (machine / "home").rglob("*") if file.is_file() and SECRET in file.read_text()] == []
    assert started.command[-1] == "-x"


@pytest.mark.parametrize("language", list(Language))
def test_shells_on_two_lakes_leave_each_other_their_tables(machine: Path, language: Language) -> None:
    for table in ("candles", "market_cap", "candles"):
        shell(language, {table: f"CREATE TABLE {table}"}, [], SparkSettings.load(), LakeSettings.load())
    scripts = [file.read_text() for file in (machine / "home" / "spark" / "shell").iterdir()]
    assert sorted(re.findall(r"CREATE TABLE (\w+)", "".join(scripts))) == ["candles", "market_cap"]
    assert len(scripts) == 2


def test_settings_without_a_spark_or_its_jars_are_refused(machine: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        process(spark_home=str(machine))
    assert str(caught.value) == (
        f"COINLAKE_SPARK_HOME: expected a Spark with bin/spark-submit, found none in {machine}"
    )
    with pytest.raises(
        SettingsError, match=r"^COINLAKE_SPARK_JARS: expected a folder of jars with delta-spark_\*\.jar"
    ):
        process(spark_jars=str(machine))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SPARK_EXECUTOR_MEMORY", "1 GB"), ("SPARK_DRIVER_MEMORY", "0g"), ("SPARK_EVENT_LOG", "/var/log/spark")],
)
def test_sizes_and_places_that_spark_would_not_take_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"COINLAKE_{variable}", value)
    with pytest.raises(SettingsError, match=f"^COINLAKE_{variable}: "):
        SparkSettings.load()


def test_sizes_are_powers_of_1024() -> None:
    assert [memory_bytes(size) for size in ("1k", "512m", "1G", "2t")] == [1024, 536870912, 1073741824, 2199023255552]


def test_zip_of_our_code_is_made_once_and_is_the_same_for_the_same_code(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = python_zip(tmp_path / "a"), python_zip(tmp_path / "b")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    made = first.stat().st_mtime_ns
    assert python_zip(tmp_path / "a").stat().st_mtime_ns == made
    assert [path.name for path in (tmp_path / "a").iterdir()] == [first.name]


def test_printed_command_has_the_whole_command_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["process", "--master", CLUSTER, "--show-command"]) == 0
    printed = capsys.readouterr().out
    words = shlex.split(printed.replace("\\\n", " "))
    expected = process(spark_master=CLUSTER)
    assert words == [*(f"{name}={value}" for name, value in expected.env.items()), *expected.command]
    assert SECRET not in printed


def test_tables_that_are_there_are_registered_and_no_others(tmp_path: Path) -> None:
    lake = LakeSettings(lake=f"file://{tmp_path}/it's a lake", s3_secret_key=SecretStr(SECRET))
    assert registrations(lake) == {}
    log = tmp_path / "it's a lake" / CANDLES.path / "_delta_log" / "00000000000000000000.json"
    part = tmp_path / "it's a lake" / CANDLES.published_path / "coin=BTC" / "date=2026-01-01" / "part-0.parquet"
    for file in (log, part):
        file.parent.mkdir(parents=True)
        file.touch()
    found = registrations(lake)
    assert list(found) == ["candles", "published_candles"]
    place = f"file://{tmp_path}/it\\'s a lake"
    assert found["candles"] == (
        f"CREATE TABLE IF NOT EXISTS candles USING delta LOCATION '{place}/tables/gold/candles'"
    )
    assert found["published_candles"].endswith(
        f"USING parquet PARTITIONED BY (coin, date) LOCATION '{place}/published/candles'"
    )
    assert "`close` decimal(38,18)" in found["published_candles"]
