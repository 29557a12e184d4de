"""The jars of Kafka, Spark and QuestDB, fetched by Maven into the cache."""

import hashlib
from pathlib import Path

from contracts.errors import StackError
from infra.setup import tools
from infra.setup.cache import cache_root, ensure_entry, entry, lock
from infra.setup.java import find_java

_POMS = Path(__file__).parent
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
RUNTIME_INTO_FOLDER = ("-DincludeScope=runtime", "-DoutputDirectory={folder}")
"""Which of a project's dependencies `copy-dependencies` copies, and where to."""
_MAVEN = ("--batch-mode", "--no-transfer-progress", "-Dmaven.wagon.http.retryHandler.count=3")


def ensure_kafka_jars() -> Path:
    """Return the folder of the Kafka jars, fetched first when they are not there (92 jars, 55 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return _ensure("kafka", f"{DEPENDENCY_PLUGIN}:copy-dependencies", *RUNTIME_INTO_FOLDER)


def ensure_spark_jars() -> Path:
    """Return the folder of the jars Spark needs beside its own, fetched first when they are not there (46 jars, 35 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return _ensure("spark", f"{DEPENDENCY_PLUGIN}:copy", "-Djars.folder={folder}")


def ensure_questdb_jars() -> Path:
    """Return the folder of QuestDB's jar, fetched first when it is not there (30 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return _ensure("questdb", f"{DEPENDENCY_PLUGIN}:copy-dependencies", *RUNTIME_INTO_FOLDER)


def kafka_jars_dir() -> Path:
    """Return the folder of the Kafka jars.

    Raises:
        StackError: they are not there; `make setup` fetches them.
    """
    return _existing("kafka")


def questdb_jars_dir() -> Path:
    """Return the folder of QuestDB's jar.

    Raises:
        StackError: it is not there; `make setup` fetches it.
    """
    return _existing("questdb")


def run_maven(pom: Path, name: str, *arguments: str) -> None:
    """Run goals of Maven on a project, its output in the log of `name`.

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    find_java()
    maven = tools.find("mvn", "install Maven 3.8 or newer")
    # Maven's own repository is not safe for two runs that download the same file at once.
    with lock(cache_root() / "maven.lock"):
        tools.run([maven, *_MAVEN, "-f", str(pom), *arguments], log=tools.log_file(name))


def _pom(name: str) -> Path:
    return _POMS / f"{name}-pom.xml"


def _entry_name(name: str) -> str:
    return f"{name}-jars-{hashlib.sha256(_pom(name).read_bytes()).hexdigest()[:12]}"


def _existing(name: str) -> Path:
    folder = entry(_entry_name(name))
    if not folder.is_dir():
        raise StackError(f"the {name} jars are not there (expected {folder}): run `make setup`")
    return folder


def _ensure(name: str, *arguments: str) -> Path:
    def fetch(folder: Path) -> None:
        run_maven(_pom(name), f"{name}-jars", *(argument.format(folder=folder) for argument in arguments))

    return ensure_entry(_entry_name(name), fetch)
