"""Start the embedded stack: all of it, healthy, or nothing."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from contracts.errors import StackError
from infra import object_store
from infra.interrupts import uninterrupted
from infra.jars import ensure_kafka_jars
from infra.kafka.topics import apply_topics, read_topics
from infra.settings import StackSettings
from infra.setup.cache import lock
from infra.setup.java import find_java
from infra.setup.minio import ensure_minio
from infra.spark.settings import SparkSettings
from infra.stack import kafka, minio, processes, questdb, stop
from infra.stack.cluster import Cluster, clear, grow, programs
from infra.stack.cluster import start as start_cluster
from infra.stack.info import StackInfo, read_info, write_info
from infra.stack.layout import Layout
from infra.stack.liquidations import Liquidations, Programs
from infra.stack.liquidations import apply as apply_liquidations
from infra.stack.liquidations import grow as grow_liquidations
from infra.stack.liquidations import start as start_liquidations
from infra.stack.ports import LOOPBACK, choose_ports
from infra.stack.ready import wait_ready
from infra.stack.status import running_info
from infra.stack.supervisor import Program, Supervisor, start, write_conf

Say = Callable[[str], None]
JOB_ACCESS_KEY = "coinlake-job"


def _say_nothing(_line: str) -> None:
    """Take a line of progress that nobody asked for."""


def free_ports() -> StackSettings:
    """Return settings that take any free port for each part, whatever the environment says."""
    return StackSettings(kafka_port=0, kafka_controller_port=0, minio_port=0, minio_console_port=0)


def up(
    home: Path,
    settings: StackSettings | None = None,
    *,
    cluster: Cluster | None = None,
    liquidations: Liquidations | None = None,
    say: Say = _say_nothing,
) -> StackInfo:
    """Start Kafka and MinIO, wait until they are healthy, make the buckets, the jobs' key and the topics.

    Does nothing when the stack runs, or only adds what it lacks; starts afresh when only parts of it do. On any
    failure and on Ctrl-C nothing is left running that did not run before.

    Args:
        home: the folder of the stack; `contracts.settings.home()` for the user's own.
        settings: the ports; read from the environment when not given.
        cluster: a Spark cluster to start beside them.
        liquidations: QuestDB and Kafka Connect to start beside them; where they run already, tables and connector are
            applied again.
        say: takes one line of progress.

    Raises:
        StackError: a port is in use, there is no JDK, a part ended as it started.
        SettingsError: the settings of the cluster cannot be used.
        StoreError: the object store refuses to make buckets or key.
        TopicError: Kafka refuses to create a topic.
        DatabaseError: QuestDB refuses a table.
        ConnectorError: the connector of liquidations does not run.
    """
    layout = Layout(home.absolute())
    layout.make()
    with lock(layout.lock):
        running = running_info(layout.home)
        if running is not None:
            return _grown(layout, running, cluster, liquidations, say)
        if processes.find(layout):
            say("parts of a stack are still running: stopping them first")
            stop.stop(layout)
        plan = _plan(layout, settings or StackSettings.load(), cluster, liquidations, say)
        try:
            return _launch(layout, plan, say)
        except BaseException:
            with uninterrupted():
                stop.stop(layout)
            raise


@contextmanager
def embedded_stack(
    home: Path,
    settings: StackSettings | None = None,
    *,
    cluster: Cluster | None = None,
    liquidations: Liquidations | None = None,
    say: Say = _say_nothing,
) -> Iterator[StackInfo]:
    """Run a stack for the length of a block, on free ports unless settings say otherwise."""
    info = up(home, settings or free_ports(), cluster=cluster, liquidations=liquidations, say=say)
    try:
        yield info
    finally:
        with uninterrupted():
            stop.down(home)


@dataclass(frozen=True)
class _Plan:
    """What is needed to start, found before anything is started; no MinIO means a lake in files."""

    java: Path
    jars: Path
    minio_binary: Path | None
    ports: Mapping[str, int]
    spark_parts: Sequence[Program]
    liquidation_parts: Sequence[Program]


def _grown(
    layout: Layout, running: StackInfo, cluster: Cluster | None, liquidations: Liquidations | None, say: Say
) -> StackInfo:
    """Add to a running stack what it lacks of what is wanted."""
    info = running
    if cluster and not cluster.wanted_ports().keys() <= info.ports.keys():
        info = grow(layout, info, cluster, SparkSettings.load(), say)
    if liquidations and not liquidations.wanted_ports().keys() <= info.ports.keys():
        info = grow_liquidations(layout, info, liquidations, say)
    elif liquidations:
        apply_liquidations(layout, info.ports, say)
    return info


def _plan(
    layout: Layout, settings: StackSettings, cluster: Cluster | None, liquidations: Liquidations | None, say: Say
) -> _Plan:
    java = find_java()
    wanted = [group.wanted_ports() for group in (cluster, liquidations) if group]
    ports = choose_ports(settings.model_dump() | {name: port for group in wanted for name, port in group.items()})
    parts = programs(layout, cluster, ports, cluster.parts(), SparkSettings.load()) if cluster else []
    more = Programs.ensure().of(layout, ports) if liquidations else []
    return _Plan(java, ensure_kafka_jars(), _find_minio(layout, say), ports, parts, more)


def _find_minio(layout: Layout, say: Say) -> Path | None:
    try:
        return ensure_minio()
    except StackError as error:
        if os.environ.get("CI"):
            raise
        say(f"{error}; until then the lake is in files under {layout.files}")
        return None


def _launch(layout: Layout, plan: _Plan, say: Say) -> StackInfo:
    info = _info(layout, plan)
    kafka.write_properties(layout, plan.ports)
    parts = [Program("kafka", kafka.command(layout, plan.java, plan.jars), {})]
    kafka_ready = threading.Event()
    works: list[Callable[[threading.Event], None]] = [
        lambda cancelled: _start_kafka(layout, plan, kafka_ready, cancelled, say)
    ]
    if plan.minio_binary is not None:
        root = minio.root_credentials(layout)
        command = minio.command(layout, plan.minio_binary, plan.ports)
        parts.append(Program("minio", command, minio.environment(layout)))
        works.append(lambda cancelled: _start_minio(layout, info, root, cancelled, say))
    if plan.spark_parts:
        clear(layout)
        parts += plan.spark_parts
        names = [part.name for part in plan.spark_parts]
        works.append(lambda cancelled: start_cluster(layout, plan.ports, names, cancelled, say))
    if plan.liquidation_parts:
        parts += plan.liquidation_parts
        works.append(lambda cancelled: start_liquidations(layout, plan.ports, kafka_ready, cancelled, say))
    for part in parts:
        layout.set_log_aside(part.name)
    write_conf(layout, parts)
    start(layout)
    run_side_by_side(layout, works)
    write_info(info)
    return info


def run_side_by_side(layout: Layout, works: list[Callable[[threading.Event], None]]) -> None:
    """Run all; when one fails or Ctrl-C comes, give up the others and raise the first error."""
    cancelled = threading.Event()
    with ThreadPoolExecutor(len(works)) as pool:
        try:
            futures = [pool.submit(work, cancelled) for work in works]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            cancelled.set()
            with uninterrupted():
                stop.stop(layout)
            raise


def _info(layout: Layout, plan: _Plan) -> StackInfo:
    known = read_info(layout)
    files = plan.minio_binary is None
    return StackInfo(
        home=layout.home,
        ports=plan.ports,
        lake=f"file://{layout.files}/lake-house" if files else "s3a://lake-house",
        state=f"file://{layout.files}/spark" if files else "s3a://spark",
        s3_access_key=SecretStr(JOB_ACCESS_KEY),
        s3_secret_key=known.s3_secret_key if known else SecretStr(secrets.token_urlsafe(32)),
        questdb_password=SecretStr(questdb.passwords(layout)[1]) if plan.liquidation_parts else None,
    )


def _start_kafka(layout: Layout, plan: _Plan, ready: threading.Event, cancelled: threading.Event, say: Say) -> None:
    began = time.monotonic()
    kafka.format_storage(layout, plan.java, plan.jars)
    Supervisor(layout.socket).start("kafka")
    port = plan.ports["kafka_port"]
    wait_ready(layout, "kafka", plan.ports, cancelled)
    say(f"kafka: ready on {LOOPBACK}:{port} after {time.monotonic() - began:.1f} s")
    applied = apply_topics(f"{LOOPBACK}:{port}", read_topics())
    say(
        f"topics: {len(applied.created)} created, {len(applied.unchanged) + len({d.topic for d in applied.drift})} kept"
    )
    for drift in applied.drift:
        say(f"topics: drift: {drift}")
    ready.set()


def _start_minio(layout: Layout, info: StackInfo, root: tuple[str, str], cancelled: threading.Event, say: Say) -> None:
    began = time.monotonic()
    Supervisor(layout.socket).start("minio")
    port = info.ports["minio_port"]
    wait_ready(layout, "minio", info.ports, cancelled)
    object_store.prepare(
        f"{LOOPBACK}:{port}",
        root_user=root[0],
        root_password=root[1],
        job_access_key=info.s3_access_key.get_secret_value(),
        job_secret_key=info.s3_secret_key.get_secret_value(),
    )
    say(f"minio: ready on {info.s3_endpoint} after {time.monotonic() - began:.1f} s, buckets and the jobs' key made")
