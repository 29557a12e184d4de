"""Liquidations from Kafka through Connect into QuestDB: all of them, once, exactly, whatever is killed or sent."""

import asyncio
import datetime as dt
import ipaddress
import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from benchmarks.latency import frame_to_row_seconds, percentile
from contracts.records import Liquidation, encode
from contracts.settings import QuestDbSettings
from contracts.streams import ALT_LIQUIDATIONS, key_of
from infra.children import Child
from infra.connect.connectors import Connector, register
from infra.connect.plugin import SINK
from infra.questdb.tables import apply_tables
from infra.stack import Liquidations, StackInfo, kill_part, processes, questdb, restart_part, status, up
from infra.stack.layout import Layout
from tests.integration.conftest import COINLAKE, anything_of, coinlake, own_stack, simulator, surrounded
from tests.integration.liquidation_rows import (
    as_row,
    committed,
    dead_letters,
    decimals,
    ends,
    identity,
    rows_of,
    select,
    task_states,
    wait_for_rows,
    wait_until,
    without_kafka_time,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NAME = Connector.read().name
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack that was given QuestDB and Connect as it ran."""
    folder = tmp_path_factory.mktemp("liquidations")
    with own_stack(folder / "home") as alone:
        yield up(alone.home, liquidations=Liquidations.on_free_ports())
    assert anything_of(folder) == []


def liquidation(venue: str, number: int, *, price: str = "0.000000123456789012") -> Liquidation:
    """Return an order that is like no other of its venue."""
    quantity = Decimal(number + 1) / 1000
    return Liquidation(
        venue=venue,
        event_time=NOON + dt.timedelta(milliseconds=number),
        ingest_time=dt.datetime.now(dt.UTC),
        symbol=f"C{number % 7}USDT",
        base=f"C{number % 7}",
        quote="USDT",
        side="long" if number % 2 else "short",
        quantity=quantity,
        filled_quantity=quantity,
        bankruptcy_price=Decimal(price),
        average_price=None if number % 3 else Decimal("12345678901234567890.000000000000000001"),
        notional=Decimal("123456789012345678901234567890.12345678"),
        sampled=bool(number % 5),
    )


@contextmanager
def producer(stack: StackInfo) -> Iterator[Producer]:
    """Write to Kafka through any outage; whatever is not acknowledged at the end fails the test."""
    made = Producer(
        {
            "bootstrap.servers": stack.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "message.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 500,
            "linger.ms": 5,
        }
    )
    yield made
    assert made.flush(120) == 0


def send(stack: StackInfo, records: list[Liquidation]) -> None:
    with producer(stack) as made:
        for record in records:
            made.produce(ALT_LIQUIDATIONS.topic, encode(record), key_of(ALT_LIQUIDATIONS, record))


# --- every recorded frame, once, exactly -----------------------------------------------------------------------------

SPEEDS = (300, 3600)
"""How many times as fast as life each recording is played: half an hour in 6 s, 30 hours in 30 s."""
AHEAD_SECONDS = 6
"""For how long, on our clock, a recording is quiet at first: until the generator listens."""


@dataclass(frozen=True)
class Played:
    """The recorded orders, and how long each took from its frame to its row."""

    orders: list[dict[str, Any]]
    seconds: list[float]


@pytest.fixture(scope="module")
def played(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play each recording through the simulated futures WebSocket and the generator, watching rows arrive."""
    files = sorted((DATA / "binance" / "force_orders").glob("*.frames.jsonl"))
    if not files:
        pytest.skip("recorded data is not there: ../shared/data/binance/force_orders")
    folder = tmp_path_factory.mktemp("recorded")
    with surrounded(stack):
        place = QuestDbSettings.load()
    found, took = [], []
    for number, (file, speed) in enumerate(zip(files, SPEEDS, strict=True)):
        frames = [json.loads(line)["data"] for line in file.read_text().splitlines()]
        first, last = (dt.datetime.fromtimestamp(pick(f["E"] for f in frames) / 1000, dt.UTC) for pick in (min, max))
        begin, out = first - dt.timedelta(seconds=AHEAD_SECONDS * speed), folder / str(number)
        times = ("--binance-from", begin.isoformat(), "--binance-to", (last + dt.timedelta(minutes=1)).isoformat())
        coinlake(stack, "import", str(DATA), str(out), "--liquidations", *times).well()
        arguments = (str(out), "--begin", begin.isoformat(), "--speed", str(speed))
        with simulator(folder, *arguments) as base:
            url = f"{base.replace('http', 'ws', 1)}/binance_futures"
            env = {**stack.env(), "COINLAKE_HOME": str(stack.home), "COINLAKE_BINANCE_FUTURES_STREAM_URL": url}
            command = [*COINLAKE, "generate", "--venue", "binance_liquidations", "--forever"]
            since = dt.datetime.now(dt.UTC)
            with Child("generator", command, env=env, log=folder / "generator.log"):
                took += asyncio.run(frame_to_row_seconds(place, since, len(frames), 180))
        found += [frame["o"] for frame in frames]
    return Played(found, took)


def test_every_recorded_order_is_in_questdb_once_with_the_recorded_amounts(stack: StackInfo, played: Played) -> None:
    time.sleep(1)
    rows = rows_of(stack, "binance_futures")
    found = {(row["event_time"], row["symbol"], row["side"]): row for row in rows}
    assert len(rows) == len(found) == len(played.orders) == 2501
    for order in played.orders:
        moment = dt.datetime.fromtimestamp(order["T"] / 1000, dt.UTC).replace(tzinfo=None)
        row = found[moment, order["s"], {"SELL": "long", "BUY": "short"}[order["S"]]]
        assert row["quantity"] == Decimal(order["q"])
        assert row["filled_quantity"] == Decimal(order["z"])
        assert row["bankruptcy_price"] == Decimal(order["p"])
        assert row["average_price"] == Decimal(order["ap"])
        product = Decimal(order["ap"]) * Decimal(order["z"])
        assert row["notional"] == product.quantize(Decimal("1e-8"), ROUND_HALF_UP)
        assert f"{row['base']}{row['quote']}" == order["s"]
        assert row["sampled"] is True
        assert dt.timedelta(0) <= row["kafka_time"] - row["ingest_time"] < dt.timedelta(minutes=1)
    assert dead_letters(stack) == []


def test_frame_to_row_is_measured(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    p50, p99 = (percentile(played.seconds, part) * 1000 for part in (0.5, 0.99))
    with capsys.disabled():
        print(f"\n{len(played.seconds)} recorded orders, frame to row: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    assert len(played.seconds) == 2501
    assert min(played.seconds) > 0


def test_values_at_the_edge_of_their_columns_arrive_digit_for_digit(stack: StackInfo) -> None:
    records = [liquidation("edge", number) for number in range(12)]
    records += [
        replace_prices(liquidation("edge", 12 + number), Decimal(text))
        for number, text in enumerate(("99999999999999999999.999999999999999999", "0.000000000000000001", "0", "1e-18"))
    ]
    send(stack, records)
    rows = without_kafka_time(wait_for_rows(stack, "edge", len(records)))
    assert rows == sorted((as_row(record) for record in records), key=identity)
    assert all(isinstance(value, Decimal) for row in rows for value in decimals(row).values())


def replace_prices(record: Liquidation, price: Decimal) -> Liquidation:
    return msgspec.structs.replace(
        record, quantity=price, filled_quantity=price, bankruptcy_price=price, average_price=price
    )


def test_the_reader_can_change_nothing(stack: StackInfo) -> None:
    send(stack, [liquidation("kept", 1)])
    wait_for_rows(stack, "kept", 1)
    for statement in ("TRUNCATE TABLE alt_liquidations", "DROP TABLE alt_liquidations", "CREATE TABLE mine (a INT)"):
        with pytest.raises(asyncpg.PostgresError, match=r"permission|denied|read.?only|not authorized"):
            select(stack, statement)
    assert len(rows_of(stack, "kept")) == 1


def test_everything_listens_on_loopback_and_no_password_is_told(stack: StackInfo) -> None:
    found = processes.find(Layout(stack.home))
    assert {each.part for each in found} == {"kafka", "minio", "questdb", "connect", "supervisord"}
    listening = {
        connection.laddr.ip
        for each in found
        for connection in each.process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {
        address for address in listening if not ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
    } == set()
    said = ["\0".join(each.process.cmdline()) for each in found]
    said += [log.read_text(errors="replace") for log in (stack.home / "logs").iterdir()]
    with urllib.request.urlopen(f"{stack.connect_url}/connectors?expand=info", timeout=10) as answer:
        said.append(answer.read().decode())
    connector = Connector.read().of_class(SINK)
    request = urllib.request.Request(
        f"{stack.connect_url}/connector-plugins/{SINK}/config/validate",
        json.dumps({**connector.config, "name": connector.name}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    for asked in (f"{stack.connect_url}/connectors/{connector.name}/tasks", request):
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said.insert(0, answer.read().decode())
    assert json.loads(said[0])["error_count"] == 0
    secrets = questdb.passwords(Layout(stack.home))
    assert "${env:COINLAKE_QUESTDB_ADMIN_PASSWORD}" in said[-1]
    assert not [text[:80] for text in said if any(secret in text for secret in secrets)]


# --- poison ----------------------------------------------------------------------------------------------------------

GOOD = json.loads(encode(liquidation("poison", 1000)))
POISON: dict[bytes, str] = {
    b"not json": "",
    b"[1, 2]": "",
    b'"text"': "",
    json.dumps({name: value for name, value in GOOD.items() if name != "event_time"}).encode(): "event_time",
    json.dumps(GOOD | {"event_time": "yesterday"}).encode(): "event_time",
    json.dumps(GOOD | {"event_time": 1766845883281}).encode(): "event_time",
    json.dumps(GOOD | {"event_time": "2026-02-30T12:00:00.000Z"}).encode(): "event_time",
    json.dumps(GOOD | {"quantity": "abc"}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": 0.1}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": 1}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": 18446744073709551617}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": "NaN"}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": ""}).encode(): "quantity",
    json.dumps(GOOD | {"quantity": "0.0000000000000000001"}).encode(): "quantity",
    json.dumps(GOOD | {"side": 5}).encode(): "side",
    json.dumps(GOOD | {"notional": "1" + "0" * 40}).encode(): "notional",
    json.dumps(GOOD | {"sampled": "perhaps"}).encode(): "sampled",
    json.dumps(GOOD | {"unheard_of": "x"}).encode(): "unheard_of",
    json.dumps(GOOD | {"table does not exist": "x"}).encode(): "table does not exist",
    json.dumps(GOOD | {"quantity": {"value": "1"}}).encode(): "quantity",
}
"""Messages that are no row, and a word that the reason must say."""


def test_poison_is_laid_aside_with_its_reason_and_all_around_it_is_there(stack: StackInfo) -> None:
    good = [liquidation("poison", number) for number in range(3 * len(POISON))]
    before = len(dead_letters(stack))
    with producer(stack) as made:
        for number, value in enumerate(POISON):
            # One partition, so that good and bad are in the same batches.
            for record in good[3 * number : 3 * number + 3]:
                made.produce(ALT_LIQUIDATIONS.topic, encode(record), b"one", partition=0)
            made.produce(ALT_LIQUIDATIONS.topic, value, b"one", partition=0)
    rows = wait_for_rows(stack, "poison", len(good))
    assert without_kafka_time(rows) == sorted((as_row(record) for record in good), key=identity)
    wait_until(lambda: len(dead_letters(stack)) >= before + len(POISON), "dead letters")
    letters = dict(dead_letters(stack)[before:])
    assert set(letters) == set(POISON)
    assert {value: reason for value, reason in letters.items() if not reason or POISON[value] not in reason} == {}
    assert task_states(stack, NAME) == ["RUNNING", "RUNNING"]


def test_a_table_that_is_not_there_is_waited_for_and_lays_nothing_aside(stack: StackInfo) -> None:
    before = len(dead_letters(stack))
    admin, _reader = questdb.passwords(Layout(stack.home))
    address = f"127.0.0.1:{stack.ports['questdb_server_http_port']}"

    def rename(table: str, name: str) -> None:
        statements = [f"RENAME TABLE {table} TO {name}"]
        apply_tables(address, user=questdb.ADMIN, password=SecretStr(admin), statements=statements)

    rename("alt_liquidations", "elsewhere")
    try:
        send(stack, [liquidation("waiting", number) for number in range(20)])
        # Longer than the sink waits between two tries.
        time.sleep(3)
        assert len(dead_letters(stack)) == before
    finally:
        rename("elsewhere", "alt_liquidations")
    assert len(wait_for_rows(stack, "waiting", 20)) == 20
    assert len(dead_letters(stack)) == before


# --- again -----------------------------------------------------------------------------------------------------------


def test_reading_the_whole_topic_again_doubles_nothing(stack: StackInfo) -> None:
    send(stack, [liquidation("again", number) for number in range(50)])
    before = wait_for_rows(stack, "again", 50)
    total = select(stack, "SELECT count() AS n FROM alt_liquidations")
    assert stack.connect_url is not None
    register(stack.connect_url, replace(Connector.read().of_class(SINK), name="again"))
    wait_until(lambda: committed(stack, "again") == ends(stack), "the whole topic read again")
    request = urllib.request.Request(f"{stack.connect_url}/connectors/again", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()
    time.sleep(1)
    assert select(stack, "SELECT count() AS n FROM alt_liquidations") == total
    assert rows_of(stack, "again") == before


def test_a_second_up_gives_the_connector_the_options_of_its_file(stack: StackInfo) -> None:
    before = {row.name: row.pid for row in status(stack.home)}
    assert list(before) == ["kafka", "minio", "questdb", "connect", "supervisord"]
    assert stack.connect_url is not None
    changed = Connector.read().of_class(SINK)
    register(stack.connect_url, replace(changed, config={**changed.config, "allowed.lag": "77"}))
    done = coinlake(stack, "up", "--liquidations").well()
    assert done.out[-1].startswith("the stack is up already: ")
    with urllib.request.urlopen(f"{stack.connect_url}/connectors/{NAME}", timeout=10) as answer:
        config = json.load(answer)["config"]
    assert {name: value for name, value in config.items() if name != "name"} == changed.config
    assert {row.name: row.pid for row in status(stack.home)} == before


# --- kills -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(stack: StackInfo) -> Iterator[None]:
    """A sink whose client gives up after a second, so that it is the sink that tries again, and not the client."""
    assert stack.connect_url is not None
    usual = Connector.read().of_class(SINK)
    client = usual.config["client.conf.string"].replace("retry_timeout=60000", "retry_timeout=1000")
    register(stack.connect_url, replace(usual, config={**usual.config, "client.conf.string": client}))
    assert client != usual.config["client.conf.string"]
    yield
    register(stack.connect_url, usual)


@pytest.mark.usefixtures("impatient")
def test_each_part_killed_under_load_loses_and_doubles_nothing(stack: StackInfo) -> None:
    sent: list[Liquidation] = []
    stop = threading.Event()

    def flow() -> None:
        with producer(stack) as made:
            for number in itertools.count():
                record = liquidation("struck", number)
                made.produce(ALT_LIQUIDATIONS.topic, encode(record), key_of(ALT_LIQUIDATIONS, record))
                sent.append(record)
                made.poll(0)
                if stop.wait(1 / 400):
                    return

    def come() -> None:
        wait_until(lambda: len(rows_of(stack, "struck")) > len(sent) * 0.9, "rows come again")

    letters = len(dead_letters(stack))
    thread = threading.Thread(target=flow)
    thread.start()
    try:
        come()
        kill_part(stack.home, "questdb")
        time.sleep(3)
        # What the sink holds now is in no database: only Kafka has it when the sink dies too.
        kill_part(stack.home, "connect")
        restart_part(stack.home, "connect")
        # Longer than Connect waits between two commits of offsets.
        time.sleep(6)
        restart_part(stack.home, "questdb")
        come()
        for part in ("questdb", "connect", "kafka"):
            kill_part(stack.home, part)
            time.sleep(2)
            restart_part(stack.home, part)
            come()
    finally:
        stop.set()
        thread.join()
    rows = wait_for_rows(stack, "struck", len(sent))
    assert len(sent) > 2000
    assert without_kafka_time(rows) == sorted((as_row(record) for record in sent), key=identity)
    assert task_states(stack, NAME) == ["RUNNING", "RUNNING"]
    assert len(dead_letters(stack)) == letters
