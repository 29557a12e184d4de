"""The engines: how each is started and which version it is. Adding one adds an entry."""

import importlib.metadata
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.live_engines.flink import flink_command
from benchmarks.live_engines.quix import quix_command
from contracts.errors import SettingsError
from infra.spark import real_time

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Command:
    """A program and what it needs in its environment, beside the variables of the stack."""

    arguments: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """One engine.

    `command` fetches what the engine needs, once, and says how it is started; given is a folder for its state, which
    is empty at first and found again by an engine that is started anew after a crash. Where Kafka is it finds in
    COINLAKE_KAFKA_BOOTSTRAP_SERVERS. Ready it is, like any other, when it answers probes (see `run`).
    """

    name: str
    version: Callable[[], str]
    command: Callable[[Path], Command]


def pinned(lock: Path, package: str) -> str:
    """Return the version of a package in a lock.

    Raises:
        SettingsError: it is not there.
    """
    found = re.search(rf"^{re.escape(package)}==(\S+)", lock.read_text(), re.MULTILINE)
    if found is None:
        raise SettingsError(f"{lock}: expected a pinned {package}, found none")
    return f"{package} {found[1]}"


def _spark(trigger: str, folder: Path) -> Command:
    arguments = [sys.executable, "-m", "infra.cli", "moving-average", "--trigger", trigger]
    return Command(arguments, {"COINLAKE_LIVE_CHECKPOINT": folder.as_uri()})


def _of_package(command: Callable[[Path], tuple[list[str], dict[str, str]]]) -> Callable[[Path], Command]:
    return lambda folder: Command(*command(folder))


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "spark-real-time", lambda: pinned(real_time.LOCK, "pyspark"), lambda folder: _spark("real-time", folder)
        ),
        Engine(
            "spark-micro-batch",
            lambda: f"pyspark {importlib.metadata.version('pyspark')}",
            lambda folder: _spark("micro-batch", folder),
        ),
        Engine(
            "flink",
            lambda: pinned(HERE / "flink" / "requirements.lock", "apache-flink"),
            _of_package(flink_command),
        ),
        Engine(
            "quix",
            lambda: pinned(HERE / "quix" / "requirements.lock", "quixstreams"),
            _of_package(quix_command),
        ),
        Engine(
            "bare",
            lambda: f"confluent-kafka {importlib.metadata.version('confluent-kafka')}",
            lambda _: Command([sys.executable, str(HERE / "bare.py")]),
        ),
    )
}
