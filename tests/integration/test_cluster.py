"""The embedded Spark cluster: the same tables as in local mode, work on both workers, and a worker killed on the way.

The tests share one stack and one market, which each run takes into a lake of its own.
"""

import ipaddress
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from contracts.errors import SettingsError, StackError
from infra.children import Child
from infra.crashtest.compare import compare
from infra.crashtest.lake import LakeUnderTest, lake_of
from infra.demo.replay import Market
from infra.settings import ClusterSettings
from infra.stack import (
    Cluster,
    StackInfo,
    down,
    free_ports,
    kill_part,
    processes,
    restart_part,
    running_info,
    status,
    up,
)
from infra.stack.health import spark_worker_is_ready
from infra.stack.layout import Layout, read_env
from tests.integration.conftest import COINLAKE, RUN_SECONDS, Ran, anything_of, coinlake, own_stack, play, ran

WORKERS = ("spark-worker-1", "spark-worker-2")
SMALL = ClusterSettings(spark_master_port=0, spark_master_ui_port=0, spark_worker_cores=1, spark_worker_memory="512m")
SMALL_EXECUTORS = {"COINLAKE_SPARK_EXECUTOR_MEMORY": "512m"}


@pytest.fixture(scope="module", autouse=True)
def small_executors() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL_EXECUTORS.items():
            patch.setenv(name, value)
        yield


@dataclass
class World:
    """A stack that was given a cluster as it ran, with a market in Kafka, processed once in local mode."""

    stack: StackInfo
    folder: Path
    local: LakeUnderTest

    def lake(self, name: str) -> tuple[LakeUnderTest, dict[str, str], Path]:
        """Name a lake, with what a run into it needs and the folder of its event log."""
        lake, events = lake_of(self.stack, name), self.folder / f"events-{name}"
        return lake, {**lake.env, "COINLAKE_SPARK_EVENT_LOG": events.as_uri()}, events


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cluster")
    with own_stack(folder / "home") as alone:
        play(alone, Market(40 * 60, 120, seed=6))
        local = lake_of(alone, "local")
        coinlake(alone, "process", **local.env, COINLAKE_SPARK_MASTER="local[*]").well()
        stack = up(alone.home, cluster=Cluster(2, SMALL))
        yield World(stack, folder, local)
    assert anything_of(folder) == []


# --- the same tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Events:
    """What an event log says of executors and tasks."""

    workers: dict[str, str]
    tasks: dict[str, int]
    removed: list[str]
    text: str


def events_of(stack: StackInfo, folder: Path) -> Events:
    """Read the event log of the one run that wrote to a folder."""
    files = sorted(folder.glob("eventlog_v2_*/events_*"))
    text = "".join(pa.input_stream(file, compression="zstd").read().decode() for file in files)
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    pages = {stack.ports[f"{worker.replace('-', '_')}_ui_port"]: worker for worker in WORKERS}
    workers: dict[str, str] = {}
    tasks: dict[str, int] = {}
    removed = []
    for event in events:
        if event["Event"] == "SparkListenerExecutorAdded":
            port = re.search(r":(\d+)/", event["Executor Info"]["Log Urls"]["stdout"])
            assert port is not None
            workers[event["Executor ID"]] = pages[int(port[1])]
        elif event["Event"] == "SparkListenerExecutorRemoved":
            removed.append(workers[event["Executor ID"]])
        elif event["Event"] == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "Success":
            worker = workers[event["Task Info"]["Executor ID"]]
            tasks[worker] = tasks.get(worker, 0) + 1
    return Events(workers, tasks, removed, text)


def tasks_so_far(stack: StackInfo, folder: Path) -> dict[str, int]:
    """Count the tasks of each worker in an event log that is being written."""
    try:
        return events_of(stack, folder).tasks
    except (OSError, ValueError):  # its last frame is half there
        return {}


def assert_same_tables(world: World, lake: LakeUnderTest) -> None:
    compared = {table.name: table for table in compare(world.local, lake)}
    assert [name for name, table in compared.items() if not table.equal] == []
    for name in ("coin_market_cap", "wallex", "market_snapshots", "candles", "market_cap", "published candles"):
        assert compared[name].undisturbed.rows > 0, name


