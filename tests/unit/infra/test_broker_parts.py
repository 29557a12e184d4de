"""Parts of three embedded brokers that need no server."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import StackError
from infra.cli import run
from infra.connect.connectors import Connector
from infra.settings import BrokerSettings, StackSettings
from infra.stack import (
    Liquidations,
    StackInfo,
    ThreeBrokers,
    connect,
    down,
    free_ports,
    kafka,
    processes,
    questdb,
    status,
    up,
)
from infra.stack.brokers import refuse_another_number, started_with
from infra.stack.info import write_info
from infra.stack.layout import Layout
from infra.stack.ports import choose_ports

ONE = {"kafka_port": 9092, "kafka_controller_port": 9093, "minio_port": 9000}
THREE = {
    **ONE,
    "kafka_2_port": 9094,
    "kafka_2_controller_port": 9095,
    "kafka_3_port": 9096,
    "kafka_3_controller_port": 9097,
}
COPIES = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing is to be started; whatever is all the same is stopped."""
    yield tmp_path
    down(tmp_path)


def properties(part: str, ports: dict[str, int]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in kafka.properties(part, ports, Path("/data")).splitlines())


def info(home: Path, ports: dict[str, int]) -> StackInfo:
    return StackInfo(home, ports, "s3a://a", "s3a://b", SecretStr("k"), SecretStr("s"))


# --- one broker is what it was --------------------------------------------------------------------------------------


