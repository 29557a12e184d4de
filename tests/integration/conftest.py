"""One embedded stack for the whole session, names that no other test uses, and ways to run our own commands."""

import json
import os
import signal
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from contracts.errors import StackError
from contracts.records import Record, encode
from contracts.settings import KafkaSettings, LakeSettings
from contracts.streams import Stream, key_of
from contracts.tables import TABLES, Table
from infra.children import Child
from infra.demo.replay import Market, replay
from infra.setup.minio import ensure_minio
from infra.spark.settings import SparkSettings
from infra.spark.submit import submission
from infra.stack import Liquidations, StackInfo, ThreeBrokers, embedded_stack
from tests.integration.oracle import Row
from tests.integration.spoiled import ODD_AND_RIGHT, SPOILED

S3Client = Any
"""boto3 makes its clients at run time; they have no class to name."""

COINLAKE = [sys.executable, "-m", "infra.cli"]
RUN_SECONDS = 1200


def client_of(stack: StackInfo, *, access_key: str | None = None, secret_key: str | None = None) -> S3Client:
    """Return an S3 client with the jobs' key, or with another one."""
    return boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key or stack.s3_access_key.get_secret_value(),
        aws_secret_access_key=secret_key or stack.s3_secret_key.get_secret_value(),
    )


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """Take Ctrl-C, and let our children take it, also where a shell has started us in the background without it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def own_stack(
    home: Path, liquidations: Liquidations | None = None, brokers: ThreeBrokers | None = None
) -> Iterator[StackInfo]:
    """Run a stack of a test's own on free ports; without MinIO skip, and in CI fail."""
    try:
        ensure_minio()
    except StackError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs MinIO: {error}")
        pytest.skip(str(error))
    with embedded_stack(home, liquidations=liquidations, brokers=brokers) as info:
        yield info


