"""Wait until a part of the stack is healthy, and say in one line why it never will be."""

import threading
import time
from collections.abc import Callable, Mapping

from contracts.errors import StackError
from infra.stack import connect, health, questdb, spark
from infra.stack.layout import Layout
from infra.stack.supervisor import ALIVE, Supervisor, last_line

READY_SECONDS = 120
PROBES: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "kafka": (health.kafka_is_ready, "kafka_port"),
    "minio": (health.minio_is_ready, "minio_port"),
    questdb.PART: (health.questdb_is_ready, "questdb_server_http_port"),
    connect.PART: (health.connect_is_ready, "connect_port"),
    spark.MASTER: (health.spark_master_is_ready, spark.ui_setting(spark.MASTER)),
}
"""What asks each part whether it is healthy, and on which port; of a worker its master knows."""


def wait_ready(layout: Layout, part: str, ports: Mapping[str, int], cancelled: threading.Event | None = None) -> None:
    """Wait until a started part is healthy.

    Raises:
        StackError: it ended, it was not healthy in time, or `cancelled` was set meanwhile.
    """
    supervisor, log = Supervisor(layout.socket), layout.log(part)
    deadline = time.monotonic() + READY_SECONDS
    first_pid = supervisor.states()[part].pid
    while not (cancelled and cancelled.is_set()):
        now = supervisor.states()[part]
        # Another pid: it ended and supervisord has started it again.
        if now.state not in ALIVE or now.pid != first_pid:
            raise StackError(f"{part} ended while it started: {last_line(log)} (log: {log})")
        if _is_ready(part, ports):
            return
        if time.monotonic() > deadline:
            raise StackError(f"{part} was not ready within {READY_SECONDS} s: {last_line(log)} (log: {log})")
        time.sleep(0.1)
    raise StackError(f"{part} was not waited for: the start was given up")


def _is_ready(part: str, ports: Mapping[str, int]) -> bool:
    if spark.is_worker(part):
        return health.spark_worker_is_ready(ports[spark.ui_setting(spark.MASTER)], ports[spark.ui_setting(part)])
    probe, setting = PROBES[part]
    return probe(ports[setting])
