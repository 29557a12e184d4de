"""The embedded Kafka broker: KRaft, one node that is broker and controller, loopback only."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from contracts.errors import StackError
from infra.stack import class_archive
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK

CLUSTER_ID = "Y29pbmxha2UtZW1iZWRkZQ"
"""Kafka wants 16 bytes in URL-safe base64."""
FLAGS = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
MAIN = "kafka.Kafka"
FORMAT_MAIN = "kafka.tools.StorageTool"
_LOG4J = Path(__file__).parent / "log4j2.xml"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=2000
"""
"""The broker's server.properties; the Kafka of docker-compose.yml has the same, but for its addresses."""


def write_properties(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write the broker's server.properties."""
    layout.kafka_conf.write_text(
        PROPERTIES.format(
            host=LOOPBACK,
            port=ports["kafka_port"],
            controller_port=ports["kafka_controller_port"],
            data=layout.kafka_data,
        )
    )


def format_storage(layout: Layout, java: Path, jars: Path) -> None:
    """Give the broker's storage its cluster id, unless it has one.

    Raises:
        StackError: the storage tool failed; the message bears its last line.
    """
    if (layout.kafka_data / "meta.properties").exists():
        return
    archive = class_archive.archive_file("kafka", java, jars, FLAGS)
    command = [*_jvm(java, jars, class_archive.use_option(archive)), FORMAT_MAIN, "format", "--ignore-formatted"]
    command += ["-t", CLUSTER_ID, "-c", str(layout.kafka_conf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise StackError(f"kafka: its storage could not be formatted: {said[-1]}")


def command(layout: Layout, java: Path, jars: Path) -> list[str]:
    """Return the command line of the broker."""
    archive = class_archive.archive_file("kafka", java, jars, FLAGS)
    options = class_archive.use_or_make_option(archive, layout.new_class_archive("kafka"))
    return [*_jvm(java, jars, options), MAIN, str(layout.kafka_conf)]


def _jvm(java: Path, jars: Path, options: list[str]) -> list[str]:
    return [str(java), *FLAGS, *options, f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", f"{jars}/*"]
