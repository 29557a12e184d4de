"""Three brokers: one may be killed and nothing is lost or doubled; without two, nothing is acknowledged."""

import ipaddress
import os
import re
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from contracts.topics import Topic
from infra.children import Child
from infra.jars import ensure_kafka_jars
from infra.kafka.admin import admin_client
from infra.kafka.topics import apply_topics, list_topics, read_topics
from infra.setup.java import find_java
from infra.stack import (
    Liquidations,
    StackInfo,
    ThreeBrokers,
    down,
    kafka,
    kill_part,
    processes,
    restart_part,
    status,
    up,
)
from infra.stack.layout import Layout
from tests.integration.conftest import COINLAKE, coinlake, own_stack, pointed_at, simulator
from tests.integration.kafka_load import RECORDS, TOPIC, Load, ids_in_kafka, longest_silence, until

MAINS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-metadata-quorum.sh": "org.apache.kafka.tools.MetadataQuorumCommand",
}
"""What Kafka's own scripts start."""
IN_SYNC_SECONDS = 120


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """Three brokers; each test leaves all of them running and in sync."""
    began = time.monotonic()
    with own_stack(tmp_path_factory.mktemp("brokers") / "home", brokers=ThreeBrokers.on_free_ports()) as info:
        rows = {row.name: row for row in status(info.home)}
        memory = sum(rows[part].memory_bytes or 0 for part in kafka.PARTS) / 2**20
        print(f"three brokers and MinIO up after {time.monotonic() - began:.1f} s, the brokers {memory:.0f} MiB")
        yield info
        began = time.monotonic()
    print(f"stopped after {time.monotonic() - began:.1f} s")


def by_tool(command: str, *, given: str = "") -> str:
    """Run a command of Kafka's own tools as its script would, and return what it prints."""
    script, *words = shlex.split(command)
    java = [str(find_java()), "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    done = subprocess.run(
        [*java, "-cp", f"{ensure_kafka_jars()}/*", MAINS[script], *words],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def settings_of(stack: StackInfo, topic: str) -> dict[str, str]:
    client = admin_client(stack.kafka_bootstrap_servers)
    (asked,) = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: str(entry.value) for name, entry in asked.result(timeout=15).items()}


def out_of_sync(stack: StackInfo) -> list[str]:
    topics = admin_client(stack.kafka_bootstrap_servers).list_topics(timeout=10).topics
    return [
        f"{name}-{number}: {part.isrs}"
        for name, topic in topics.items()
        for number, part in topic.partitions.items()
        if set(part.isrs) != set(part.replicas)
    ]


def wait_in_sync(stack: StackInfo) -> float:
    return until(lambda: not out_of_sync(stack), IN_SYNC_SECONDS, "every copy in sync")


# --- what is there ----------------------------------------------------------------------------------------------------


def test_three_brokers_run_on_loopback_each_with_its_log_and_clients_know_all(three: StackInfo) -> None:
    rows = {row.name: row for row in status(three.home)}
    assert list(rows) == ["kafka", "kafka-2", "kafka-3", "minio", "supervisord"]
    assert {row.state for row in rows.values()} == {"running"}
    layout = Layout(three.home)
    assert all(layout.log(part).stat().st_size > 0 for part in kafka.PARTS)
    ports = [str(rows[part].port) for part in kafka.PARTS]
    assert three.kafka_bootstrap_servers == ",".join(f"127.0.0.1:{port}" for port in ports)
    assert f"COINLAKE_KAFKA_BOOTSTRAP_SERVERS={three.kafka_bootstrap_servers}\n" in layout.stack_env.read_text()
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for found in processes.find(layout)
        for connection in found.process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 8
    assert all(ipaddress.ip_address(address).is_loopback for address in listening)


def test_every_topic_has_three_copies_of_which_two_are_needed_kafkas_own_too(three: StackInfo) -> None:
    consumer = Consumer({"bootstrap.servers": three.kafka_bootstrap_servers, "group.id": "a-group"})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 0)], asynchronous=False)
    consumer.close()
    producer = Producer({"bootstrap.servers": three.kafka_bootstrap_servers, "transactional.id": "a-transaction"})
    producer.init_transactions(30)
    found = admin_client(three.kafka_bootstrap_servers).list_topics(timeout=10).topics
    assert {"__consumer_offsets", "__transaction_state", *read_topics()} <= set(found)
    assert {len(part.replicas) for topic in found.values() for part in topic.partitions.values()} == {3}
    assert {settings_of(three, topic)["min.insync.replicas"] for topic in found} == {"2"}
    assert apply_topics(three.kafka_bootstrap_servers, read_topics()).drift == ()


def test_a_topic_made_with_one_copy_is_drift(three: StackInfo, prefix: str) -> None:
    name = f"{prefix}thin"
    by_tool(
        f"kafka-topics.sh --bootstrap-server {three.kafka_bootstrap_servers} --create --topic {name}"
        " --replication-factor 1 --config min.insync.replicas=1"
    )
    applied = apply_topics(three.kafka_bootstrap_servers, {name: Topic(partitions=1)})
    assert [str(drift) for drift in applied.drift] == [
        f"{name}: replication factor is 1, expected 3",
        f"{name}: min.insync.replicas is 1, expected 2",
    ]
    client = admin_client(three.kafka_bootstrap_servers)
    client.delete_topics([name])[name].result(timeout=15)


