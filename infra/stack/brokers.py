"""Give a stack its Kafka: one broker, or three of which one may be lost."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import StackError
from infra.kafka.topics import apply_topics, read_topics
from infra.settings import BrokerSettings
from infra.stack import health, kafka
from infra.stack.layout import Layout
from infra.stack.ready import READY_SECONDS, wait_ready
from infra.stack.supervisor import Supervisor

Say = Callable[[str], None]


@dataclass(frozen=True)
class ThreeBrokers:
    """Two brokers beside the first, and a copy of everything on each: on which ports they listen."""

    settings: BrokerSettings

    @classmethod
    def on_free_ports(cls) -> "ThreeBrokers":
        """Return them on any free ports, whatever the environment says."""
        return cls(BrokerSettings(kafka_2_port=0, kafka_2_controller_port=0, kafka_3_port=0, kafka_3_controller_port=0))

    def wanted_ports(self) -> dict[str, int]:
        """Return the port that is wanted for each of their port settings."""
        return self.settings.model_dump()


def started_with(layout: Layout) -> int:
    """Return with how many brokers a home was started; 0 before its first start."""
    conf = layout.kafka_conf(kafka.PART)
    if not conf.exists() or not any(kafka.is_formatted(layout, part) for part in kafka.PARTS):
        return 0
    lines = dict(line.split("=", 1) for line in conf.read_text().splitlines())
    return len(lines["controller.quorum.voters"].split(","))


def refuse_another_number(layout: Layout, wanted: int) -> None:
    """Refuse to start a home with more or fewer brokers than hold its messages; nothing is changed.

    Raises:
        StackError: it was started with another number.
    """
    found = started_with(layout)
    if found not in (0, wanted):
        command = "coinlake up" if found == 1 else f"coinlake up --brokers {found}"
        raise StackError(
            f"brokers: expected {found}, with which {layout.home} was started, found {wanted} asked for: "
            f"what they hold is not moved, so run `{command}`, or set COINLAKE_HOME to another folder"
        )


def start(
    layout: Layout, java: Path, jars: Path, ports: Mapping[str, int], cancelled: threading.Event, say: Say
) -> None:
    """Start the brokers that have a port, side by side, and make the topics that are missing.

    Raises:
        StackError: one did not get ready, or they did not find each other.
        TopicError: Kafka refuses to create a topic.
    """
    began = time.monotonic()
    parts, places = kafka.parts_among(ports), kafka.bootstrap_servers(ports)
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: kafka.format_storage(layout, part, java, jars), parts))
    supervisor = Supervisor(layout.socket)
    for part in parts:
        supervisor.start(part)
    for part in parts:
        wait_ready(layout, part, ports, cancelled)
    _wait_until_each_knows_all([ports[kafka.port_setting(part)] for part in parts], cancelled)
    say(f"kafka: ready on {places} after {time.monotonic() - began:.1f} s")
    applied = apply_topics(places, read_topics())
    say(
        f"topics: {len(applied.created)} created, {len(applied.unchanged) + len({d.topic for d in applied.drift})} kept"
    )
    for drift in applied.drift:
        say(f"topics: drift: {drift}")


def _wait_until_each_knows_all(ports: list[int], cancelled: threading.Event) -> None:
    """Wait until no broker would make a topic with fewer copies for want of the others."""
    deadline = time.monotonic() + READY_SECONDS
    while not cancelled.is_set():
        known = [health.brokers_known(port) for port in ports]
        if min(known) >= len(ports):
            return
        if time.monotonic() > deadline:
            raise StackError(f"expected each broker to know {len(ports)} within {READY_SECONDS} s, found {known}")
        time.sleep(0.1)
    raise StackError("kafka was not waited for: the start was given up")
