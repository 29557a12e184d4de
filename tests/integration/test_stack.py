"""The embedded stack: it starts whole or not at all, and it stops whatever is left of it."""

import ipaddress
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, Producer, TopicPartition
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException

from contracts.errors import BrokerError, StackError
from contracts.streams import STREAMS
from contracts.topics import Topic
from infra.jars import ensure_kafka_jars
from infra.kafka.topics import apply_topics, list_topics, read_topics
from infra.settings import StackSettings
from infra.setup.java import find_java
from infra.stack import StackInfo, down, embedded_stack, free_ports, kill_part, processes, restart_part, status, up
from infra.stack.health import minio_is_ready
from infra.stack.layout import Layout, read_env
from tests.integration.conftest import S3Client, client_of

CLI = [sys.executable, "-m", "infra.cli"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack of the test's own; whatever it leaves running is stopped."""
    yield tmp_path / "home"
    down(tmp_path / "home")


def surroundings(home: Path) -> dict[str, str]:
    ports = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "MINIO_PORT", "MINIO_CONSOLE_PORT")
    return {"COINLAKE_HOME": str(home)} | {f"COINLAKE_{port}": "0" for port in ports}


def cli(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments],
        env=os.environ | surroundings(home) | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def nothing_runs(home: Path) -> bool:
    return processes.find(Layout(home)) == []


def pids(home: Path) -> dict[str, int | None]:
    return {row.name: row.pid for row in status(home)}


# --- starting -------------------------------------------------------------------------------------------------------


def test_up_when_it_is_up_says_so_and_starts_nothing(stack: StackInfo) -> None:
    before = pids(stack.home)
    done = cli(stack.home, "up")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"the stack is up already: Kafka {stack.kafka_bootstrap_servers}, lake s3a://lake-house\n"
    assert pids(stack.home) == before


def test_status_shows_each_part_with_its_pid_port_and_memory(stack: StackInfo) -> None:
    done = cli(stack.home, "status")
    assert done.returncode == 0
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert list(rows) == ["name", "kafka", "minio", "supervisord"]
    for part, port in (("kafka", stack.ports["kafka_port"]), ("minio", stack.ports["minio_port"])):
        assert rows[part][1] == "running"
        assert psutil.pid_exists(int(rows[part][2]))
        assert rows[part][3] == str(port)
        assert int(rows[part][5]) > 20


