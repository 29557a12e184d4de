"""What the compose files must say, worked out from the code: checks return what is wrong, nothing if all is well."""

import re
from collections.abc import Iterable, Mapping

from contracts.settings import IngestSettings, LakeSettings
from infra import children
from infra.object_store import BUCKETS
from infra.spark.settings import SparkSettings, memory_bytes
from infra.stack.supervisor import STOP_SECONDS
from tests.unit.containers.compose_facts import (
    CLUSTER,
    NEEDS,
    USERS,
    VOLUMES,
    builds,
    commands,
    environments,
    health_tests,
    images,
    ports,
)
from tests.unit.containers.files import Document, services

ONE_SHOT = ("topics", "buckets", "questdb-tables", "connectors")
LIVE = ("moving-average", "live")
LIQUIDATIONS = ("questdb", "questdb-tables", "connect", "connectors", "liquidations")
ON_REQUEST = {
    "tools": "tools",
    "simulator": "simulator",
    **dict.fromkeys(LIVE, "live"),
    **dict.fromkeys(("query", "dashboard"), "query"),
    **dict.fromkeys(("kafka-exporter", "prometheus", "grafana"), "monitoring"),
    **dict.fromkeys(LIQUIDATIONS, "liquidations"),
    "posts": "posts",
}
"""Services that start only when asked for, with their profiles."""


def compose_problems(base: Document, crypto: Document) -> list[str]:
    """Return everything that the two compose files say otherwise than the code."""
    found = services(base, crypto)
    expected = {
        **{(name, "image"): image for name, image in images().items()},
        **{(name, "build"): build for name, build in builds().items()},
        **{(name, "command"): command for name, command in commands().items()},
        **{(name, "environment"): environment for name, environment in environments().items()},
        **{(name, "ports"): ports for name, ports in ports().items()},
        **{(name, "volumes"): volumes for name, volumes in VOLUMES.items()},
        **{(name, "depends_on"): needs for name, needs in NEEDS.items()},
        **{(name, "user"): user for name, user in USERS.items()},
        **{(name, "profiles"): [profile] for name, profile in ON_REQUEST.items()},
    }
    names = list(images())
    for name in names:
        expected[name, "restart"] = "no" if name in (*ONE_SHOT, "tools") else "unless-stopped"
        expected[name, "cap_drop"] = ["ALL"]
        expected[name, "security_opt"] = ["no-new-privileges:true"]
        expected[name, "logging"] = {"driver": "local"}
    problems = _differences("services", sorted(names), sorted(found))
    held = ("healthcheck", "mem_limit", "stop_grace_period")
    for name, service in found.items():
        keys = {key for owner, key in expected if owner == name} | {key for key in service if key not in held}
        for key in sorted(keys):
            problems += _differences(f"{name}: {key}", expected.get((name, key)), _plain(service.get(key)))
    problems += _differences(
        "volumes", dict.fromkeys(("kafka-data", "minio-data", "questdb-data", "prometheus-data")), base.get("volumes")
    )
    problems += _differences("name", "coinlake", base.get("name"))
    return [*problems, *_health_problems(found), *_memory_problems(found), *_grace_problems(found), *_bucket_problems()]


def _differences(what: str, expected: object, found: object) -> list[str]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [line for key in keys for line in _differences(f"{what}: {key}", expected.get(key), found.get(key))]
    return [] if expected == found else [f"{what}: expected {expected!r}, found {found!r}"]


def _plain(value: object) -> object:
    """Leave out what an error message of a required variable says, as long as it says something."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return re.sub(r"(\$\{\w+:\?)[^}]+\}", r"\1}", value) if isinstance(value, str) else value


def _health_problems(found: Mapping[str, Document]) -> Iterable[str]:
    for name, test in health_tests().items():
        health = found.get(name, {}).get("healthcheck", {})
        yield from _differences(f"{name}: healthcheck", test, health.get("test"))
        timings = {key: _seconds(health.get(key)) for key in ("start_interval", "timeout", "interval", "start_period")}
        if any(value is None for value in timings.values()) or not isinstance(health.get("retries"), int):
            yield f"{name}: healthcheck: expected {', '.join(timings)} and retries"
        elif not (timings["timeout"] or 0) < (timings["interval"] or 0):
            yield f"{name}: healthcheck: expected a timeout below the interval"


def _memory_problems(found: Mapping[str, Document]) -> Iterable[str]:
    """Every service is bounded, and what runs without a request fits a machine of 8 GiB with room to spare."""
    sizes = {name: mebibytes(service.get("mem_limit")) for name, service in found.items()}
    for name, size in sizes.items():
        if size is None or not 256 <= size <= 2048:
            yield f"{name}: mem_limit: expected 256m to 2g, found {found[name].get('mem_limit')}"
    together = [name for name in sizes if name not in ONE_SHOT and ON_REQUEST.get(name) in (None, "simulator")]
    always = sum(sizes[name] or 0 for name in together)
    if always > 7.5 * 1024:
        yield f"mem_limit: expected at most 7.5 GiB side by side, found {always} MiB"
    if (sizes.get("moving-average") or 0) < (
        memory_bytes(SparkSettings.model_fields["spark_live_memory"].default) >> 20
    ) + 512:
        yield "moving-average: mem_limit: expected room for the heap and for what Spark and Python need beside it"
    executor = memory_bytes(CLUSTER.spark_worker_memory) >> 20
    if (sizes.get("spark-worker") or 0) < executor + 256 + 512:
        yield "spark-worker: mem_limit: expected room for an executor, the worker and their JVMs' own memory"


def mebibytes(size: object) -> int | None:
    """Read a size such as 512m or 2g."""
    matched = re.fullmatch(r"(\d+)([mg])", str(size))
    return int(matched[1]) * {"m": 1, "g": 1024}[matched[2]] if matched else None


def _grace_problems(found: Mapping[str, Document]) -> Iterable[str]:
    """A service that is told to stop is killed only after all that it may need."""
    ingest = {name: float(info.default) for name, info in IngestSettings.model_fields.items() if "seconds" in name}
    least = {
        **dict.fromkeys(
            ("generator", "liquidations", "posts"), ingest["request_timeout_seconds"] + ingest["drain_seconds"]
        ),
        "processor": children.GRACE_SECONDS,
        "moving-average": children.GRACE_SECONDS,
        "kafka": 30.0,
        "questdb": STOP_SECONDS,
        "connect": STOP_SECONDS,
    }
    for name, service in found.items():
        grace = _seconds(service.get("stop_grace_period", "10s"))
        if grace is None or grace <= least.get(name, 0):
            yield f"{name}: stop_grace_period: expected more than {least.get(name, 0):g} s"


def _seconds(duration: object) -> float | None:
    matched = re.fullmatch(r"(\d+)s", str(duration))
    return float(matched[1]) if matched else None


def _bucket_problems() -> Iterable[str]:
    """The buckets that `buckets apply` makes are those in which the settings look."""
    places = [str(LakeSettings.model_fields[name].default) for name in ("lake", "state")]
    yield from _differences("buckets", [f"s3a://{bucket}" for bucket in BUCKETS], places)