@dataclass(frozen=True)
class Finished:
    """A run on the cluster."""

    lake: LakeUnderTest
    run: Ran
    events: Events


@pytest.fixture(scope="module")
def pasted(world: World) -> Finished:
    """The command that `process --show-command` prints, pasted into a shell that knows nothing of coinlake."""
    lake, env, folder = world.lake("cluster")
    shown = coinlake(world.stack, "process", "--show-command", **env).well()
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {name: env[name] for name in ("COINLAKE_LAKE", "COINLAKE_STATE")}
    typed = ["env", "-i", *(f"{name}={value}" for name, value in {**bare, **settings}.items())]
    run = ran([*typed, "bash", "-c", "\n".join(shown.out)], world.folder / "pasted.log")
    return Finished(lake, run, events_of(world.stack, folder))


@pytest.mark.long
def test_the_printed_command_runs_on_the_cluster_as_it_is(pasted: Finished) -> None:
    assert pasted.run.code == 0, "\n".join(pasted.run.err)


@pytest.mark.long
def test_cluster_gives_the_same_tables_as_local_mode(world: World, pasted: Finished) -> None:
    assert_same_tables(world, pasted.lake)


@pytest.mark.long
def test_both_workers_ran_tasks(pasted: Finished) -> None:
    assert set(pasted.events.tasks) == set(WORKERS)
    assert min(pasted.events.tasks.values()) >= 5, pasted.events.tasks


@pytest.mark.long
def test_the_key_is_in_no_event_log_and_in_no_folder_of_spark(world: World, pasted: Finished) -> None:
    secret = world.stack.s3_secret_key.get_secret_value()
    assert "fs.s3a" in pasted.events.text
    assert secret not in pasted.events.text
    logs = [path for path in (world.stack.home / "spark").rglob("*") if path.is_file()]
    assert any(path.name == "stderr" and path.stat().st_size for path in logs)
    assert [path for path in logs if secret.encode() in path.read_bytes()] == []


# --- a worker killed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Struck(Finished):
    """A run in which the second worker and its executor were killed at work; what was seen just before."""

    listening: list[str]
    commands: list[str]