def test_everything_listens_on_loopback_alone(stack: StackInfo) -> None:
    listening = [
        connection.laddr.ip
        for found in processes.find(Layout(stack.home))
        for connection in found.process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4
    assert all(ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in listening)


def test_port_in_use_names_its_owner_and_the_variable_to_change(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = StackSettings(kafka_port=port, kafka_controller_port=0, minio_port=0, minio_console_port=0)
        with pytest.raises(StackError) as caught:
            up(home, settings)
    owner = f"{psutil.Process().name()}, pid {os.getpid()}"
    assert str(caught.value) == (
        f"port {port} is in use (by {owner}): stop it, or choose another with COINLAKE_KAFKA_PORT "
        "(0 takes any free port)"
    )
    assert nothing_runs(home)


def test_missing_jdk_is_one_line_and_leaves_nothing_running(home: Path, tmp_path: Path) -> None:
    done = cli(home, "up", PATH=str(tmp_path), JAVA_HOME="")
    assert done.returncode == 1
    assert done.stderr == "coinlake: no Java on PATH: install a JDK 17, or set JAVA_HOME to one\n"
    assert nothing_runs(home)


@pytest.fixture
def without_minio(tmp_path: Path) -> dict[str, str]:
    """A machine with a JDK and the Kafka jars, but with neither MinIO nor a Go to build it."""
    cache, jars = tmp_path / "cache" / "coinlake", ensure_kafka_jars()
    cache.mkdir(parents=True)
    (cache / jars.name).symlink_to(jars)
    return {"XDG_CACHE_HOME": str(cache.parent), "PATH": str(tmp_path), "JAVA_HOME": str(find_java().parent.parent)}


def test_without_minio_and_go_the_lake_is_in_files_and_says_so(home: Path, without_minio: dict[str, str]) -> None:
    done = cli(home, "up", **without_minio, CI="")
    assert (done.returncode, done.stderr) == (0, "")
    notice = "go is not on PATH: install Go 1.24 or newer to build MinIO once, or put a `minio` on PATH"
    assert done.stdout.splitlines()[0] == f"{notice}; until then the lake is in files under {home}/files"
    env = read_env(Layout(home).stack_env)
    assert env["COINLAKE_LAKE"] == f"file://{home}/files/lake-house"
    assert env["COINLAKE_STATE"] == f"file://{home}/files/spark"
    assert set(pids(home)) == {"kafka", "supervisord"}


def test_in_ci_a_missing_minio_is_a_failure(home: Path, without_minio: dict[str, str]) -> None:
    done = cli(home, "up", **without_minio, CI="true")
    assert done.returncode == 1
    assert done.stderr.startswith("coinlake: go is not on PATH: ")
    assert nothing_runs(home)


def test_part_that_ends_as_it_starts_is_named_with_its_last_words(home: Path, tmp_path: Path) -> None:
    fake = tmp_path / "minio"
    fake.write_text("#!/bin/sh\necho starting\necho 'the drive is broken'\nexit 3\n")
    fake.chmod(0o755)
    done = cli(home, "up", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    log = home / "logs" / "minio.log"
    assert done.stderr == f"coinlake: minio ended while it started: the drive is broken (log: {log})\n"
    assert nothing_runs(home)


@pytest.mark.parametrize("seconds", [0.0, 0.4, 1.2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_start_leaves_nothing_running(
    home: Path, tmp_path: Path, number: signal.Signals, code: int, seconds: float
) -> None:
    # A MinIO that never gets ready: the start cannot be over before the signal.
    fake = tmp_path / "minio"
    fake.write_text("#!/bin/sh\nsleep 60\n")
    fake.chmod(0o755)
    env = os.environ | surroundings(home) | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen([*CLI, "up"], env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while nothing_runs(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(seconds)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert nothing_runs(home)
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


# --- stopping -------------------------------------------------------------------------------------------------------


def test_down_stops_everything_and_a_later_up_finds_the_data_again(home: Path) -> None:
    with embedded_stack(home) as first:
        client_of(first).put_object(Bucket="spark", Key="kept", Body=b"1")
        apply_topics(first.kafka_bootstrap_servers, {"kept": Topic(partitions=2)})
    assert nothing_runs(home)
    assert cli(home, "status").returncode == 1
    with embedded_stack(home) as second:
        assert second.s3_secret_key == first.s3_secret_key
        assert client_of(second).get_object(Bucket="spark", Key="kept")["Body"].read() == b"1"
        topics = {topic.name: topic.partitions for topic in list_topics(second.kafka_bootstrap_servers, {})}
        assert topics["kept"] == 2


@pytest.mark.parametrize("part", ["supervisord", "kafka", "minio"])
def test_down_stops_what_is_left_after_a_part_was_killed(home: Path, part: str) -> None:
    up(home, free_ports())
    pid = pids(home)[part]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert down(home)
    assert nothing_runs(home)


def test_up_starts_afresh_when_the_supervisor_is_gone(home: Path) -> None:
    up(home, free_ports())
    before = pids(home)
    supervisor = before["supervisord"]
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    assert not up(home, free_ports()).already_running
    assert all(row.state == "running" for row in status(home))
    assert not set(before.values()) & set(pids(home).values())


def test_down_with_nothing_running_says_so(home: Path) -> None:
    done = cli(home, "down")
    assert (done.returncode, done.stdout) == (0, "nothing was running\n")


# --- crashing -------------------------------------------------------------------------------------------------------


def test_killed_broker_stays_down_until_restarted_and_keeps_what_it_acknowledged(home: Path) -> None:
    with embedded_stack(home) as stack:
        before = pids(home)
        producer = Producer({"bootstrap.servers": stack.kafka_bootstrap_servers, "acks": "all"})
        producer.produce("wallex", b"acknowledged")
        assert producer.flush(10) == 0
        kill_part(home, "kafka")
        time.sleep(2)
        assert {row.name: row.state for row in status(home)} == {
            "kafka": "stopped",
            "minio": "running",
            "supervisord": "running",
        }
        with pytest.raises(BrokerError, match=r"^Kafka cannot be reached at 127\.0\.0\.1:\d+: "):
            list_topics(stack.kafka_bootstrap_servers, {})
        restart_part(home, "kafka")
        assert pids(home)["kafka"] not in (None, before["kafka"])
        consumer = Consumer({"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "test"})
        consumer.assign([TopicPartition("wallex", 0, 0)])
        message = consumer.poll(20)
        consumer.close()
        assert message is not None
        assert message.value() == b"acknowledged"


def test_part_that_crashes_by_itself_is_started_again(home: Path) -> None:
    with embedded_stack(home) as stack:
        crashed = pids(home)["minio"]
        assert crashed is not None
        os.kill(crashed, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while not minio_is_ready(stack.ports["minio_port"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert pids(home)["minio"] not in (None, crashed)
        assert client_of(stack).list_objects_v2(Bucket="spark")["KeyCount"] == 0


# --- topics ---------------------------------------------------------------------------------------------------------


def test_every_stream_has_its_topic_after_up(stack: StackInfo) -> None:
    found = {topic.name for topic in list_topics(stack.kafka_bootstrap_servers, read_topics()) if topic.declared}
    assert {stream.topic for stream in STREAMS} <= found


def test_applying_topics_twice_creates_them_once(stack: StackInfo, prefix: str) -> None:
    wanted = {
        f"{prefix}a": Topic(partitions=3, config={"cleanup.policy": "compact"}),
        f"{prefix}b": Topic(partitions=1),
    }
    first = apply_topics(stack.kafka_bootstrap_servers, wanted)
    second = apply_topics(stack.kafka_bootstrap_servers, wanted)
    assert (first.created, first.unchanged, first.drift) == ((f"{prefix}a", f"{prefix}b"), (), ())
    assert (second.created, second.unchanged, second.drift) == ((), (f"{prefix}a", f"{prefix}b"), ())
    listed = {topic.name: topic for topic in list_topics(stack.kafka_bootstrap_servers, wanted)}
    assert (listed[f"{prefix}a"].partitions, listed[f"{prefix}a"].replication) == (3, 1)
    assert listed[f"{prefix}a"].cleanup == "compact"


def test_drift_is_named_and_neither_repaired_nor_deleted(stack: StackInfo, prefix: str) -> None:
    name = f"{prefix}drifted"
    apply_topics(stack.kafka_bootstrap_servers, {name: Topic(partitions=2, config={"retention.ms": "1000"})})
    wanted = {name: Topic(partitions=1, config={"retention.ms": "5000"})}
    expected = [f"{name}: partitions is 2, expected 1", f"{name}: retention.ms is 1000, expected 5000"]
    for _ in range(2):
        applied = apply_topics(stack.kafka_bootstrap_servers, wanted)
        assert [str(drift) for drift in applied.drift] == expected
        assert (applied.created, applied.unchanged) == ((), ())


def test_a_topic_nobody_declared_is_not_made_by_writing_to_it(stack: StackInfo, prefix: str) -> None:
    outcome: list[str] = []
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap_servers, "message.timeout.ms": 3000})
    producer.produce(
        f"{prefix}typo", b"1", on_delivery=lambda error, _: outcome.append(error.name() if error else "delivered")
    )
    producer.flush(10)
    assert len(outcome) == 1
    assert outcome[0] in ("_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "_MSG_TIMED_OUT")
    assert f"{prefix}typo" not in {topic.name for topic in list_topics(stack.kafka_bootstrap_servers, {})}


# --- keys -----------------------------------------------------------------------------------------------------------


def refused(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize("bucket", ["lake-house", "spark"])
def test_jobs_key_reads_writes_lists_and_deletes_in_its_buckets(s3: S3Client, prefix: str, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key=f"{prefix}x", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key=f"{prefix}x")["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 1
    s3.delete_object(Bucket=bucket, Key=f"{prefix}x")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 0


def test_jobs_key_makes_no_bucket_and_removes_none(s3: S3Client, prefix: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.create_bucket(Bucket=f"{prefix}other")
    assert refused(caught) == "AccessDenied"
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket="spark")
    assert refused(caught) == "AccessDenied"


def test_jobs_key_sees_and_opens_no_other_bucket(stack: StackInfo, s3: S3Client, prefix: str) -> None:
    root = root_of(stack)
    root.create_bucket(Bucket=f"{prefix}other")
    root.put_object(Bucket=f"{prefix}other", Key="x", Body=b"1")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"lake-house", "spark"}
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=f"{prefix}other")
    assert refused(caught) == "AccessDenied"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=f"{prefix}other", Key="x")
    assert refused(caught) == "AccessDenied"


def test_jobs_key_administers_nothing(stack: StackInfo) -> None:
    key = StaticProvider(stack.s3_access_key.get_secret_value(), stack.s3_secret_key.get_secret_value())
    admin = MinioAdmin(endpoint=stack.s3_endpoint.removeprefix("http://"), credentials=key, secure=False)
    with pytest.raises(MinioAdminException, match="AccessDenied"):
        admin.user_add("intruder", "a-secret-of-its-own")


def test_wrong_secret_is_refused(stack: StackInfo) -> None:
    with pytest.raises(ClientError) as caught:
        client_of(stack, secret_key="not-the-secret").list_objects_v2(Bucket="spark")
    assert refused(caught) == "SignatureDoesNotMatch"


def test_secrets_are_in_private_files_alone(stack: StackInfo) -> None:
    layout = Layout(stack.home)
    secrets = [stack.s3_secret_key.get_secret_value(), read_env(layout.root_env)["MINIO_ROOT_PASSWORD"]]
    for file in (layout.stack_env, layout.root_env, layout.supervisor_conf):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = [repr(stack), layout.supervisor_conf.read_text()]
    shown += [log.read_text(errors="replace") for log in layout.log("kafka").parent.iterdir()]
    shown += [" ".join(found.process.cmdline()) for found in processes.find(layout)]
    assert not any(secret in text for secret in secrets for text in shown)
    assert secrets[0] in layout.stack_env.read_text()
    assert secrets[1] not in layout.stack_env.read_text()


def root_of(stack: StackInfo) -> S3Client:
    root = read_env(Layout(stack.home).root_env)
    return client_of(stack, access_key=root["MINIO_ROOT_USER"], secret_key=root["MINIO_ROOT_PASSWORD"])
