"""The embedded Kafka: KRaft, one node that is broker and controller, or three of them; loopback only."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.errors import StackError
from infra.stack import class_archive
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK

PART = "kafka"
PARTS = (PART, "kafka-2", "kafka-3")
"""The broker, and those that stand beside it where there are three."""
CLUSTER_ID = "Y29pbmxha2UtZW1iZWRkZQ"
"""Kafka wants 16 bytes in URL-safe base64."""
FLAGS = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
MAIN = "kafka.Kafka"
FORMAT_MAIN = "kafka.tools.StorageTool"
_LOG4J = Path(__file__).parent / "log4j2.xml"

_OF_EACH = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=3
offsets.topic.replication.factor={copies}
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=2000
"""
_OF_THREE = """\
default.replication.factor=3
min.insync.replicas=2
controlled.shutdown.enable=false
"""
"""What one broker does without.

Our topics name their own `min.insync.replicas`; the topics of consumer offsets and of Kafka Connect have the broker's.
All three stop together: handing over what it leads, the last would wait for a controller that is gone.
"""


def port_setting(part: str) -> str:
    """Return under which name the port of a broker is kept."""
    return f"{part.replace('-', '_')}_port"


def controller_port_setting(part: str) -> str:
    """Return under which name the port is kept on which a broker's controller meets the others."""
    return f"{part.replace('-', '_')}_controller_port"


def parts_among(ports: Mapping[str, int]) -> list[str]:
    """Return the brokers that have a port."""
    return [part for part in PARTS if port_setting(part) in ports]


def bootstrap_servers(ports: Mapping[str, int]) -> str:
    """Return where clients find Kafka: every broker, so that it is found while one is down."""
    return ",".join(f"{LOOPBACK}:{ports[port_setting(part)]}" for part in parts_among(ports))


def properties(part: str, ports: Mapping[str, int], data: Path) -> str:
    """Return the server.properties of one of the brokers that have a port.

    Those of the compose files are the same, but for their addresses.
    """
    parts = parts_among(ports)
    voters = [f"{PARTS.index(each) + 1}@{LOOPBACK}:{ports[controller_port_setting(each)]}" for each in parts]
    several = len(parts) > 1
    return (_OF_EACH + (_OF_THREE if several else "")).format(
        node=PARTS.index(part) + 1,
        voters=",".join(voters),
        host=LOOPBACK,
        port=ports[port_setting(part)],
        controller_port=ports[controller_port_setting(part)],
        data=data,
        copies=3 if several else 1,
        in_sync=2 if several else 1,
    )


def write_properties(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write the server.properties of each broker that has a port."""
    for part in parts_among(ports):
        conf = layout.kafka_conf(part)
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text(properties(part, ports, layout.kafka_data(part)))


def is_formatted(layout: Layout, part: str) -> bool:
    """Tell whether a broker's storage has its cluster id."""
    return (layout.kafka_data(part) / "meta.properties").exists()


def format_storage(layout: Layout, part: str, java: Path, jars: Path) -> None:
    """Give a broker's storage its cluster id, unless it has one.

    Raises:
        StackError: the storage tool failed; the message bears its last line.
    """
    if is_formatted(layout, part):
        return
    archive = class_archive.archive_file(PART, java, jars, FLAGS)
    command = [*_jvm(java, jars, class_archive.use_option(archive)), FORMAT_MAIN, "format", "--ignore-formatted"]
    command += ["-t", CLUSTER_ID, "-c", str(layout.kafka_conf(part))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise StackError(f"{part}: its storage could not be formatted: {said[-1]}")


def command(layout: Layout, part: str, java: Path, jars: Path) -> list[str]:
    """Return the command line of a broker; where there is no class archive yet, the first makes it for all."""
    archive = class_archive.archive_file(PART, java, jars, FLAGS)
    use = class_archive.use_option(archive)
    options = class_archive.use_or_make_option(archive, layout.new_class_archive(PART)) if part == PART else use
    return [*_jvm(java, jars, options), MAIN, str(layout.kafka_conf(part))]


def _jvm(java: Path, jars: Path, options: Sequence[str]) -> list[str]:
    return [str(java), *FLAGS, *options, f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", f"{jars}/*"]