def test_one_broker_votes_for_itself_and_keeps_one_copy() -> None:
    alone = properties("kafka", ONE)
    assert alone["node.id"] == "1"
    assert alone["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert alone["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert {alone[f"{topic}.replication.factor"] for topic in COPIES} == {"1"}
    assert not [name for name in alone if name in ("default.replication.factor", "min.insync.replicas")]
    assert len(alone) == 24
    assert info(Path("/home"), ONE).kafka_bootstrap_servers == "127.0.0.1:9092"


def test_one_broker_keeps_its_folder() -> None:
    layout = Layout(Path("/home"))
    assert layout.kafka_conf("kafka") == Path("/home/kafka/server.properties")
    assert layout.kafka_data("kafka") == Path("/home/kafka/data")


# --- three brokers --------------------------------------------------------------------------------------------------


def test_each_of_three_has_a_number_ports_folder_and_log_of_its_own_and_knows_all_voters(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    kafka.write_properties(layout, THREE)
    written = {part: layout.kafka_conf(part).read_text() for part in kafka.PARTS}
    found = {part: dict(line.split("=", 1) for line in text.splitlines()) for part, text in written.items()}
    assert [each["node.id"] for each in found.values()] == ["1", "2", "3"]
    voters = "1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097"
    assert {each["controller.quorum.voters"] for each in found.values()} == {voters}
    assert found["kafka-3"]["listeners"] == "PLAINTEXT://127.0.0.1:9096,CONTROLLER://127.0.0.1:9097"
    assert found["kafka-3"]["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9096"
    assert {each["log.dirs"] for each in found.values()} == {f"{tmp_path}/{part}/data" for part in kafka.PARTS}
    assert len({layout.log(part) for part in kafka.PARTS}) == 3


def test_what_kafka_keeps_for_itself_has_three_copies_of_which_two_are_needed() -> None:
    each = properties("kafka-2", THREE)
    assert {each[f"{topic}.replication.factor"] for topic in COPIES} == {"3"}
    assert {each["transaction.state.log.min.isr"], each["share.coordinator.state.topic.min.isr"]} == {"2"}
    # Of the topic of consumer offsets, and those of Kafka Connect.
    assert (each["default.replication.factor"], each["min.insync.replicas"]) == ("3", "2")


def test_three_differ_from_one_in_nothing_but_addresses_and_copies() -> None:
    alone, first = properties("kafka", ONE), properties("kafka", THREE)
    differing = {name for name in first if alone.get(name) != first[name]}
    assert differing == {
        "controller.quorum.voters",
        *(f"{topic}.replication.factor" for topic in COPIES),
        *("transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"),
        *("default.replication.factor", "min.insync.replicas", "controlled.shutdown.enable"),
    }
    assert set(alone) <= set(first)


def test_clients_and_connect_are_told_of_all_three(tmp_path: Path) -> None:
    servers = "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096"
    assert info(tmp_path, THREE).env()["COINLAKE_KAFKA_BOOTSTRAP_SERVERS"] == servers
    ports = {**THREE, **choose_ports(Liquidations.on_free_ports().wanted_ports())}
    assert connect.environment(Layout(tmp_path), ports)["COINLAKE_KAFKA_BOOTSTRAP_SERVERS"] == servers
    assert questdb.PART not in kafka.PARTS


def test_connect_keeps_as_many_copies_as_the_brokers_make_by_default() -> None:
    worker = dict(line.split("=", 1) for line in connect.WORKER.read_text().splitlines() if "=" in line)
    kept = {name: value for name, value in worker.items() if name.endswith(".storage.replication.factor")}
    assert kept == dict.fromkeys(
        (f"{topic}.storage.replication.factor" for topic in ("config", "offset", "status")), "-1"
    )
    # The topic of dead letters is declared, and so there before Connect would make it.
    assert Connector.read().config["errors.deadletterqueue.topic.name"] == "alt_liquidations_dead_letters"


def test_their_ports_are_those_of_the_settings_and_none_is_anothers() -> None:
    defaults = {**StackSettings.model_construct().model_dump(), **BrokerSettings.model_construct().model_dump()}
    assert len(set(defaults.values())) == len(defaults)
    assert kafka.parts_among(defaults) == ["kafka", "kafka-2", "kafka-3"]
    assert kafka.parts_among(ONE) == ["kafka"]
    settings = [
        setting(part) for part in kafka.PARTS[1:] for setting in (kafka.port_setting, kafka.controller_port_setting)
    ]
    assert sorted(ThreeBrokers(BrokerSettings.model_construct()).wanted_ports()) == sorted(settings)


def test_on_free_ports_no_port_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BrokerSettings.model_fields:
        monkeypatch.setenv(f"COINLAKE_{name.upper()}", "7")
    assert set(ThreeBrokers.on_free_ports().wanted_ports().values()) == {0}


def test_the_status_of_a_stopped_stack_has_a_row_for_each_broker(tmp_path: Path) -> None:
    write_info(info(tmp_path, THREE))
    assert [(row.name, row.state, row.port) for row in status(tmp_path)] == [
        ("kafka", "stopped", 9092),
        ("kafka-2", "stopped", 9094),
        ("kafka-3", "stopped", 9096),
        ("minio", "stopped", 9000),
        ("supervisord", "stopped", None),
    ]


def test_each_broker_is_found_by_what_it_runs_and_no_other_stacks(tmp_path: Path) -> None:
    mine, other = Layout(tmp_path / "mine"), Layout(tmp_path / "other")
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = [
        subprocess.Popen([*sleeping, kafka.MAIN, str(mine.kafka_conf("kafka-3"))]),
        subprocess.Popen([*sleeping, kafka.FORMAT_MAIN, "format", "-c", str(mine.kafka_conf("kafka"))]),
        subprocess.Popen([*sleeping, "another.Main", str(mine.kafka_conf("kafka-2"))]),
    ]
    try:
        deadline = time.monotonic() + 20
        while len(processes.find(mine)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = {each.part: each.process.pid for each in processes.find(mine)}
        assert found == {"kafka-3": started[0].pid, "kafka": started[1].pid}
        assert processes.find(other) == []
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_one_class_archive_is_made_for_all_by_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    java, jars = tmp_path / "jdk" / "bin" / "java", tmp_path / "jars"
    java.parent.mkdir(parents=True)
    jars.mkdir()
    (tmp_path / "jdk" / "release").write_text('JAVA_VERSION="17.0.1"\n')
    made = [
        part
        for part in kafka.PARTS
        if any("ArchiveClassesAtExit" in word for word in kafka.command(Layout(tmp_path), part, java, jars))
    ]
    assert made == ["kafka"]


# --- another number than before -------------------------------------------------------------------------------------


def started(home: Path, ports: dict[str, int]) -> Layout:
    """Make what a start leaves behind: the configuration, and storage with its cluster id."""
    layout = Layout(home)
    kafka.write_properties(layout, ports)
    for part in kafka.parts_among(ports):
        layout.kafka_data(part).mkdir()
        (layout.kafka_data(part) / "meta.properties").write_text("version=1\n")
    return layout


def contents(home: Path) -> dict[str, str]:
    return {str(file.relative_to(home)): file.read_text() for file in home.rglob("kafka*/**/*") if file.is_file()}


def test_a_home_of_one_broker_refuses_three_and_nothing_changes(home: Path) -> None:
    started(home, ONE)
    before = contents(home)
    with pytest.raises(StackError) as caught:
        up(home, free_ports(), brokers=ThreeBrokers.on_free_ports())
    assert str(caught.value) == (
        f"brokers: expected 1, with which {home} was started, found 3 asked for: what they hold is not moved, "
        "so run `coinlake up`, or set COINLAKE_HOME to another folder"
    )
    assert contents(home) == before


def test_a_home_of_three_brokers_refuses_one_and_nothing_changes(home: Path) -> None:
    started(home, THREE)
    before = contents(home)
    with pytest.raises(StackError) as caught:
        up(home, free_ports())
    assert str(caught.value) == (
        f"brokers: expected 3, with which {home} was started, found 1 asked for: what they hold is not moved, "
        "so run `coinlake up --brokers 3`, or set COINLAKE_HOME to another folder"
    )
    assert contents(home) == before


def test_a_new_home_takes_any_number_and_one_that_was_started_the_same_again(tmp_path: Path) -> None:
    for number, ports in ((1, ONE), (3, THREE)):
        home = tmp_path / str(number)
        assert started_with(Layout(home)) == 0
        # Not formatted yet: a start that was given up leaves any number free.
        kafka.write_properties(Layout(home), ports)
        assert started_with(Layout(home)) == 0
        refuse_another_number(Layout(home), 4 - number)
        layout = started(home, ports)
        assert started_with(layout) == number
        refuse_another_number(layout, number)


def test_a_start_of_three_that_was_given_up_halfway_is_a_home_of_three(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    kafka.write_properties(layout, THREE)
    layout.kafka_data("kafka").mkdir()
    (layout.kafka_data("kafka") / "meta.properties").write_text("version=1\n")
    assert started_with(layout) == 3


def test_two_brokers_are_refused_with_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(home))
    assert run(["up", "--brokers", "2"]) == 2
    assert capsys.readouterr().err == ("coinlake: --brokers: expected 1 or 3 (of two, neither may be lost), found 2\n")
    assert list(home.iterdir()) == []
