"""Play a market through the venues' own protocols into Kafka: the simulator and the generator, side by side."""

import json
import math
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from contracts.errors import StackError
from contracts.settings import IngestSettings, KafkaSettings
from contracts.streams import COIN_MARKET_CAP, WALLEX
from infra.children import Child
from simulator.recording import read_folder
from simulator.venues import VENUES

POLL_SECONDS = 60
PATIENCE_SECONDS = 20.0
PROGRESS_SECONDS = 2.0
DEMO_KEY = "demo-key-without-value"


@dataclass(frozen=True)
class Market:
    """What is played: a recording or a generated market, how long it is, and how much faster than life."""

    span_seconds: float
    speed: float
    recording: Path | None = None
    seed: int = 1

    @property
    def wall_seconds(self) -> int:
        """How long playing it takes, in whole seconds of life."""
        return math.ceil(self.span_seconds / self.speed)


def recorded_market(folder: Path, speed: float) -> Market:
    """Measure a recording.

    Raises:
        NoDataError: the folder holds no recording.
        SettingsError: a line of it is malformed.
    """
    times = [answer.at for answers in read_folder(folder, VENUES).values() for answer in answers]
    return Market(span_seconds=(max(times) - min(times)).total_seconds(), speed=speed, recording=folder)


def replay(market: Market, logs: Path, kafka: KafkaSettings, say: Callable[[str], None]) -> None:
    """Play the market into Kafka and wait until all of it is acknowledged.

    Raises:
        StackError: the simulator or the generator ended with an error.
    """
    port_file = logs / "simulator.port"
    port_file.unlink(missing_ok=True)
    with ExitStack() as running:
        simulator = running.enter_context(
            Child("simulator", coinlake("simulate", *_simulated(market, port_file)), log=logs / "simulator.log")
        )
        base = f"http://127.0.0.1:{_wait_for_port(simulator, port_file)}"
        generator = running.enter_context(
            Child(
                "generator",
                coinlake("generate", "--duration", f"{market.wall_seconds}s"),
                env=_pointed_at(base, market),
                log=logs / "generator.log",
            )
        )
        while generator.running():
            time.sleep(PROGRESS_SECONDS)
            say(f"market time {_simulated_time(base)}  {records_in(kafka)} records in Kafka")
        generator.finish()


def coinlake(*arguments: str) -> list[str]:
    """Return a command line of ours, run by the Python that runs us."""
    return [sys.executable, "-m", "infra.cli", *arguments]


def _simulated(market: Market, port_file: Path) -> list[str]:
    played = [str(market.recording), "--common-start"] if market.recording else ["--seed", str(market.seed)]
    span = f"{int(market.span_seconds)}s"
    return [*played, "--speed", str(market.speed), "--span", span, "--port-file", str(port_file)]


def _pointed_at(base: str, market: Market) -> dict[str, str]:
    recorded = market.recording
    return {
        "COINLAKE_COINMARKETCAP_URL": f"{base}/coinmarketcap",
        "COINLAKE_COINMARKETCAP_API_KEY": DEMO_KEY,
        "COINLAKE_COINMARKETCAP_API": _recorded_api(recorded) if recorded else IngestSettings.load().coinmarketcap_api,
        "COINLAKE_WALLEX_URL": f"{base}/wallex",
        "COINLAKE_POLL_SECONDS": str(POLL_SECONDS / market.speed),
    }


def _recorded_api(folder: Path) -> str:
    """Return the version of the CoinMarketCap API that a recording speaks."""
    first = read_folder(folder, VENUES)["coinmarketcap"][0]
    return first.request.path.split("/")[1]


def _wait_for_port(simulator: Child, port_file: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (port_file.exists() and port_file.read_text().strip()):
        if not simulator.running() or time.monotonic() > deadline:
            raise StackError(f"the simulator did not start: {simulator.last_words()}")
        time.sleep(0.05)
    return int(port_file.read_text())


def _simulated_time(base: str) -> str:
    with urllib.request.urlopen(f"{base}/_simulator/clock", timeout=5) as answer:
        return str(json.load(answer)["simulated_time"])[:16].replace("T", " ")


def records_in(kafka: KafkaSettings) -> int:
    """Count the records of the market topics, by their end offsets."""
    consumer = Consumer({"bootstrap.servers": kafka.kafka_bootstrap_servers, "group.id": "coinlake-demo"})
    try:
        topics = consumer.list_topics(timeout=10).topics
        parts = [TopicPartition(s.topic, n) for s in (COIN_MARKET_CAP, WALLEX) for n in topics[s.topic].partitions]
        return sum(consumer.get_watermark_offsets(part, timeout=10)[1] for part in parts)
    finally:
        consumer.close()
