"""Bad input, end to end: the exact message that a user sees, an exit code that says so, and nothing lost.

What a venue can do wrong is tested beside its parser; here is what can be wrong around a run.
"""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from contracts.records import Gap, decode
from contracts.streams import INGEST_GAPS, STREAMS
from contracts.tables import BRONZE_WALLEX, REJECTED, TABLES
from infra.stack import StackInfo, processes
from infra.stack.layout import Layout, read_env
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.store import open_store
from tests.integration import oracle
from tests.integration.conftest import (
    COINLAKE,
    Ran,
    S3Client,
    SpoiledRun,
    clear_faults,
    client_of,
    coinlake,
    lake_of,
    own_stack,
    place_fault,
    pointed_at,
    ran,
    rows_of,
    simulator,
)
from tests.integration.played_market import Played, assert_every_message_landed_once
from tests.integration.spoiled import SPOILED

DRIVER = [sys.executable, "-m", "spark_jobs.process_markets"]
"""The job without spark-submit: what stops it before its session starts costs a second and no JVM."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack of this file's own, in whose topics nothing is until a test says so."""
    with own_stack(tmp_path_factory.mktemp("bad") / "home") as stack:
        yield stack


def driver(stack: StackInfo, *arguments: str, **variables: str) -> Ran:
    env = {"COINLAKE_HOME": str(stack.home), **stack.env(), **variables}
    return ran([*DRIVER, *arguments], stack.home / "logs" / "driver.log", env)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def no_java_below_us() -> bool:
    return not any("java" in child.name() for child in psutil.Process().children(recursive=True))


# --- messages in a topic ----------------------------------------------------------------------------------------------


def test_each_spoiled_message_is_rejected_whole_and_with_its_reason(spoiled_run: SpoiledRun) -> None:
    rows = [row for row in rows_of(lake_of(spoiled_run.stack), REJECTED) if row["stage"] == "landing"]
    expected = [(message.topic, message.reason, message.value) for message in SPOILED]
    found = [(row["kafka_topic"], row["reason"], row["payload"]) for row in rows]
    assert oracle.differences(expected, found) == oracle.EQUAL


def test_spoiled_messages_stop_nothing_and_hide_nothing(spoiled_run: SpoiledRun) -> None:
    assert spoiled_run.processed.code == 0
    read = oracle.consume(spoiled_run.stack.kafka_bootstrap_servers, *(stream.topic for stream in STREAMS))
    world = Played(spoiled_run.stack, {(one.topic, one.partition, one.offset): one for one in read})
    assert_every_message_landed_once(world)


def test_tiny_and_huge_prices_land_to_the_last_digit(spoiled_run: SpoiledRun) -> None:
    prices = {row["symbol"]: row["price"] for row in rows_of(lake_of(spoiled_run.stack), BRONZE_WALLEX)}
    assert prices["TINYTMN"] == Decimal("1e-12")
    assert prices["HUGETMN"] == Decimal("1e12")


def test_job_prints_one_line_per_batch_with_what_it_refused(spoiled_run: SpoiledRun) -> None:
    (line,) = (line for line in spoiled_run.processed.out if line.startswith("wallex "))
    assert f"rejected {sum(message.topic == 'wallex' for message in SPOILED):>5} " in line
    assert [line for line in spoiled_run.processed.err if "ERROR" in line or "Exception" in line] == []


# --- what is around the job -------------------------------------------------------------------------------------------

