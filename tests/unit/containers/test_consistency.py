"""The container files say what the code says, and changing any one fact in them is seen."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.containers.compose_checks import compose_problems
from tests.unit.containers.files import ContainerFiles, Document, services
from tests.unit.containers.image_checks import image_problems, required
from tests.unit.settings_groups import settings_groups

FREE = {"interval", "timeout", "retries", "start_period", "start_interval"}
"""What may be tuned: how often the health of a service is looked at."""

SECRETS = {
    "COINLAKE_MINIO_ROOT_USER",
    "COINLAKE_MINIO_ROOT_PASSWORD",
    "COINLAKE_S3_ACCESS_KEY",
    "COINLAKE_S3_SECRET_KEY",
    "COINLAKE_QUESTDB_ADMIN_PASSWORD",
    "COINLAKE_QUESTDB_PASSWORD",
}

OTHER_IN_CONTAINERS = {
    "kafka_bootstrap_servers",
    "s3_endpoint",
    "s3_access_key",
    "s3_secret_key",
    "coinmarketcap_api_key",
    "health_host",
    "health_port",
    "process_metrics_host",
    "process_metrics_port",
    "spark_master",
    "spark_driver_host",
    "live_host",
    "live_port",
    "live_open",
    "questdb_host",
    "questdb_password",
    "query_host",
    "query_open",
    "query_origins",
}


def problems(files: ContainerFiles) -> list[str]:
    return [*compose_problems(*files.documents()), *image_problems(files, settings_groups())]


def test_the_container_files_say_what_the_code_says() -> None:
    assert problems(ContainerFiles.read()) == []


def test_compose_starts_only_with_secrets_of_your_own() -> None:
    assert required(ContainerFiles.read()) == {
        "base": SECRETS,
        "crypto": {
            *("COINLAKE_S3_ACCESS_KEY", "COINLAKE_S3_SECRET_KEY", "COINLAKE_COINMARKETCAP_API_KEY"),
            "COINLAKE_QUESTDB_PASSWORD",
        },
    }


@pytest.mark.parametrize("name", ["tools", "topics", "generator", "processor", "moving-average", "live", "query"])
def test_what_is_not_set_in_env_is_the_default_in_a_container(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = services(*ContainerFiles.read().documents())[name]
    for variable, text in service["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", text))
    monkeypatch.setenv("COINLAKE_HOME", "/nonexistent")
    for group in settings_groups():
        loaded, default = group.load().model_dump(mode="json"), group.model_construct().model_dump(mode="json")
        changed = {field for field, value in loaded.items() if value != default[field]}
        assert changed <= OTHER_IN_CONTAINERS, f"{name}: {changed}"


def test_no_service_but_minio_and_its_buckets_knows_the_root_password() -> None:
    base, crypto = ContainerFiles.read().documents()
    found = [
        name
        for document in (base, crypto)
        for name, service in document["services"].items()
        if "MINIO_ROOT_PASSWORD" in str(service)
    ]
    assert found == ["minio", "buckets"]


# --- each change is one fact broken, and the words by which the check must name it -----------------------------------

BROKEN = [
    # versions and tags
    ("base", "apache/kafka:4.3.1", "apache/kafka:4.3.0", "kafka: image"),
    ("base", "apache/kafka:4.3.1", "apache/kafka:latest", "expected an exact tag"),
    ("base", "# Tag seen in public compose files and tests", "# A tag", "where the tag was seen"),
    ("base", "kafbat/kafka-ui:v1.5.0", "provectuslabs/kafka-ui:v0.7.2", "kafka-ui: image"),
    ("base", "coinlake-minio:v0.0.0-20260212201848", "coinlake-minio:v0.0.0-20250101000000", "minio: image"),
    ("base", "coinlake:0.1.0", "coinlake:0.2.0", "topics: image"),
    ("crypto", "coinlake:0.1.0", "coinlake:0.2.0", "processor: image"),
    ("dockerfile", "apache/spark:4.2.0-", "apache/spark:4.1.2-", "expected FROM apache/spark:4.2.0"),
    ("dockerfile", "scala2.13-java17", "scala2.13-java21", "java17"),
    ("dockerfile", "eclipse-temurin-17", "eclipse-temurin-21", "Java 17"),
    ("dockerfile", "minio@v0.0.0-20260212201848", "minio@v0.0.0-20250101000000", "expected MinIO"),
    ("dockerfile", "uv venv --python 3.11.18", "uv venv --python 3.12.9", "one exact Python"),
    ("dockerfile", "3.11.18", "3.10.12", "one exact Python"),
    ("dockerfile", "3.11.18", "3.14.0", "one exact Python"),
    ("dockerfile", 'version="0.1.0"', 'version="0.2.0"', "0.1.0 in the labels"),
    ("dockerfile", "maven-dependency-plugin:3.8.1", "maven-dependency-plugin:3.8.0", "stage jars"),
    # what is in the image
    ("dockerfile", "infra/jars/spark-pom.xml", "infra/jars/kafka-pom.xml", "stage jars"),
    ("dockerfile", "--require-hashes --no-deps", "--no-deps", "stage python"),
    ("dockerfile", "sync --require-hashes", "sync", "stage python"),
    ("dockerfile", "/opt/coinlake/venv requirements-runtime.lock", "/opt/coinlake/venv requirements.lock", "stage pyt"),
    ("dockerfile", "requirements.lock --require-hashes", "requirements.lock", "stage python"),
    ("dockerfile", "COPY simulator simulator\n", "", "expected the rooms"),
    ("dockerfile", "USER 185", "USER root", "USER 185"),
    ("dockerfile", "COINLAKE_SPARK_JARS=/opt/coinlake/jars", "COINLAKE_JARS=/opt/coinlake/jars", "COINLAKE_JARS"),
    ("dockerfile", 'ENTRYPOINT ["/usr/bin/tini", "--",', "ENTRYPOINT [", "ENTRYPOINT"),
    ("dockerfile", "ENV MINIO_UPDATE=off", "ENV MINIO_ROOT_PASSWORD=minioadmin", "no secret"),
    ("dockerignore", "!simulator\n", "", ".dockerignore"),
    ("dockerignore", "!simulator\n", "!simulator\n!.env\n", ".dockerignore"),
    ("dockerignore", "**/.env\n", "", ".dockerignore"),
    # the live chart
    ("dockerfile", "v0.14/kafka-questdb-connector-0.14", "v0.13/kafka-questdb-connector-0.13", "stage connector"),
    ("dockerfile", "apache/kafka:4.3.1 AS", "apache/kafka:4.3.0 AS", "stage connect"),
    ("dockerfile", "-d /opt/connect", "-d /opt/plugins", "stage connector"),
    ("base", "questdb/questdb:9.3.4", "questdb/questdb:9.3.5", "questdb: image"),
    ("base", 'QDB_LINE_AUTO_CREATE_NEW_TABLES: "false"', 'QDB_LINE_AUTO_CREATE_NEW_TABLES: "true"', "NEW_TABLES"),
    ("base", "{COINLAKE_QUESTDB_PASSWORD:?", "{COINLAKE_QUESTDB_PASSWORD:-", "QDB_PG_READONLY_PASSWORD"),
    ("base", "http://0.0.0.0:8083", "http://127.0.0.1:8083", "CONNECT_LISTENER"),
    ("base", "command: [connect, apply]", "command: [questdb, apply]", "connectors: command"),
    ("dockerfile", "lightweight-charts@5.2.1", "lightweight-charts@5.2.0", "stage chart"),
    ("dockerfile", "215c282b", "215c282c", "stage chart"),
    ("dockerfile", "real_time/requirements.lock", "real_time/requirements.in", "stage real-time"),
    ("dockerfile", "install --require-hashes", "install", "stage real-time"),
    ("dockerfile", "LIVE_HOME=/opt/coinlake/real-time/pyspark", "LIVE_HOME=/opt/spark", "stage coinlake-live"),
    ("dockerfile", "javac -proc:none --release 17", "javac", "stage live-extension"),
    ("dockerfile", "LIVE_EXTENSION=/opt/coinlake/live-", "LIVE_EXTENSION=/opt/", "stage coinlake-live"),
    ("crypto", "coinlake-live:0.1.0", "coinlake:0.1.0", "moving-average: image"),
    ("crypto", "COINLAKE_LIVE_HOST: 0.0.0.0", "COINLAKE_LIVE_HOST: 127.0.0.1", "COINLAKE_LIVE_HOST"),
    ("crypto", "127.0.0.1:${COINLAKE_LIVE_PORT", "0.0.0.0:${COINLAKE_LIVE_PORT", "live: ports"),
    ("crypto", "127.0.0.1:${COINLAKE_QUERY_PORT", "0.0.0.0:${COINLAKE_QUERY_PORT", "query: ports"),
    ("crypto", "http://query:8766,${COINLAKE_QUERY_ORIGINS", "${COINLAKE_QUERY_ORIGINS", "COINLAKE_QUERY_ORIGINS"),
    ("crypto", "COINLAKE_LIVE_TOKEN: ${COINLAKE_LIVE_TOKEN:-}", "COINLAKE_LIVE_TOKEN: none", "COINLAKE_LIVE_TOKEN"),
    ("crypto", "mem_limit: 1g", "mem_limit: 512m", "moving-average: mem_limit"),
    ("crypto", "profiles: [live]", "profiles: [chart]", "live: profiles"),
    # topics and buckets
    ("base", "command: [topics, apply]", "command: [topics, list]", "topics: command"),
    ("base", "command: [buckets, apply]", "command: [topics, apply]", "buckets: command"),
    ("base", 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"', 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "true"', "AUTO_CREATE"),
    ("base", 'KAFKA_NUM_IO_THREADS: "4"', 'KAFKA_NUM_IO_THREADS: "8"', "KAFKA_NUM_IO_THREADS"),
    ("base", "KAFKA_LOG_CLEANER_BACKOFF_MS", "KAFKA_LOG_CLEANER_BACKOF_MS", "LOG_CLEANER_BACKOFF_MS"),
    ("base", "-Xmx256m\n      KAFKA_JVM", "-Xmx512m\n      KAFKA_JVM", "KAFKA_HEAP_OPTS"),
    # addresses
    ("base", "COINLAKE_KAFKA_PORT:-9092}:9092", "COINLAKE_KAFKA_PORT:-9094}:9092", "kafka: ports"),
    ("base", "127.0.0.1:${COINLAKE_MINIO_PORT", "0.0.0.0:${COINLAKE_MINIO_PORT", "minio: ports"),
    ("base", "INSIDE://kafka:19092,OUTSIDE", "INSIDE://kafka:9092,OUTSIDE", "ADVERTISED_LISTENERS"),
    ("base", "spark://spark-master:7077", "spark://spark-master:7078", "spark-worker: command"),
    ("base", "127.0.0.1:8081:8081", "8081:8081", "spark-worker: ports"),
    ("crypto", "spark://spark-master:7077", "local[*]", "COINLAKE_SPARK_MASTER"),
    ("crypto", "COINLAKE_SPARK_DRIVER_HOST: processor", "COINLAKE_SPARK_DRIVER_HOST: 127.0.0.1", "DRIVER_HOST"),
    ("crypto", 'COINLAKE_HEALTH_PORT: "9464"', 'COINLAKE_HEALTH_PORT: "9465"', "COINLAKE_HEALTH_PORT"),
    ("crypto", 'PROCESS_METRICS_PORT: "9465"', 'PROCESS_METRICS_PORT: "9466"', "PROCESS_METRICS_PORT"),
    ("crypto", '"8000"]', '"8001"]', "simulator: command"),
    ("simulator_env", "simulator:8000/wallex", "simulator:8001/wallex", "simulator.env"),
    # variables and secrets
    ("base", "COINLAKE_S3_REGION: ${COINLAKE_S3_REGION", "COINLAKE_S3_AREA: ${COINLAKE_S3_AREA", "COINLAKE_S3_AREA"),
    ("base", "${COINLAKE_S3_SECRET_KEY:?put a secret for the jobs' key into .env}", "secret", "COINLAKE_S3_SECRET_KEY"),
    ("base", "{COINLAKE_MINIO_ROOT_PASSWORD:?", "{COINLAKE_MINIO_ROOT_PASSWORD:-", "MINIO_ROOT_PASSWORD"),
    ("crypto", "{COINLAKE_COINMARKETCAP_API_KEY:?", "{COINLAKE_COINMARKETCAP_API_KEY:-", "API_KEY"),
    ("crypto", "  COINLAKE_CANDLE_MINUTES: ${COINLAKE_CANDLE_MINUTES:-}\n", "", "COINLAKE_CANDLE_MINUTES"),
    ("base", "  COINLAKE_JOIN_FILL_ROWS: ${COINLAKE_JOIN_FILL_ROWS:-}\n", "", "COINLAKE_JOIN_FILL_ROWS"),
    # life
    ("base", "condition: service_healthy", "condition: service_started", "depends_on"),
    ("base", "restart: unless-stopped", 'restart: "no"', "restart"),
    ("base", "mem_limit: 768m", "mem_limit: 768k", "kafka: mem_limit"),
    ("base", "mem_limit: 2g", "mem_limit: 1g", "mem_limit"),
    ("base", "kafka-broker-api-versions.sh", "kafka-topics.sh", "kafka: healthcheck"),
    ("base", "cap_drop: [ALL]", "cap_drop: []", "cap_drop"),
    ("crypto", "stop_grace_period: 30s", "stop_grace_period: 15s", "generator: stop_grace_period"),
    ("crypto", "[process, --trigger, 1 minute]", "[process]", "processor: command"),
    ("crypto", "profiles: [simulator]", "profiles: [sim]", "simulator: profiles"),
    # commands and the page
    ("entrypoint", "generate | process | rebuild |", "generate | process |", "expected the commands"),
    ("entrypoint", "spark-master)", "spark-main)", "spark-m"),
    ("entrypoint", "deploy.worker.Worker", "deploy.master.Worker", "worker.Worker"),
    ("entrypoint", 'exec coinlake "$@"', 'coinlake "$@"', "exec coinlake"),
    ("entrypoint", "  show             a coin's candles\n", "", "a line of help"),
    ("page", "8090", "8091", "containers.md: kafka-ui"),
    ("page", ":docker-compose-crypto.yml\n", "\n", "COMPOSE_FILE"),
    ("page", "COINLAKE_MINIO_ROOT_USER=root", "COINLAKE_S3_REGION=root", "to be drawn"),
    ("page", "docker compose up --build", "docker compose -f docker-compose.yml up --build", "COMPOSE_FILE to do for"),
    ("page", " --profile tools down", " down", "down with the profiles"),
    ("page", "COINLAKE_S3_SECRET_KEY", "COINLAKE_SECRET_KEY", "COINLAKE_SECRET_KEY"),
]


@pytest.mark.parametrize(("name", "old", "new", "named"), BROKEN)
def test_a_broken_fact_is_named(name: str, old: str, new: str, named: str) -> None:
    files = ContainerFiles.read()
    text = getattr(files, name)
    assert old in text
    broken = problems(replace(files, **{name: text.replace(old, new)}))
    assert [problem for problem in broken if named in problem], broken


# --- every value of every service ------------------------------------------------------------------------------------

Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Name every value in a document that is no mapping or list."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from places(inner, (*here, key))
    else:
        yield here


def with_value(document: Document, place: Place, value: object) -> Document:
    """Return a document that says something else in one place, or, with None, nothing there."""
    changed = copy.deepcopy(document)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


def value_at(document: Document, place: Place) -> Any:
    inner: Any = document
    for key in place:
        inner = inner[key]
    return inner


@pytest.mark.parametrize("file", [0, 1], ids=["docker-compose.yml", "docker-compose-crypto.yml"])
def test_every_value_of_every_service_is_held(file: int) -> None:
    documents = ContainerFiles.read().documents()
    checked, unseen = 0, []
    for place in places(documents[file]["services"], ("services",)):
        if place[-1] in FREE:
            continue
        found = value_at(documents[file], place)
        next_digits = re.sub(r"\d+", lambda number: str(int(number[0]) + 1), str(found))
        numbers = (
            [next_digits] if next_digits != str(found) and place[-1] not in ("mem_limit", "stop_grace_period") else []
        )
        for value in ("altered", None, *numbers):
            changed = [*documents]
            changed[file] = with_value(documents[file], place, value)
            checked += 1
            if not compose_problems(*changed):
                unseen.append((place, found, value))
    assert unseen == []
    assert checked > 200
