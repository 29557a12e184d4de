"""Give a stack QuestDB and Kafka Connect, which takes liquidations there: when it starts, or while it runs."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from contracts.errors import StackError
from infra.connect.plugin import ensure_sink
from infra.interrupts import uninterrupted
from infra.jars import ensure_kafka_jars, ensure_questdb_jars
from infra.questdb.tables import apply_tables
from infra.settings import LiquidationSettings
from infra.setup.java import find_java
from infra.stack import connect, questdb
from infra.stack.info import StackInfo, write_info
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK, choose_ports
from infra.stack.ready import wait_ready
from infra.stack.supervisor import Program, Supervisor, added

Say = Callable[[str], None]
PARTS = (questdb.PART, connect.PART)


@dataclass(frozen=True)
class Liquidations:
    """What takes liquidations from Kafka to QuestDB: on which ports it listens."""

    settings: LiquidationSettings

    @classmethod
    def on_free_ports(cls) -> "Liquidations":
        """Return it on any free ports, whatever the environment says."""
        return cls(LiquidationSettings(questdb_server_http_port=0, questdb_server_pg_port=0, connect_port=0))

    def wanted_ports(self) -> dict[str, int]:
        """Return the port that is wanted for each of its port settings."""
        return self.settings.model_dump()


@dataclass(frozen=True)
class Programs:
    """The jars of its parts, found before anything is started."""

    java: Path
    kafka_jars: Path
    questdb_jars: Path
    plugins: Path

    @classmethod
    def ensure(cls) -> "Programs":
        """Find them, fetched and built first where they are not there.

        Raises:
            StackError: there is no JDK, or Maven failed.
        """
        return cls(find_java(), ensure_kafka_jars(), ensure_questdb_jars(), ensure_sink())

    def of(self, layout: Layout, ports: Mapping[str, int]) -> list[Program]:
        """Write the configuration of its parts and return what supervisord is to run."""
        questdb.write_conf(layout)
        connect.write_properties(layout, self.plugins)
        return [
            Program(
                questdb.PART,
                questdb.command(layout, self.java, self.questdb_jars),
                questdb.environment(layout, ports),
            ),
            Program(
                connect.PART,
                connect.command(layout, self.java, self.kafka_jars),
                connect.environment(layout, ports),
            ),
        ]


def start(
    layout: Layout, ports: Mapping[str, int], kafka_ready: threading.Event, cancelled: threading.Event, say: Say
) -> None:
    """Start both parts, Connect when Kafka is ready; make the tables, register the connector.

    Raises:
        StackError: one did not get ready.
        DatabaseError: QuestDB refuses a table.
        ConnectorError: the connector does not run.
    """
    began = time.monotonic()
    supervisor = Supervisor(layout.socket)
    supervisor.start(questdb.PART)
    while not kafka_ready.wait(0.05):
        if cancelled.is_set():
            raise StackError(f"{connect.PART} was not started: the start was given up")
    supervisor.start(connect.PART)
    wait_ready(layout, questdb.PART, ports, cancelled)
    say(f"questdb: ready on {_http(ports)} after {time.monotonic() - began:.1f} s")
    wait_ready(layout, connect.PART, ports, cancelled)
    apply(layout, ports, say)
    say(f"connect: ready on {connect.url(ports)} after {time.monotonic() - began:.1f} s")


def apply(layout: Layout, ports: Mapping[str, int], say: Say) -> None:
    """Make the tables that are missing, register the connector or give it the options of its file.

    Raises:
        DatabaseError: QuestDB refuses a table.
        ConnectorError: the connector does not run.
    """
    admin, _reader = questdb.passwords(layout)
    apply_tables(_http(ports), user=questdb.ADMIN, password=SecretStr(admin))
    say(f"connect: connector {connect.register_connectors(ports).name} runs")


def _http(ports: Mapping[str, int]) -> str:
    return f"{LOOPBACK}:{ports['questdb_server_http_port']}"


def grow(layout: Layout, running: StackInfo, liquidations: Liquidations, say: Say) -> StackInfo:
    """Add both parts to a running stack; on a failure it runs on as it was.

    Raises:
        StackError: a port is in use, or a part ended as it started.
        DatabaseError: QuestDB refuses a table.
        ConnectorError: the connector does not run.
    """
    programs = Programs.ensure()
    ports = {**running.ports, **choose_ports(liquidations.wanted_ports())}
    _admin, reader = questdb.passwords(layout)
    info = replace(running, ports=ports, questdb_password=SecretStr(reader), already_running=False)
    kafka_ready = threading.Event()
    kafka_ready.set()
    with added(layout, programs.of(layout, ports)):
        start(layout, ports, kafka_ready, threading.Event(), say)
    with uninterrupted():
        write_info(info)
    return info