def test_a_running_stack_of_three_is_up_already_and_one_of_one_takes_no_two_more(
    three: StackInfo, stack: StackInfo
) -> None:
    ports = {f"COINLAKE_KAFKA_{name}": "0" for name in ("2_PORT", "2_CONTROLLER_PORT", "3_PORT", "3_CONTROLLER_PORT")}
    again = coinlake(three, "up", "--brokers", "3", **ports).well()
    assert again.out == [f"the stack is up already: Kafka {three.kafka_bootstrap_servers}, lake s3a://lake-house"]
    refused = coinlake(stack, "up", "--brokers", "3", **ports)
    assert (refused.code, len(refused.err)) == (1, 1)
    assert refused.err[0].startswith(f"coinlake: brokers: expected 1, with which {stack.home} was started, found 3")
    assert {row.name for row in status(stack.home)} == {"kafka", "minio", "supervisord"}


# --- trying a topic ---------------------------------------------------------------------------------------------------


def test_a_trial_is_what_kafkas_own_tools_do_and_leaves_nothing(three: StackInfo) -> None:
    before = list_topics(three.kafka_bootstrap_servers, read_topics())
    ends = by_partition(three)
    tried = coinlake(three, "topics", "try", TOPIC, "-n", "7").well().out
    assert list_topics(three.kafka_bootstrap_servers, read_topics()) == before
    assert by_partition(three) == ends
    create, describe, produce, consume, delete = (line.strip() for line in tried if line.startswith("  kafka-"))
    by_tool(create)
    try:
        assert shlex.split(describe)[1:3] == ["--bootstrap-server", three.kafka_bootstrap_servers]
        by_tool(produce, given="".join(f"key-{number}:message {number}\n" for number in range(1, 8)))
        said = by_tool(consume)
        made = shlex.split(create)[4]
        twin, real = settings_of(three, made), settings_of(three, TOPIC)
    finally:
        by_tool(delete)
    assert twin == real
    rows = [line.split(maxsplit=7) for line in tried]
    ours = {
        (row[0], row[1], row[2], f"{row[3]} {row[4]}") for row in rows if len(row) > 3 and row[2].startswith("key-")
    }
    theirs = {
        (partition.removeprefix("Partition:"), offset.removeprefix("Offset:"), key, value)
        for partition, offset, key, value in (line.split("\t") for line in said.splitlines() if line)
    }
    assert len(theirs) == 7
    assert ours == theirs


def by_partition(stack: StackInfo) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "looker"})
    ends = {number: consumer.get_watermark_offsets(TopicPartition(TOPIC, number))[1] for number in range(3)}
    consumer.close()
    return ends


def test_a_topic_that_is_not_there_cannot_be_tried(three: StackInfo) -> None:
    refused = coinlake(three, "topics", "try", "no-such-topic")
    assert (refused.code, refused.err) == (
        1,
        ['coinlake: topic no-such-topic does not exist: "coinlake topics list" shows those that do'],
    )


# --- one broker killed ------------------------------------------------------------------------------------------------


def controller(stack: StackInfo) -> str:
    """Return the broker whose controller leads."""
    said = by_tool(f"kafka-metadata-quorum.sh --bootstrap-server {stack.kafka_bootstrap_servers} describe --status")
    found = re.search(r"LeaderId:\s+(\d)", said)
    assert found is not None, said
    return kafka.PARTS[int(found[1]) - 1]


@contextmanager
def paused(stack: StackInfo, part: str) -> Iterator[None]:
    """Let a broker fall behind: what the block kills has taken and copied messages that it could not acknowledge yet.

    A producer sends those again; only one that is idempotent does not double them.
    """
    pid = next(row.pid for row in status(stack.home) if row.name == part)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(1)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_one_broker_killed_under_load_loses_and_doubles_nothing(three: StackInfo, tmp_path: Path, prefix: str) -> None:
    leads = controller(three)
    follows = next(part for part in kafka.PARTS if part != leads)
    with Load(three.kafka_bootstrap_servers, tmp_path / "journal", first=0, delivery_seconds=90) as load:
        load.wait_for_each_sent_after(time.monotonic() + 1)
        for part, role in ((follows, "a broker"), (leads, "the controller's leader")):
            with paused(three, next(each for each in kafka.PARTS if each not in (part, leads))):
                killed = time.monotonic()
                kill_part(three.home, part)
            load.wait_for_each_sent_after(killed + 1)
            until(lambda: bool(out_of_sync(three)), 120, "the killed broker to be missed")
            # Also with one down, a topic is made for three and nothing drifts.
            name = f"{prefix}{part}"
            assert apply_topics(three.kafka_bootstrap_servers, {name: Topic(partitions=3)}).created == (name,)
            assert apply_topics(three.kafka_bootstrap_servers, {name: Topic(partitions=3), **read_topics()}).drift == ()
            silent = longest_silence([poll for poll in load.acknowledged if poll.at > killed - 1])
            restart_part(three.home, part)
            seconds = wait_in_sync(three)
            print(f"{role} killed: {silent:.1f} s without acknowledgement, in sync {seconds:.1f} s after its return")
        load.wait_for_each_sent_after(time.monotonic())
    assert (load.refused, load.broken) == ([], [])
    read = ids_in_kafka(three.kafka_bootstrap_servers, 0)
    print(f"{len(load.ids())} records acknowledged, {len(read)} read")
    assert len(read) > 2000
    # No record was refused: what is in Kafka is what was acknowledged, each once.
    assert Counter(read) == Counter(load.ids())


