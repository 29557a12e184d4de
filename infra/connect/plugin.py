"""The sink of the embedded Kafka Connect, built by Maven into the cache from the sources beside this file."""

import hashlib
import shutil
from pathlib import Path

from infra.jars import DEPENDENCY_PLUGIN, RUNTIME_INTO_FOLDER, run_maven
from infra.setup.cache import ensure_entry

SINK = "coinlake.connect.QuestDbSinkConnector"
SOURCES = Path(__file__).parent / "sink"
_PLUGINS = "org.apache.maven.plugins"
_GOALS = (
    f"{_PLUGINS}:maven-resources-plugin:3.3.1:resources",
    f"{_PLUGINS}:maven-compiler-plugin:3.14.0:compile",
    f"{_PLUGINS}:maven-jar-plugin:3.4.2:jar",
    f"{DEPENDENCY_PLUGIN}:copy-dependencies",
)


def ensure_sink() -> Path:
    """Return Connect's plugin path: a folder with the folder of the sink, its jar and the client of QuestDB in it.

    It is built first when it was never built from these sources.

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """
    return ensure_entry(entry_name(SOURCES), _build)


def _build(folder: Path) -> None:
    plugin, work = folder / "questdb-sink", folder / "build"
    folders = (f"-Dbuild.folder={work}", f"-Dplugin.folder={plugin}")
    into_plugin = (option.format(folder=plugin) for option in RUNTIME_INTO_FOLDER)
    run_maven(SOURCES / "pom.xml", "questdb-sink", *_GOALS, *folders, *into_plugin)
    shutil.rmtree(work)


def entry_name(sources: Path) -> str:
    """Return the name of a sink's cache entry: another one for each change of its sources or of how it is built."""
    digest = hashlib.sha256("\n".join(_GOALS).encode())
    for file in sorted(path for path in sources.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(sources)).encode() + b"\0" + file.read_bytes() + b"\0")
    return f"questdb-sink-{digest.hexdigest()[:12]}"