NO_BROKER = 'found none: start it with "coinlake up" or set COINLAKE_KAFKA_BOOTSTRAP_SERVERS'
NO_STORE = 'found none: start it with "coinlake up" or set COINLAKE_S3_ENDPOINT'
BAD_SETTINGS = [
    ({"COINLAKE_S3_SECRET_KEY": "wrong"}, 1, "bucket spark at {s3} refuses the secret in COINLAKE_S3_SECRET_KEY"),
    ({"COINLAKE_S3_ACCESS_KEY": "nobody"}, 1, "bucket spark at {s3} does not know the key in COINLAKE_S3_ACCESS_KEY"),
    (
        {"COINLAKE_STATE": "s3a://elsewhere"},
        1,
        "bucket elsewhere at {s3} does not exist, or is closed to the key in COINLAKE_S3_ACCESS_KEY",
    ),
    (
        {"COINLAKE_LAKE": "file:///proc/nowhere"},
        1,
        "expected a folder that can be written, found /proc/nowhere: No such file or directory",
    ),
    (
        {"COINLAKE_S3_ENDPOINT": "http://127.0.0.1:{free}"},
        1,
        "expected an object store at http://127.0.0.1:{free}, " + NO_STORE,
    ),
    (
        {"COINLAKE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:{free}"},
        1,
        "expected a Kafka broker at 127.0.0.1:{free}, " + NO_BROKER,
    ),
    (
        {"COINLAKE_CANDLE_MINUTES": "ten"},
        2,
        "COINLAKE_CANDLE_MINUTES: Input should be a valid integer, unable to parse string as an integer, found 'ten'",
    ),
]


@pytest.mark.parametrize(("variables", "code", "message"), BAD_SETTINGS, ids=lambda value: str(value)[:40])
def test_wrong_surroundings_are_one_line_within_seconds(
    own: StackInfo, variables: Mapping[str, str], code: int, message: str
) -> None:
    facts = {"s3": own.s3_endpoint, "free": str(free_port())}
    run = driver(own, **{name: value.format(**facts) for name, value in variables.items()})
    assert (run.code, run.out, run.err) == (code, [], [f"coinlake: {message.format(**facts)}"])
    # The longest wait is the broker's: 10 s, in which one that restarts may come back.
    assert run.seconds < 60


def test_wrong_trigger_is_named(own: StackInfo) -> None:
    run = driver(own, "--trigger", "hourly")
    expected = 'expected "available-now" or an interval such as "1 minute", found "hourly"'
    assert (run.code, run.out, run.err[-1]) == (2, [], f"process_markets: error: argument --trigger: {expected}")


def test_message_through_spark_submit_is_the_same_one_line(own: StackInfo) -> None:
    run = coinlake(own, "process", COINLAKE_S3_SECRET_KEY="wrong")
    expected = f"coinlake: bucket spark at {own.s3_endpoint} refuses the secret in COINLAKE_S3_SECRET_KEY"
    # spark-submit joins the two outputs of a Python driver; what is left on the other is the JVM's own.
    assert (run.code, run.out) == (1, [expected])
    assert [line for line in run.err if not line.startswith("WARNING: Using incubator modules")] == []


def test_missing_topic_is_named_with_the_command_that_makes_it(own: StackInfo) -> None:
    admin = AdminClient({"bootstrap.servers": own.kafka_bootstrap_servers})
    admin.delete_topics(["ingest_gaps"], operation_timeout=20)["ingest_gaps"].result(20)
    expected = ['coinlake: topic ingest_gaps does not exist: create it with "coinlake topics apply"']
    processed = driver(own)
    generated = coinlake(own, "generate", "--once", **pointed_at("http://127.0.0.1:9"))
    made = coinlake(own, "topics", "apply").well()
    assert (processed.code, processed.out, processed.err) == (1, [], expected)
    assert (generated.code, generated.out, generated.err[-1:]) == (1, [], expected)
    assert "ingest_gaps" in "\n".join(made.out)


def test_missing_bucket_is_named_with_the_command_that_makes_it(own: StackInfo) -> None:
    root = root_client(own)
    root.delete_bucket(Bucket="lake-house")
    try:
        run = driver(own)
    finally:
        root.create_bucket(Bucket="lake-house")
    expected = f'coinlake: bucket lake-house at {own.s3_endpoint} does not exist: create it with "coinlake up"'
    assert (run.code, run.out, run.err) == (1, [], [expected])