# --- two brokers killed -----------------------------------------------------------------------------------------------


def leader(stack: StackInfo) -> str:
    """Return a broker that leads partitions, and so could go on alone if nothing held it back."""
    topic = admin_client(stack.kafka_bootstrap_servers).list_topics(TOPIC, timeout=10).topics[TOPIC]
    return kafka.PARTS[topic.partitions[0].leader - 1]


def test_without_two_nothing_is_acknowledged_all_fail_loudly_and_what_was_acknowledged_is_there(
    three: StackInfo, tmp_path: Path
) -> None:
    first = 10_000_000
    polling = {"COINLAKE_HOME": str(three.home), **three.env(), "COINLAKE_DRAIN_SECONDS": "2"}
    with (
        simulator(tmp_path, "--speed", "60", "--span", "1h") as base,
        Child(
            "generator",
            [*COINLAKE, "generate", "--forever", "--venue", "wallex"],
            env=polling | pointed_at(base, poll_seconds=0.5),
            log=tmp_path / "generator.log",
        ) as generator,
        Load(three.kafka_bootstrap_servers, tmp_path / "journal", first=first, delivery_seconds=6) as load,
    ):
        load.wait_for_each_sent_after(time.monotonic() + 1)
        until(lambda: "poll_served" in (tmp_path / "generator.log").read_text(), 120, "a poll of the generator")
        survivor = leader(three)
        others = [part for part in kafka.PARTS if part != survivor]
        for part in others:
            kill_part(three.home, part)
        killed = time.monotonic()
        until(lambda: len(load.refused) > 20, 120, "refused polls")
        # What was answered just before may be written down just after.
        late = [poll for poll in load.acknowledged if poll.at > killed + 3]
        os.kill(generator.pid, signal.SIGTERM)
        code = generator.wait(120)
        said = generator.last_words()
        assert late == []
        assert all(re.fullmatch(r"Kafka did not acknowledge \d+ of 20 records \(\w+\)", str(e)) for e in load.refused)
        assert code == 1
        assert re.fullmatch(r"Kafka did not acknowledge \d+ records within 2 s after the stop", said), said
        print(f"two killed: the first poll failed loudly after {time.monotonic() - killed:.1f} s at most; {said}")
        for part in others:
            restart_part(three.home, part)
        back = time.monotonic()
        load.wait_for_each_sent_after(back)
        print(f"both back: acknowledged again {time.monotonic() - back:.1f} s later")
        print(f"in sync {wait_in_sync(three):.1f} s later")
        load.wait_for_each_sent_after(time.monotonic() + 1)
    assert load.broken == []
    read = Counter(ids_in_kafka(three.kafka_bootstrap_servers, first))
    assert len(load.refused) > 20
    assert [number for number in load.ids() if not read[number]] == []
    # What the third broker wrote while nobody could acknowledge it is sent anew where polls before it timed out: the
    # producer begins a new epoch. Once Kafka is whole again each record is there once.
    after = [poll.first + number for poll in load.acknowledged if poll.sent > back for number in range(RECORDS)]
    assert len(after) > 100
    assert [number for number in after if read[number] != 1] == []
    doubled = sum(count > 1 for count in read.values())
    print(f"{len(load.ids())} acknowledged, all of them read; {doubled} that waited or were refused are there twice")


# --- Kafka Connect ----------------------------------------------------------------------------------------------------


def test_connect_keeps_three_copies_of_what_it_remembers(three: StackInfo) -> None:
    grown = up(three.home, liquidations=Liquidations.on_free_ports())
    assert grown.connect_url is not None
    found = admin_client(three.kafka_bootstrap_servers).list_topics(timeout=10).topics
    own = ("connect_configs", "connect_offsets", "connect_status")
    assert {len(part.replicas) for name in own for part in found[name].partitions.values()} == {3}
    assert {settings_of(three, name)["min.insync.replicas"] for name in own} == {"2"}


def test_connect_takes_leave_of_its_brokers_before_they_end(three: StackInfo) -> None:
    """The last test of these: nothing runs after it."""
    up(three.home, liquidations=Liquidations.on_free_ports())
    began = time.monotonic()
    assert down(three.home)
    print(f"three brokers with Connect stopped after {time.monotonic() - began:.1f} s")
    log = Layout(three.home).log("supervisord").read_text()
    assert "stopped: connect" in log
    assert "killing 'connect'" not in log
