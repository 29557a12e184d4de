"""The embedded Spark cluster: a standalone master and its workers, loopback only, with no REST gateway."""

import os
from collections.abc import Mapping
from pathlib import Path

from infra.settings import ClusterSettings
from infra.setup.java import find_java
from infra.stack.layout import Layout, write_private
from infra.stack.ports import LOOPBACK

MASTER = "spark-master"
MASTER_MAIN = "org.apache.spark.deploy.master.Master"
WORKER_MAIN = "org.apache.spark.deploy.worker.Worker"
EXECUTOR_MAIN = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
"""A worker starts it in a folder of its own below the worker's."""

_WORKER = "spark-worker-"
_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_MEMORY = "256m"

_CONF = """\
spark.master.rest.enabled           false
spark.deploy.recoveryMode           FILESYSTEM
spark.deploy.recoveryDirectory      {recovery}
spark.deploy.retainedApplications   20
spark.deploy.retainedDrivers        20
spark.worker.ui.retainedExecutors   20
spark.worker.cleanup.enabled        true
spark.worker.cleanup.appDataTtl     86400
"""


def worker(number: int) -> str:
    """Return the name of a worker; the first is number 1."""
    return f"{_WORKER}{number}"


def is_worker(part: str) -> bool:
    """Tell whether a part of the stack is a worker."""
    return part.startswith(_WORKER)


def ui_setting(part: str) -> str:
    """Return under which name the port of the web page of master or worker is kept."""
    return f"{part.replace('-', '_')}_ui_port"


def workers_among(ports: Mapping[str, int]) -> list[str]:
    """Return the workers that have a port."""
    names = (worker(number) for number in range(1, len(ports) + 1))
    return [name for name in names if ui_setting(name) in ports]


def write_conf(layout: Layout) -> None:
    """Write the configuration of master and workers, and make their folders."""
    for folder in (layout.spark_workers, layout.spark_recovery):
        folder.mkdir(parents=True, exist_ok=True)
    write_private(layout.spark_conf, _CONF.format(recovery=layout.spark_recovery))


def master_command(layout: Layout, spark_home: Path, ports: Mapping[str, int]) -> list[str]:
    """Return the command line of the master."""
    return [
        *_start(layout, spark_home, MASTER_MAIN, ports[ui_setting(MASTER)]),
        *("--port", str(ports["spark_master_port"])),
    ]


def worker_command(
    layout: Layout, spark_home: Path, part: str, ports: Mapping[str, int], settings: ClusterSettings
) -> list[str]:
    """Return the command line of a worker; it takes any free port for what it is told by the master."""
    return [
        *_start(layout, spark_home, WORKER_MAIN, ports[ui_setting(part)]),
        *("--cores", str(settings.spark_worker_cores)),
        *("--memory", settings.spark_worker_memory),
        *("--work-dir", str(layout.spark_workers / part)),
        f"spark://{LOOPBACK}:{ports['spark_master_port']}",
    ]


def environment(layout: Layout, spark_home: Path) -> dict[str, str]:
    """Return the environment of master and workers, which a worker hands on to its executors."""
    return {
        "SPARK_HOME": str(spark_home),
        "SPARK_LOCAL_IP": LOOPBACK,
        "SPARK_LOCAL_DIRS": str(layout.spark_workers),
        "SPARK_DAEMON_MEMORY": _MEMORY,
        "SPARK_DAEMON_JAVA_OPTS": " ".join(_FLAGS),
        "JAVA_HOME": os.environ.get("JAVA_HOME") or str(find_java().parents[1]),
    }


def part_of(layout: Layout, command: list[str], folder: Path | None) -> str | None:
    """Tell which part of this stack's cluster a process is, by its command line and, of an executor, its folder."""
    if str(layout.spark_conf) in command and MASTER_MAIN in command:
        return MASTER
    if str(layout.spark_conf) in command and WORKER_MAIN in command and "--work-dir" in command:
        return Path(command[command.index("--work-dir") + 1]).name
    if EXECUTOR_MAIN in command and folder is not None and folder.is_relative_to(layout.spark_workers.resolve()):
        return "spark-executor"
    return None


def _start(layout: Layout, spark_home: Path, main: str, ui_port: int) -> list[str]:
    return [
        str(spark_home / "bin" / "spark-class"),
        main,
        *("--properties-file", str(layout.spark_conf)),
        *("--host", LOOPBACK),
        *("--webui-port", str(ui_port)),
    ]