def root_client(stack: StackInfo) -> S3Client:
    root = read_env(Layout(stack.home).root_env)
    return client_of(stack, access_key=root["MINIO_ROOT_USER"], secret_key=root["MINIO_ROOT_PASSWORD"])


def test_missing_jdk_is_one_line(own: StackInfo, tmp_path: Path) -> None:
    run = coinlake(own, "process", PATH=str(tmp_path), JAVA_HOME="")
    expected = "coinlake: no Java on PATH: install a JDK 17, or set JAVA_HOME to one"
    assert (run.code, run.out, run.err) == (1, [], [expected])


def test_port_in_use_is_one_line_and_nothing_is_left_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {f"COINLAKE_{name}_PORT": "0" for name in ("KAFKA", "KAFKA_CONTROLLER", "MINIO_CONSOLE")}
        env = {"COINLAKE_HOME": str(home), **ports, "COINLAKE_MINIO_PORT": port}
        run = ran([*COINLAKE, "up"], tmp_path / "up.log", env)
    owner = f"by {psutil.Process().name()}, pid {os.getpid()}"
    hint = "stop it, or choose another with COINLAKE_MINIO_PORT (0 takes any free port)"
    assert (run.code, run.out, run.err) == (1, [], [f"coinlake: port {port} is in use ({owner}): {hint}"])
    assert processes.find(Layout(home)) == []


# --- a second driver --------------------------------------------------------------------------------------------------


@pytest.fixture
def held(own: StackInfo) -> Iterator[str]:
    """Hold the lease as another driver does; give the line that says so, up to the time."""
    lake = lake_of(own)
    with Lease(open_store(lake, lake.state), TABLES):
        yield f"table coin_market_cap is being written by another driver (pid {os.getpid()} on {socket.gethostname()}, "


def test_scheduled_run_beside_another_driver_ends_well_with_one_line(own: StackInfo, held: str) -> None:
    run = driver(own, "--trigger", "available-now")
    assert (run.code, run.err) == (0, [])
    (line,) = run.out
    assert line.startswith(f"coinlake: nothing to do: {held}")


@pytest.mark.parametrize("module", ["process_markets", "rebuild"])
def test_second_driver_is_refused_with_one_line(own: StackInfo, held: str, module: str) -> None:
    arguments = ["--trigger", "1 minute"] if module == "process_markets" else []
    env = {"COINLAKE_HOME": str(own.home), **own.env()}
    run = ran([sys.executable, "-m", f"spark_jobs.{module}", *arguments], own.home / "logs" / "driver.log", env)
    assert (run.code, run.out) == (1, [])
    (line,) = run.err
    assert line.startswith(f"coinlake: {held}")


# --- what a venue answers, through the whole generator ----------------------------------------------------------------


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("venues"), "--span", "1h") as base:
        yield base


BAD_KEY = "the API key is invalid: check COINLAKE_COINMARKETCAP_API_KEY (code 1001)"
NO_KEY = "the API key is missing: set COINLAKE_COINMARKETCAP_API_KEY (code 1002)"


