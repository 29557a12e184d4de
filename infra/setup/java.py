"""The JDK: found in JAVA_HOME, else on PATH, and of a version that Spark and Kafka run on."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from contracts.errors import StackError

OLDEST = 17


def find_java() -> Path:
    """Return the path of the `java` to use.

    Raises:
        StackError: there is none, or it is older than 17.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if found is None or not os.access(found, os.X_OK):
        where = f"in JAVA_HOME={home}" if home else "on PATH"
        raise StackError(f"no Java {where}: install a JDK {OLDEST}, or set JAVA_HOME to one")
    java = Path(found).resolve()
    version = java_version(java)
    major = re.match(r"\d+", version)
    if major is None or int(major[0]) < OLDEST:
        raise StackError(f"expected Java {OLDEST} or newer, found {version} at {java}: set JAVA_HOME to a JDK {OLDEST}")
    return java


def find_javac() -> Path:
    """Return the path of the compiler that belongs to the `java` to use.

    Raises:
        StackError: there is no Java, it is older than 17, or it has no compiler.
    """
    java = find_java()
    javac = java.with_name("javac")
    if not os.access(javac, os.X_OK):
        raise StackError(f"expected a compiler beside {java}, found none: install a JDK {OLDEST}, not a runtime")
    return javac


def java_version(java: Path) -> str:
    """Return the full version of a JDK: from its `release` file, which costs no JVM start, else by asking it."""
    release = java.parent.parent / "release"
    if release.is_file():
        found = re.search(r'^JAVA_RUNTIME_VERSION="(.+)"', release.read_text(), re.MULTILINE)
        found = found or re.search(r'^JAVA_VERSION="(.+)"', release.read_text(), re.MULTILINE)
    else:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        found = re.search(r'version "(.+?)"', said)
    return found[1] if found else "an unknown version"
