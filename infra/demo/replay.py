"""Play a market through the venues' own protocols into Kafka: the simulator and the generator, side by side."""

import json
import logging
import math
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from contracts.errors import BrokerError, StackError
from contracts.settings import IngestSettings, KafkaSettings
from contracts.streams import ALT_LIQUIDATIONS, BINANCE_TICKER, COIN_MARKET_CAP, CRYPTO_KLINE_DATA, WALLEX
from infra.children import Child
from simulator.recording import Played, read_folder
from simulator.venues import VENUES

MARKET_STREAMS = (COIN_MARKET_CAP, WALLEX, BINANCE_TICKER, CRYPTO_KLINE_DATA, ALT_LIQUIDATIONS)
POLL_SECONDS = 60
PATIENCE_SECONDS = 20.0
PROGRESS_SECONDS = 2.0
DEMO_KEY = "demo-key-without-value"
FEEDS = {
    "coinmarketcap": ("coin_market_cap",),
    "wallex": ("wallex",),
    "binance": ("binance", "binance_klines"),
    "binance_futures": ("binance_liquidations",),
    "x": ("x_bitcoin", "x_ethereum"),
}
"""What the generator takes from each simulated venue."""
GENERATED = tuple(venue for venue in FEEDS if venue != "x")
"""The venues of a generated market: scoring posts would take longer than a demo has."""
_SILENT = logging.Logger("librdkafka", logging.CRITICAL + 1)


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
    """Measure a recording, its venues shifted to a common start as they are played.

    It is one poll longer than from its first answer to its last, so that the last one is polled too.

    Raises:
        NoDataError: the folder holds no recording.
        SettingsError: a line of it is malformed.
    """
    spans = [answers[-1].at - answers[0].at for answers in read_folder(folder, VENUES).values()]
    return Market(span_seconds=max(spans).total_seconds() + POLL_SECONDS, speed=speed, recording=folder)


def replay(market: Market, logs: Path, kafka: KafkaSettings, say: Callable[[str], None]) -> None:
    """Play the market into Kafka and wait until all of it is acknowledged.

    Raises:
        StackError: the simulator or the generator ended with an error.
        BrokerError: Kafka does not answer.
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
                coinlake("generate", "--duration", f"{market.wall_seconds}s", *_taken(market)),
                env=_pointed_at(base, market),
                log=logs / "generator.log",
            )
        )
        while generator.running():
            time.sleep(PROGRESS_SECONDS)
            say(f"market time {simulated_time(base, simulator)}  {records_in(kafka)} records in Kafka")
        generator.finish()


def coinlake(*arguments: str) -> list[str]:
    """Return a command line of ours, run by the Python that runs us."""
    return [sys.executable, "-m", "infra.cli", *arguments]


def _simulated(market: Market, port_file: Path) -> list[str]:
    played = [str(market.recording), "--common-start"] if market.recording else ["--seed", str(market.seed)]
    span = f"{int(market.span_seconds)}s"
    # At such a speed the pushes of open klines, one in 2 s of market, would drown the polls: one a kline is left.
    streams = ["--streams", '{"updates": 1}']
    # So would liquidations.
    orders = ["--liquidations-a-minute", "12"]
    return [*played, *streams, *orders, "--speed", str(market.speed), "--span", span, "--port-file", str(port_file)]


def _taken(market: Market) -> list[str]:
    """Name the feeds that the market has, of a recording those of the venues it holds."""
    venues = read_folder(market.recording, VENUES) if market.recording else GENERATED
    return [word for venue in venues for feed in FEEDS[venue] for word in ("--venue", feed)]


def _pointed_at(base: str, market: Market) -> dict[str, str]:
    recorded = market.recording
    return {
        "COINLAKE_COINMARKETCAP_URL": f"{base}/coinmarketcap",
        "COINLAKE_COINMARKETCAP_API_KEY": DEMO_KEY,
        "COINLAKE_COINMARKETCAP_API": (recorded and recorded_api(recorded)) or IngestSettings.load().coinmarketcap_api,
        "COINLAKE_WALLEX_URL": f"{base}/wallex",
        "COINLAKE_BINANCE_URL": f"{base}/binance",
        "COINLAKE_BINANCE_STREAM_URL": f"{base.replace('http', 'ws', 1)}/binance",
        "COINLAKE_BINANCE_FUTURES_STREAM_URL": f"{base.replace('http', 'ws', 1)}/binance_futures",
        "COINLAKE_X_URL": f"{base}/x",
        "COINLAKE_X_BEARER_TOKEN": DEMO_KEY,
        "COINLAKE_POLL_SECONDS": str(POLL_SECONDS / market.speed),
    }


def recorded_api(folder: Path) -> str | None:
    """Return the version of the CoinMarketCap API that a recording speaks, None where it holds no CoinMarketCap."""
    lines = read_folder(folder, VENUES).get("coinmarketcap", [])
    return next((line.request.path.split("/")[1] for line in lines if isinstance(line, Played)), None)


def _wait_for_port(simulator: Child, port_file: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (port_file.exists() and port_file.read_text().strip()):
        if not simulator.running() or time.monotonic() > deadline:
            raise StackError(f"the simulator did not start: {simulator.last_words()}")
        time.sleep(0.05)
    return int(port_file.read_text())


def simulated_time(base: str, simulator: Child) -> str:
    """Ask the simulator what time it is in its market, to the minute.

    Raises:
        StackError: it does not answer.
    """
    try:
        with urllib.request.urlopen(f"{base}/_simulator/clock", timeout=5) as answer:
            return str(json.load(answer)["simulated_time"])[:16].replace("T", " ")
    except (OSError, HTTPException):
        what = "does not answer" if simulator.running() else "ended"
        raise StackError(f"the simulator {what}: {simulator.last_words()}") from None


def records_in(kafka: KafkaSettings, seconds: float = 10) -> int:
    """Count the records of the market topics, by their end offsets.

    Raises:
        BrokerError: Kafka did not answer in so many seconds.
    """
    servers = kafka.kafka_bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "coinlake-demo"}, logger=_SILENT)
    try:
        topics = consumer.list_topics(timeout=seconds).topics
        parts = [TopicPartition(s.topic, n) for s in MARKET_STREAMS for n in topics[s.topic].partitions]
        return sum(consumer.get_watermark_offsets(part, timeout=seconds)[1] for part in parts)
    except KafkaException as error:
        raise BrokerError(f"Kafka cannot be reached at {servers}: {error.args[0].str()}") from None
    finally:
        consumer.close()
