"""What others count for Prometheus, started as the compose files start them: the series that are drawn are there."""

import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.children import Child
from infra.jars import ensure_questdb_jars
from infra.setup.java import find_java
from infra.setup.minio import ensure_minio
from infra.spark.home import spark_home
from infra.spark.settings import SparkSettings
from infra.stack import minio, questdb
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK, choose_ports
from tests.unit.containers.files import ContainerFiles, services
from tests.unit.containers.test_monitoring import OF_OTHERS

PATIENCE_SECONDS = 240.0


def of_compose(name: str, *variables: str) -> dict[str, str]:
    """Return variables as the compose files give them to a service."""
    environment = services(*ContainerFiles.read().documents())[name]["environment"]
    return {variable: environment[variable] for variable in variables}


def series(url: str, child: Child) -> set[str]:
    """Return the names of the series that a page tells, once it answers and tells any."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert child.running() and time.monotonic() < deadline, f"{url}: {child.last_words()}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except (OSError, HTTPException, ValueError):  # Spark answers with another page before it knows this one
            families = []
        if found := {sample.name for family in families for sample in family.samples}:
            return found
        time.sleep(0.2)


def started(stack: ExitStack, folder: Path, name: str, command: list[str], env: Mapping[str, str]) -> Child:
    return stack.enter_context(Child(name, command, env=env, log=folder / f"{name}.log", each_line=lambda _line: None))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "home")
    made.make()
    return made


def test_questdb_tells_what_is_drawn_of_it(layout: Layout, tmp_path: Path) -> None:
    ports = choose_ports({"questdb_server_http_port": 0, "questdb_server_pg_port": 0, "metrics": 0})
    questdb.write_conf(layout)
    told = of_compose("questdb", "QDB_HTTP_MIN_ENABLED", "QDB_HTTP_MIN_BIND_TO", "QDB_METRICS_ENABLED")
    here = {"QDB_HTTP_MIN_BIND_TO": f"{LOOPBACK}:{ports['metrics']}"}
    env = {**questdb.environment(layout, ports), **told, **here}
    with ExitStack() as stack:
        command = questdb.command(layout, find_java(), ensure_questdb_jars())
        child = started(stack, tmp_path, "questdb", command, env)
        found = series(f"http://{LOOPBACK}:{ports['metrics']}/metrics", child)
    assert {name for name in OF_OTHERS if name.startswith("questdb_")} <= found


def test_minio_tells_what_is_drawn_of_it(layout: Layout, tmp_path: Path) -> None:
    ports = choose_ports({"minio_port": 0, "minio_console_port": 0})
    minio.root_credentials(layout)
    env = {**minio.environment(layout), **of_compose("minio", "MINIO_PROMETHEUS_AUTH_TYPE")}
    base = f"http://{LOOPBACK}:{ports['minio_port']}"
    with ExitStack() as stack:
        child = started(stack, tmp_path, "minio", minio.command(layout, ensure_minio(), ports), env)
        wanted = {name for name in OF_OTHERS if name.startswith("minio_")}
        deadline = time.monotonic() + PATIENCE_SECONDS
        # Its page is made anew every ten seconds; requests are counted once there were some.
        while not wanted <= (found := series(f"{base}/minio/v2/metrics/cluster", child)):
            assert time.monotonic() < deadline, f"expected {wanted}, found {sorted(found)}"
            with pytest.raises(OSError, match="403"):
                urllib.request.urlopen(f"{base}/lake-house/nothing", timeout=5)
            time.sleep(1)


def test_spark_tells_what_is_drawn_of_it(tmp_path: Path) -> None:
    ports = choose_ports({"master": 0, "master_page": 0, "worker_page": 0})
    spark_class = str(spark_home(SparkSettings.load()) / "bin" / "spark-class")
    common = {"SPARK_LOCAL_IP": LOOPBACK, "SPARK_DAEMON_MEMORY": "256m"}
    deploy = "org.apache.spark.deploy"
    with ExitStack() as stack:
        master = started(
            stack,
            tmp_path,
            "spark-master",
            [
                *(spark_class, f"{deploy}.master.Master", "--host", LOOPBACK, "--port", str(ports["master"])),
                *("--webui-port", str(ports["master_page"])),
            ],
            {**common, **of_compose("spark-master", "SPARK_MASTER_OPTS")},
        )
        worker = started(
            stack,
            tmp_path,
            "spark-worker",
            [
                *(spark_class, f"{deploy}.worker.Worker", "--webui-port", str(ports["worker_page"])),
                *("--cores", "1", "--memory", "512m", "--work-dir", str(tmp_path / "work")),
                f"spark://{LOOPBACK}:{ports['master']}",
            ],
            {**common, **of_compose("spark-worker", "SPARK_WORKER_OPTS")},
        )
        found = series(f"http://{LOOPBACK}:{ports['master_page']}/metrics/prometheus/", master)
        found |= series(f"http://{LOOPBACK}:{ports['worker_page']}/metrics/prometheus/", worker)
    assert {name for name in OF_OTHERS if name.startswith("metrics_")} <= found
