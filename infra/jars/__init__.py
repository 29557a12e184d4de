"""The jars of Kafka and of Spark, fetched by Maven into the cache."""

import hashlib
from pathlib import Path

from contracts.errors import StackError
from infra.setup import tools
from infra.setup.cache import cache_root, ensure_entry, entry, lock
from infra.setup.java import find_java

_POMS = Path(__file__).parent
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_MAVEN = ("--batch-mode", "--no-transfer-progress", "-Dmaven.wagon.http.retryHandler.count=3")


def ensure_kafka_jars() -> Path:
    """Return the folder of the Kafka jars, fetched first when they are not there (92 jars, 55 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return _ensure("kafka", "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory={folder}")


def ensure_spark_jars() -> Path:
    """Return the folder of the jars Spark needs beside its own, fetched first when they are not there (46 jars, 35 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return _ensure("spark", "copy", "-Djars.folder={folder}")


def kafka_jars_dir() -> Path:
    """Return the folder of the Kafka jars.

    Raises:
        StackError: they are not there; `make setup` fetches them.
    """
    return _existing("kafka")


def _pom(name: str) -> Path:
    return _POMS / f"{name}-pom.xml"


def _entry_name(name: str) -> str:
    return f"{name}-jars-{hashlib.sha256(_pom(name).read_bytes()).hexdigest()[:12]}"


def _existing(name: str) -> Path:
    folder = entry(_entry_name(name))
    if not folder.is_dir():
        raise StackError(f"the {name} jars are not there (expected {folder}): run `make setup`")
    return folder


def _ensure(name: str, goal: str, *options: str) -> Path:
    def fetch(folder: Path) -> None:
        find_java()
        maven = tools.find("mvn", "install Maven 3.8 or newer")
        placed = [option.format(folder=folder) for option in options]
        # Maven's own repository is not safe for two runs that download the same file at once.
        with lock(cache_root() / "maven.lock"):
            log = tools.log_file(f"{name}-jars")
            tools.run([maven, *_MAVEN, "-f", str(_pom(name)), f"{_PLUGIN}:{goal}", *placed], log=log)

    return ensure_entry(_entry_name(name), fetch)