@contextmanager
def surrounded(stack: StackInfo, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let this process, and all that it starts, work with a stack."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"COINLAKE_HOME": str(stack.home), **stack.env(), **(variables or {})}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """Kafka and MinIO on free ports, with the declared topics; tests that break a part start their own."""
    with own_stack(tmp_path_factory.mktemp("stack") / "home") as info:
        yield info


@pytest.fixture
def prefix() -> str:
    """Start a topic's or an object's name with this, and no other test meets it."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def s3(stack: StackInfo) -> S3Client:
    """The object store, opened with the jobs' key."""
    return client_of(stack)


# --- running our commands -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a command ended, and all that a user saw of it."""

    code: int
    out: list[str]
    err: list[str]
    seconds: float

    def well(self) -> "Ran":
        """Demand that it ended well."""
        assert self.code == 0, "\n".join([*self.out, *self.err])
        return self


def ran(command: list[str], log: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command to its end; whatever it leaves running is killed."""
    out: list[str] = []
    began = time.monotonic()
    log.unlink(missing_ok=True)
    with Child("command", command, env=env, each_line=out.append, log=log) as child:
        code = child.wait(RUN_SECONDS)
    return Ran(code, out, log.read_text(errors="replace").splitlines(), time.monotonic() - began)


def anything_of(folder: Path) -> list[str]:
    """Return the processes that were started with this folder in their command, environment or working folder."""
    found = []
    for process in psutil.process_iter():
        try:
            said = [*process.cmdline(), *process.environ().values(), process.cwd()]
            # Not the variables of whoever runs the tests: some name the test that runs.
            if process.pid != os.getpid() and any(str(folder) in text for text in said):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:300]}")
        except psutil.Error:
            continue
    return found


def coinlake(stack: StackInfo, *arguments: str, **variables: str) -> Ran:
    """Run `coinlake` with a stack, as its user does."""
    env = {"COINLAKE_HOME": str(stack.home), **stack.env(), **variables}
    return ran([*COINLAKE, *arguments], stack.home / "logs" / "command.log", env)


def play(stack: StackInfo, market: Market, **variables: str) -> None:
    """Play a market through simulator and generator into the stack's Kafka."""
    with surrounded(stack, variables):
        replay(market, stack.home / "logs", KafkaSettings.load(), print)


@contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[str]:
    """Run the simulated venues and return their base URL."""
    port_file = folder / "simulator.port"
    port_file.unlink(missing_ok=True)
    command = [*COINLAKE, "simulate", "--port-file", str(port_file), *arguments]
    with Child("simulator", command, each_line=print, log=folder / "simulator.log") as running:
        deadline = time.monotonic() + 120
        while not (port_file.exists() and port_file.read_text().strip()):
            assert running.running() and time.monotonic() < deadline, running.last_words()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"


def pointed_at(base: str, *, key: str = "a-key", poll_seconds: float = 1) -> dict[str, str]:
    """Return the variables with which the generator polls simulated venues."""
    return {
        "COINLAKE_COINMARKETCAP_URL": f"{base}/coinmarketcap",
        "COINLAKE_COINMARKETCAP_API_KEY": key,
        "COINLAKE_WALLEX_URL": f"{base}/wallex",
        "COINLAKE_BINANCE_URL": f"{base}/binance",
        "COINLAKE_BINANCE_STREAM_URL": f"{base.replace('http', 'ws', 1)}/binance",
        "COINLAKE_X_URL": f"{base}/x",
        "COINLAKE_X_BEARER_TOKEN": key,
        "COINLAKE_X_POLL_SECONDS": str(poll_seconds),
        "COINLAKE_POLL_SECONDS": str(poll_seconds),
    }


def send(stack: StackInfo, stream: Stream, records: Iterable[Record]) -> None:
    """Write records to their topic, past the generator, in the order given."""
    send_raw(stack, stream.topic, ((key_of(stream, record), encode(record)) for record in records))


def send_raw(stack: StackInfo, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
    """Write messages to a topic, whatever they are."""
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap_servers, "enable.idempotence": True})
    refused: list[str] = []
    for key, value in messages:
        producer.produce(
            topic, value, key, partition=0, on_delivery=lambda error, _: refused.append(str(error)) if error else None
        )
    assert producer.flush(30) == 0
    assert refused == []


# --- reading the lake -------------------------------------------------------------------------------------------------


def lake_of(stack: StackInfo) -> LakeSettings:
    """Return the settings with which a stack's lake is read."""
    return LakeSettings(
        lake=stack.lake,
        state=stack.state,
        s3_endpoint=stack.s3_endpoint,
        s3_access_key=stack.s3_access_key,
        s3_secret_key=stack.s3_secret_key,
    )


def delta(lake: LakeSettings, table: Table) -> DeltaTable:
    """Open a Delta table without Spark."""
    return DeltaTable(f"{lake.lake}/{table.path}", storage_options=lake.storage_options())


def rows_of(lake: LakeSettings, table: Table) -> list[Row]:
    """Read all rows of a Delta table."""
    rows: list[Row] = delta(lake, table).to_pyarrow_table().to_pylist()
    return rows


def versions(lake: LakeSettings) -> dict[str, int]:
    """Return the Delta version of every table."""
    return {table.name: delta(lake, table).version() for table in TABLES}


# --- one run with secrets in the environment and spoiled messages in the topics ---------------------------------------

CMC_SECRET = "cmc-SECRET-7f3a9c1e5b/+=&"
"""A key with characters that quoting changes."""


@dataclass(frozen=True)
class SpoiledRun:
    """What a generator and a job with secrets in their environment left behind."""

    stack: StackInfo
    folder: Path
    generated: Ran
    processed: Ran


@pytest.fixture(scope="session")
def spoiled_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpoiledRun]:
    """A few polls and every spoiled message, processed once with Spark's event log on."""
    folder = tmp_path_factory.mktemp("spoiled")
    (folder / "events").mkdir()
    with own_stack(folder / "home") as stack:
        with simulator(folder, "--speed", "60", "--span", "1h") as base:
            faults = [
                {"venue": "coinmarketcap", "kind": kind, "after_seconds": 60} for kind in ("html", "error_in_200")
            ]
            for fault in faults:
                place_fault(base, {**fault, "code": 1011} if fault["kind"] == "error_in_200" else fault)
            generated = coinlake(stack, "generate", "--duration", "8s", **pointed_at(base, key=CMC_SECRET))
        (folder / "generate.txt").write_text("\n".join([*generated.out, *generated.err]))
        for topic in ("wallex", "coin_market_cap"):
            send_raw(
                stack, topic, [(f"spoiled-{n}".encode(), m.value) for n, m in enumerate(SPOILED) if m.topic == topic]
            )
            send_raw(stack, topic, [(b"odd", value) for to, value in ODD_AND_RIGHT if to == topic])
        with surrounded(stack, {"COINLAKE_COINMARKETCAP_API_KEY": CMC_SECRET}):
            submitted = submission("process_markets", ["--trigger", "available-now"], SparkSettings.load())
            events = {"enabled": "true", "dir": (folder / "events").as_uri(), "compress": "false"}
            options = [part for name, value in events.items() for part in ("--conf", f"spark.eventLog.{name}={value}")]
            command = [submitted.command[0], *options, *submitted.command[1:]]
            processed = ran(command, folder / "process.txt", submitted.env)
        (folder / "process-out.txt").write_text("\n".join(processed.out))
        yield SpoiledRun(stack, folder, generated, processed)


def place_fault(base: str, fault: Mapping[str, object]) -> None:
    """Let simulated venues do a fault."""
    request = urllib.request.Request(f"{base}/_simulator/faults", json.dumps(fault).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def clear_faults(base: str) -> None:
    """Let simulated venues work again."""
    request = urllib.request.Request(f"{base}/_simulator/faults", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()
