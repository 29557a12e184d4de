"""Class archives for our JVMs: each made at one normal stop, kept in the cache, worth seconds at every later start.

It fits one JDK, one set of jars and one set of flags, which its name is a hash of. A JVM that cannot use an
archive starts without it, and a stop that cannot write one leaves nothing behind, so it never causes a failure.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra.setup.cache import cache_root
from infra.setup.java import java_version

_SILENT = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_file(program: str, java: Path, jars: Path, flags: Sequence[str]) -> Path:
    """Return where the archive for this program, JDK, jars and flags is kept, whether it is there or not."""
    parts = [str(java), java_version(java), str(jars), *flags, *sorted(jar.name for jar in jars.iterdir())]
    return cache_root() / f"{program}-classes-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}.jsa"


def use_option(archive: Path) -> list[str]:
    """Return the JVM options that load the archive, none while it is not there."""
    return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", *_SILENT] if archive.exists() else []


def use_or_make_option(archive: Path, new: Path) -> list[str]:
    """Return the JVM options that load the archive, or that write one to `new` when the JVM ends."""
    return use_option(archive) or [f"-XX:ArchiveClassesAtExit={new}", *_SILENT]


def adopt(new: Path, archive: Path) -> None:
    """Move an archive that a JVM has finished writing into the cache; one that is there already stays."""
    if not new.exists():
        return
    try:
        if not archive.exists():
            part = archive.with_name(f"{archive.name}.part-{os.getpid()}")
            shutil.move(new, part)
            part.replace(archive)
    except OSError:
        # A full disk: the next stop may try again.
        return
    finally:
        new.unlink(missing_ok=True)