@pytest.fixture(scope="module")
def struck(world: World) -> Struck:
    lake, env, folder = world.lake("struck")
    landed: list[str] = []
    layout = Layout(world.stack.home)
    log = world.folder / "struck.log"
    began = time.monotonic()
    with Child("process", [*COINLAKE, "process"], env=env, each_line=landed.append, log=log) as job:
        while job.running() and not (landed and "spark-worker-2" in tasks_so_far(world.stack, folder)):
            time.sleep(0.05)
        found = processes.find(layout)
        listening = [
            connection.laddr.ip
            for each in found
            for connection in each.process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        assert [each.part for each in found].count("spark-executor") == 2
        kill_part(world.stack.home, "spark-worker-2")
        code = job.wait(RUN_SECONDS)
    assert [each.part for each in processes.find(layout) if each.part == "spark-executor"] == []
    restart_part(world.stack.home, "spark-worker-2")
    run = Ran(code, landed, log.read_text().splitlines(), time.monotonic() - began)
    return Struck(lake, run, events_of(world.stack, folder), listening, commands)


def test_worker_killed_on_the_way_changes_nothing(world: World, struck: Struck) -> None:
    assert struck.run.code == 0, "\n".join(struck.run.err)
    assert struck.events.removed[0] == "spark-worker-2"
    assert struck.events.tasks["spark-worker-2"] > 0
    assert_same_tables(world, struck.lake)


def test_executors_listen_on_loopback_alone(struck: Struck) -> None:
    assert len(struck.listening) >= 10
    assert {address for address in struck.listening if not _loopback(address)} == set()


def _loopback(address: str) -> bool:
    return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback


def test_the_key_is_on_no_command_line(world: World, struck: Struck) -> None:
    assert any("CoarseGrainedExecutorBackend" in command for command in struck.commands)
    secret = world.stack.s3_secret_key.get_secret_value()
    assert [command for command in struck.commands if secret in command] == []


# --- the parts ------------------------------------------------------------------------------------------------------


def test_executors_import_the_code_that_was_sent_to_them(world: World) -> None:
    script = world.folder / "where.py"
    script.write_text(
        "def where(_):\n"
        "    import contracts, sys\n"
        "    return contracts.__file__, sys.executable\n"
        "\n"
        "print(sc.parallelize([1], 1).map(where).first())\n"
    )
    assert world.stack.spark_master is not None
    shell = [*COINLAKE, "shell", "--python", "--master", world.stack.spark_master]
    env = {"COINLAKE_HOME": str(world.stack.home), **world.stack.env(), **world.local.env}
    command = f"{shlex.join(shell)} < {shlex.quote(str(script))}"
    run = ran(["bash", "-c", command], world.folder / "where.log", env).well()
    assert re.search(
        rf"\('\S*coinlake-[0-9a-f]{{12}}\.zip/contracts/__init__\.py', '{re.escape(COINLAKE[0])}'\)", "\n".join(run.out)
    )


def test_stack_with_a_cluster_names_its_master_and_shows_its_parts(world: World) -> None:
    env = read_env(Layout(world.stack.home).stack_env)
    assert env["COINLAKE_SPARK_MASTER"] == f"spark://127.0.0.1:{world.stack.ports['spark_master_port']}"
    rows = {row.name: row for row in status(world.stack.home)}
    assert list(rows) == ["kafka", "minio", "spark-master", *WORKERS, "supervisord"]
    assert {row.state for row in rows.values()} == {"running"}
    assert rows["spark-master"].port == world.stack.ports["spark_master_port"]
    for name in ("spark-master", *WORKERS):
        shown = coinlake(world.stack, "logs", name, "-n", "5").well()
        assert shown.out[0] == f"==> {world.stack.home}/logs/{name}.log"


def test_a_second_up_leaves_the_cluster_as_it_is(world: World) -> None:
    before = {row.name: row.pid for row in status(world.stack.home)}
    again = coinlake(world.stack, "up", "--cluster", "--workers", "2").well()
    assert again.out == [
        f"the stack is up already: Kafka {world.stack.kafka_bootstrap_servers}, lake {world.stack.lake}, "
        f"Spark {world.stack.spark_master}"
    ]
    assert {row.name: row.pid for row in status(world.stack.home)} == before


def test_worker_that_crashes_by_itself_is_started_again_and_registers(world: World) -> None:
    crashed = {row.name: row.pid for row in status(world.stack.home)}["spark-worker-1"]
    assert crashed is not None
    os.kill(crashed, signal.SIGKILL)
    deadline = time.monotonic() + 240
    ports = world.stack.ports
    while time.monotonic() < deadline:
        now = {row.name: row.pid for row in status(world.stack.home)}["spark-worker-1"]
        if now not in (None, crashed) and spark_worker_is_ready(
            ports["spark_master_ui_port"], ports["spark_worker_1_ui_port"]
        ):
            return
        time.sleep(0.2)
    pytest.fail("the worker was not started again")


@pytest.fixture
def broken_spark(tmp_path: Path) -> Path:
    """A Spark whose programs end at once with an error."""
    programs = tmp_path / "spark" / "bin"
    programs.mkdir(parents=True)
    for name in ("spark-class", "spark-submit"):
        (programs / name).write_text("#!/bin/sh\necho 'ERROR the cluster is broken'\nexit 3\n")
        (programs / name).chmod(0o755)
    return programs.parent


def test_part_that_cannot_be_added_leaves_the_stack_as_it_was(world: World, broken_spark: Path) -> None:
    before = {row.name: row.pid for row in status(world.stack.home)}
    refused = coinlake(world.stack, "up", "--cluster", "--workers", "3", COINLAKE_SPARK_HOME=str(broken_spark))
    log = world.stack.home / "logs" / "spark-worker-3.log"
    assert refused.code == 1
    assert refused.err == [f"coinlake: spark-worker-3 ended while it started: ERROR the cluster is broken (log: {log})"]
    assert {row.name: row.pid for row in status(world.stack.home)} == before
    info = running_info(world.stack.home)
    assert info is not None
    assert info.ports == world.stack.ports


@pytest.mark.long
def test_down_in_the_middle_of_a_job_leaves_no_executor(world: World) -> None:
    """The last test: it takes the stack down."""
    layout = Layout(world.stack.home)
    _, env, _ = world.lake("cut")
    with Child("process", [*COINLAKE, "process"], env=env, log=world.folder / "cut.log") as job:
        deadline = time.monotonic() + 240
        while [each.part for each in processes.find(layout)].count("spark-executor") < 2:
            assert job.running() and time.monotonic() < deadline, job.last_words()
            time.sleep(0.1)
        assert down(world.stack.home)
        assert processes.find(layout) == []
        assert not [line for line in anything_of(world.stack.home) if "CoarseGrained" in line or "deploy" in line]
    assert anything_of(world.stack.home) == []


# --- a stack that starts with a cluster -------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    down(tmp_path / "home")


def free(home: Path) -> dict[str, str]:
    """Return the variables with which every part of a stack takes any free port."""
    ports = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "MINIO_PORT", "MINIO_CONSOLE_PORT", "SPARK_MASTER_PORT")
    return {"COINLAKE_HOME": str(home)} | {f"COINLAKE_{port}": "0" for port in (*ports, "SPARK_MASTER_UI_PORT")}


