"""Give a stack a Spark cluster: when it starts, or while it runs."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.errors import SettingsError
from infra.interrupts import uninterrupted
from infra.settings import ClusterSettings
from infra.spark.home import spark_home
from infra.spark.settings import SparkSettings, memory_bytes
from infra.stack import spark
from infra.stack.info import StackInfo, write_info
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK, choose_ports
from infra.stack.ready import wait_ready
from infra.stack.supervisor import Program, Supervisor, added

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cluster:
    """A Spark cluster to start: how many workers, on which ports, offering what."""

    workers: int
    settings: ClusterSettings

    def parts(self) -> list[str]:
        """Return the names of its parts, the master first."""
        return [spark.MASTER, *(spark.worker(number) for number in range(1, self.workers + 1))]

    def wanted_ports(self) -> dict[str, int]:
        """Return the port that is wanted for each of its port settings; a worker's web page takes any free one."""
        workers = {spark.ui_setting(part): 0 for part in self.parts()[1:]}
        settings = {name: getattr(self.settings, name) for name in ("spark_master_port", "spark_master_ui_port")}
        return settings | workers


def programs(
    layout: Layout, cluster: Cluster, ports: Mapping[str, int], parts: list[str], settings: SparkSettings
) -> list[Program]:
    """Return the programs of these parts.

    Raises:
        SettingsError: an executor is larger than a worker, so no job would ever start; or there is no Spark.
    """
    worker_memory = cluster.settings.spark_worker_memory
    if memory_bytes(settings.spark_executor_memory) > memory_bytes(worker_memory):
        raise SettingsError(
            f"COINLAKE_SPARK_EXECUTOR_MEMORY: expected at most COINLAKE_SPARK_WORKER_MEMORY ({worker_memory}), "
            f"found {settings.spark_executor_memory}"
        )
    home = spark_home(settings)
    env = spark.environment(layout, home)
    return [Program(part, _command(layout, home, cluster, ports, part), env) for part in parts]


def _command(layout: Layout, home: Path, cluster: Cluster, ports: Mapping[str, int], part: str) -> list[str]:
    if part == spark.MASTER:
        return spark.master_command(layout, home, ports)
    return spark.worker_command(layout, home, part, ports, cluster.settings)


def clear(layout: Layout) -> None:
    """Forget what earlier clusters left, and write the configuration."""
    for folder in (layout.spark_workers, layout.spark_recovery):
        shutil.rmtree(folder, ignore_errors=True)
    spark.write_conf(layout)


def start(layout: Layout, ports: Mapping[str, int], parts: list[str], cancelled: threading.Event, say: Say) -> None:
    """Start these parts: the master first, for which a worker would else wait ten seconds between two tries.

    Raises:
        StackError: one did not get ready.
    """
    began = time.monotonic()
    supervisor = Supervisor(layout.socket)
    workers = [part for part in parts if part != spark.MASTER]
    if spark.MASTER in parts:
        supervisor.start(spark.MASTER)
        wait_ready(layout, spark.MASTER, ports, cancelled)
    for part in workers:
        supervisor.start(part)
    for part in workers:
        wait_ready(layout, part, ports, cancelled)
    count = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
    page = f"http://{LOOPBACK}:{ports[spark.ui_setting(spark.MASTER)]}"
    say(
        f"spark: {count} of spark://{LOOPBACK}:{ports['spark_master_port']} ready, web page {page}, "
        f"after {time.monotonic() - began:.1f} s"
    )


def grow(layout: Layout, running: StackInfo, cluster: Cluster, settings: SparkSettings, say: Say) -> StackInfo:
    """Add to a running stack what it lacks of a cluster; on a failure it runs on as it was.

    Raises:
        StackError: a port is in use, or a part ended as it started.
        SettingsError: the settings of the cluster cannot be used.
    """
    missing = [part for part in cluster.parts() if spark.ui_setting(part) not in running.ports]
    wanted = {name: port for name, port in cluster.wanted_ports().items() if name not in running.ports}
    info = replace(running, ports={**running.ports, **choose_ports(wanted)}, already_running=False)
    new = programs(layout, cluster, info.ports, missing, settings)
    if spark.MASTER in missing:
        clear(layout)
    with added(layout, new):
        start(layout, info.ports, missing, threading.Event(), say)
    with uninterrupted():
        write_info(info)
    return info
