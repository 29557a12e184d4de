"""The versions that the project pins, each read from the one place that says it."""

import re
import tomllib
from xml.etree import ElementTree

from tests.unit.containers.files import ROOT


def project() -> dict[str, object]:
    """Return the [project] table of pyproject.toml."""
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def project_version() -> str:
    """Return the version of coinlake."""
    return str(project()["version"])


def locked(package: str, lock: str = "requirements.lock") -> str:
    """Return the version of a package in a lock."""
    found = re.search(rf"^{package}==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    assert found is not None, f"{package} is not in {lock}"
    return found[1]


def kafka_version() -> str:
    """Return the version of the embedded broker."""
    return version_in("infra/jars/kafka-pom.xml", "kafka_2.13")


def questdb_version() -> str:
    """Return the version of the embedded QuestDB."""
    return version_in("infra/jars/questdb-pom.xml", "questdb")


def version_in(pom: str, artifact: str) -> str:
    """Return the version of a dependency in a pom."""
    tree = ElementTree.parse(ROOT / pom)
    name = "{http://maven.apache.org/POM/4.0.0}"
    for dependency in tree.iter(f"{name}dependency"):
        if dependency.findtext(f"{name}artifactId") == artifact:
            return str(dependency.findtext(f"{name}version"))
    raise AssertionError(f"{pom} names no {artifact}")