def test_up_with_a_cluster_and_down_again(home: Path, tmp_path: Path) -> None:
    started = ran([*COINLAKE, "up", "--cluster", "--workers", "2"], tmp_path / "log", free(home)).well()
    info = running_info(home)
    assert info is not None
    assert f"Spark {info.spark_master};" in started.out[-1]
    assert [row.name for row in status(home)] == ["kafka", "minio", "spark-master", *WORKERS, "supervisord"]
    assert ran([*COINLAKE, "down"], tmp_path / "log", free(home)).out == ["down: everything is stopped"]
    assert anything_of(home) == []


def test_workers_without_a_cluster_are_refused(home: Path, tmp_path: Path) -> None:
    refused = ran([*COINLAKE, "up", "--workers", "2"], tmp_path / "log", free(home))
    assert refused.code == 2
    assert any("--workers goes with --cluster" in line for line in refused.err)
    assert anything_of(home) == []


def test_master_port_in_use_is_one_line_and_leaves_nothing_running(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = SMALL.model_copy(update={"spark_master_ui_port": port})
        with pytest.raises(StackError) as caught:
            up(home, free_ports(), cluster=Cluster(1, wanted))
    owner = f"{psutil.Process().name()}, pid {os.getpid()}"
    assert str(caught.value) == (
        f"port {port} is in use (by {owner}): stop it, or choose another with COINLAKE_SPARK_MASTER_UI_PORT "
        "(0 takes any free port)"
    )
    assert anything_of(home) == []


def test_executor_larger_than_a_worker_is_refused_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_SPARK_EXECUTOR_MEMORY", "2g")
    with pytest.raises(SettingsError) as caught:
        up(home, free_ports(), cluster=Cluster(1, SMALL))
    assert str(caught.value) == (
        "COINLAKE_SPARK_EXECUTOR_MEMORY: expected at most COINLAKE_SPARK_WORKER_MEMORY (512m), found 2g"
    )
    assert anything_of(home) == []


def test_failed_start_of_the_cluster_leaves_nothing_running(
    home: Path, broken_spark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINLAKE_SPARK_HOME", str(broken_spark))
    with pytest.raises(StackError, match=r"^spark-master ended while it started: ERROR the cluster is broken \(log: "):
        up(home, free_ports(), cluster=Cluster(1, SMALL))
    assert anything_of(home) == []


def test_interrupted_start_of_the_cluster_leaves_nothing_running(home: Path, broken_spark: Path) -> None:
    (broken_spark / "bin" / "spark-class").write_text("#!/bin/sh\nsleep 60\n")
    env = os.environ | free(home) | {"COINLAKE_SPARK_HOME": str(broken_spark)}
    starting = subprocess.Popen([*COINLAKE, "up", "--cluster"], env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not any(each.part == "spark-master" for each in processes.find(Layout(home))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    starting.send_signal(signal.SIGINT)
    _, said = starting.communicate(timeout=60)
    assert starting.returncode == 130
    assert "Traceback" not in said
    assert anything_of(home) == []
