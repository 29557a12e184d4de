"""Wait until a part of the stack is healthy, and say in one line why it never will be."""

import threading
import time
from collections.abc import Mapping

from contracts.errors import StackError
from infra.stack import connect, health, questdb, spark
from infra.stack.layout import Layout
from infra.stack.supervisor import ALIVE, Supervisor, last_line

READY_SECONDS = 120


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
    if part == "kafka":
        return health.kafka_is_ready(ports["kafka_port"])
    if part == "minio":
        return health.minio_is_ready(ports["minio_port"])
    if part == questdb.PART:
        return health.questdb_is_ready(ports["questdb_server_http_port"])
    if part == connect.PART:
        return health.connect_is_ready(ports["connect_port"])
    master_page = ports[spark.ui_setting(spark.MASTER)]
    if part == spark.MASTER:
        return health.spark_master_is_ready(master_page)
    return health.spark_worker_is_ready(master_page, ports[spark.ui_setting(part)])