@pytest.mark.parametrize(
    ("key", "fault", "message"),
    [
        ("", {}, f'"coin_market_cap: {NO_KEY}"'),
        ("k", {"kind": "error", "code": 1001}, f'"coin_market_cap: {BAD_KEY}"'),
        ("k", {"kind": "html"}, "expected JSON, found HTML"),
        # What is cut in two depends on the market of the minute; where it ends is always said.
        ("k", {"kind": "truncated"}, " at character "),
        ("k", {"kind": "disconnect"}, "{base}: expected an answer, found no connection (ServerDisconnectedError)"),
        ("k", {"kind": "cut"}, "{base}: expected a whole answer, found a cut one"),
        ("k", {"kind": "server_error"}, "{base}: expected status 200, found 503"),
        ("k", {"kind": "error_in_200", "code": 500}, '"coin_market_cap: the venue has an internal error (code 500)"'),
    ],
    ids=["no key", "wrong key", "html", "truncated", "disconnect", "cut", "503", "error in 200"],
)
def test_poll_that_a_venue_spoils_is_a_line_a_gap_and_a_failure(
    own: StackInfo, venues: str, key: str, fault: dict[str, object], message: str
) -> None:
    if fault:
        place_fault(venues, {"venue": "coinmarketcap", "count": 50, **fault})
    known = {one.offset for one in oracle.consume(own.kafka_bootstrap_servers, oracle.GAPS)}
    polled = pointed_at(venues, key=key, poll_seconds=0.5)
    run = coinlake(own, "generate", "--once", "--venue", "coin_market_cap", **polled)
    clear_faults(venues)
    assert run.code == 1
    assert message.format(base=venues) in "\n".join(run.err)
    assert not any("Traceback" in line for line in run.err)
    read = oracle.consume(own.kafka_bootstrap_servers, oracle.GAPS)
    gaps = [decode(one.value, Gap) for one in read if one.offset not in known]
    assert {gap.stream for gap in gaps} == {"coin_market_cap"}
    assert gaps[-1].to_time is None


def test_venue_that_is_down_is_a_line_a_gap_and_a_failure(own: StackInfo) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    run = coinlake(own, "generate", "--once", "--venue", "wallex", **pointed_at(base, poll_seconds=0.5))
    assert run.code == 1
    assert f"{base}: expected an answer, found no connection" in "\n".join(run.err)
    gaps = [decode(one.value, Gap) for one in oracle.consume(own.kafka_bootstrap_servers, oracle.GAPS)]
    assert gaps[-1].stream == "wallex"


# --- messages that retention deleted before they were landed ----------------------------------------------------------


def test_messages_that_retention_deleted_stop_the_job_until_the_hole_may_go_on_record(tmp_path: Path) -> None:
    with own_stack(tmp_path / "home") as stack:
        with simulator(tmp_path, "--speed", "60", "--span", "1h") as base:
            coinlake(stack, "generate", "--duration", "3s", "--venue", "wallex", **pointed_at(base)).well()
            coinlake(stack, "process").well()
            landed = len(rows_of(lake_of(stack), BRONZE_WALLEX))
            coinlake(stack, "generate", "--duration", "3s", "--venue", "wallex", **pointed_at(base)).well()
        admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
        for future in admin.delete_records([TopicPartition("wallex", 0, landed + 100)]).values():
            future.result()

        refused = coinlake(stack, "process")

        assert refused.code == 1
        expected = (
            f"coinlake: topic wallex has lost messages that were never landed (partition 0 offsets {landed} to"
            f" {landed + 99}): its retention deleted them. Run once with COINLAKE_ACCEPT_LOSS=true to put the hole on"
            " record and go on after it"
        )
        assert expected in [*refused.out, *refused.err]
        assert len(rows_of(lake_of(stack), BRONZE_WALLEX)) == landed

        coinlake(stack, "process", COINLAKE_ACCEPT_LOSS="true").well()

        offsets = {row["kafka_offset"] for row in rows_of(lake_of(stack), BRONZE_WALLEX)}
        ends = admin.list_offsets({TopicPartition("wallex", 0): OffsetSpec.latest()})
        (end,) = (future.result().offset for future in ends.values())
        assert offsets == {*range(landed), *range(landed + 100, end)}
        told = [
            decode(message.value, Gap) for message in oracle.consume(stack.kafka_bootstrap_servers, INGEST_GAPS.topic)
        ]
        causes = [gap.cause for gap in told if gap.cause.startswith("deleted by retention")]
        assert causes == [f"deleted by retention before it was landed: partition 0 offsets {landed} to {landed + 99}"]
