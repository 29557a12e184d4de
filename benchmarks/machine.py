"""Where and with what was measured."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil

from infra.jars import ensure_kafka_jars
from infra.setup.java import find_java, java_version

PACKAGES = ("coinlake", "pyspark", "delta-spark", "deltalake", "pyarrow", "confluent-kafka", "msgspec")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the versions; `load` is how many processes wanted a core in the last minute, at the start."""

    system: str
    processor: str
    cores: int
    memory_bytes: int
    load: float
    versions: Mapping[str, str]


def this_machine() -> Machine:
    """Look at the machine we run on.

    Raises:
        StackError: there is no JDK.
    """
    kafka = next(ensure_kafka_jars().glob("kafka_2.13-*.jar")).stem.rpartition("-")[2]
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        load=os.getloadavg()[0],
        versions={
            "python": platform.python_version(),
            "java": java_version(find_java()),
            "kafka": kafka,
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    )


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", cpus.read_text(), re.MULTILINE) if cpus.exists() else None
    return found[1] if found else platform.processor()
