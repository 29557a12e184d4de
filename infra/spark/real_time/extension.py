"""What the Spark with Real-Time Mode is extended by, compiled into the cache from the sources beside this file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from infra.setup import tools
from infra.setup.cache import ensure_entry
from infra.setup.java import OLDEST, find_javac

SOURCES = Path(__file__).parent / "java"
COMPILER_FLAGS = ("-proc:none", "--release", str(OLDEST))
_STRICT = ("-Xlint:all,-classfile,-path", "-Werror")


def ensure_extension(spark: Path, connector: Sequence[Path]) -> Path:
    """Return the folder of the compiled classes, compiled first if they were never for this Spark and these jars.

    Raises:
        StackError: no JDK, or it does not compile.
    """
    jars = [*sorted((spark / "jars").glob("*.jar")), *connector]
    digest = hashlib.sha256("\n".join((*COMPILER_FLAGS, *(jar.name for jar in jars))).encode())
    sources = sorted(SOURCES.rglob("*.java"))
    for file in sources:
        digest.update(file.read_bytes() + b"\0")

    def compile_into(folder: Path) -> None:
        command = [str(find_javac()), *COMPILER_FLAGS, *_STRICT, "-cp", ":".join(map(str, jars)), "-d", str(folder)]
        tools.run([*command, *map(str, sources)], log=tools.log_file("live-extension"))

    return ensure_entry(f"live-extension-{digest.hexdigest()[:12]}", compile_into)
