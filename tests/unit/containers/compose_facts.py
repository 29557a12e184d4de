"""What the compose files must say of each service, worked out from the code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from contracts.settings import (
    IngestSettings,
    JobSettings,
    KafkaSettings,
    LakeSettings,
    MovingAverageSettings,
    QuestDbSettings,
    SettingsGroup,
)
from infra.object_store import StoreRootSettings
from infra.questdb.settings import QuestDbAdminSettings
from infra.settings import ClusterSettings, LiquidationSettings, StackSettings
from infra.setup.minio import VERSION as MINIO_VERSION
from infra.spark.settings import SparkSettings
from infra.stack import connect, kafka, questdb
from ingest.sources.binance.liquidations import NAME as LIQUIDATIONS_FEED
from ingest.sources.x.feed import QUERIES as POST_FEEDS
from serve.dashboard.settings import DashboardSettings
from serve.live.settings import LiveSettings
from serve.query.client import ClientSettings
from serve.query.settings import QuerySettings
from tests.unit.containers.versions import kafka_version, project_version, questdb_version

INSIDE = "kafka:19092"
MINIO = "http://minio:9000"
HEALTH_PORT, SIMULATOR_PORT, WORKER_PAGE, KAFKA_UI_PORT, LIVE_PORT, QUERY_PORT = 9464, 8000, 8081, 8090, 8765, 8766
PROCESS_METRICS_PORT, QUESTDB_METRICS_PORT, KAFKA_EXPORTER_PORT = 9465, 9013, 9308
DASHBOARD_PORT = int(DashboardSettings.model_fields["dashboard_port"].default)
_SERVLET = "-Dspark.metrics.conf.*.sink.prometheusServlet"
SPARK_METRICS = f"{_SERVLET}.class=org.apache.spark.metrics.sink.PrometheusServlet {_SERVLET}.path=/metrics/prometheus"
GRAFANA = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": "/var/lib/grafana/dashboards/coinlake.json",
}
STACK, CLUSTER = StackSettings.model_construct(), ClusterSettings.model_construct()
LIQUIDATIONS = LiquidationSettings.model_construct()
SPARK_PORT, MASTER_PAGE = CLUSTER.spark_master_port, CLUSTER.spark_master_ui_port
OF_THE_IMAGE = ("spark_home", "spark_jars", "spark_live_home", "spark_live_extension", "live_chart_library")
"""Settings that the image has, and that a service must not take away from it."""

Environment = Mapping[str, str]


def images() -> dict[str, str]:
    ours = (
        *("topics", "buckets", "questdb-tables", "connectors", "spark-master", "spark-worker", "tools"),
        *("generator", "liquidations", "posts", "processor", "live", "query", "dashboard", "simulator"),
    )
    return {
        "kafka": f"apache/kafka:{kafka_version()}",
        "kafka-ui": "kafbat/kafka-ui:v1.5.0",
        "minio": f"coinlake-minio:{MINIO_VERSION}",
        "questdb": f"questdb/questdb:{questdb_version()}",
        "kafka-exporter": "danielqsj/kafka-exporter:v1.9.0",
        "prometheus": "prom/prometheus:v3.13.2",
        "grafana": "grafana/grafana:12.3.2",
        "connect": f"coinlake-connect:{project_version()}",
        **dict.fromkeys(ours, f"coinlake:{project_version()}"),
        "moving-average": f"coinlake-live:{project_version()}",
    }


def builds() -> dict[str, object]:
    targets = {
        "coinlake": "coinlake",
        "coinlake-live": "coinlake-live",
        "coinlake-minio": "minio",
        "coinlake-connect": "connect",
    }
    named = {name: image.split(":")[0] for name, image in images().items()}
    return {name: {"context": ".", "target": targets[image]} for name, image in named.items() if image in targets}


def commands() -> dict[str, list[str]]:
    return {
        "topics": ["topics", "apply"],
        "buckets": ["buckets", "apply"],
        "questdb-tables": ["questdb", "apply"],
        "connectors": ["connect", "apply"],
        "spark-master": [
            *("spark-master", "--host", "spark-master"),
            *("--port", str(SPARK_PORT), "--webui-port", str(MASTER_PAGE)),
        ],
        "spark-worker": ["spark-worker", "--webui-port", str(WORKER_PAGE), f"spark://spark-master:{SPARK_PORT}"],
        "tools": ["help"],
        "generator": ["generate", "--forever", "--log-format", "json"],
        "liquidations": ["generate", "--forever", "--venue", LIQUIDATIONS_FEED, "--log-format", "json"],
        "posts": [
            *("generate", "--forever", *(word for feed in POST_FEEDS for word in ("--venue", feed))),
            *("--log-format", "json"),
        ],
        "processor": ["process", "--trigger", "1 minute"],
        "moving-average": ["moving-average"],
        "live": ["serve-live"],
        "query": ["serve-query"],
        "dashboard": ["serve-dashboard"],
        "kafka-exporter": [f"--kafka.server={INSIDE}"],
        "prometheus": [
            *("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"),
            "--storage.tsdb.retention.time=15d",
        ],
        "simulator": ["simulate", "--host", "0.0.0.0", "--port", str(SIMULATOR_PORT)],
    }


def passed(
    *groups: type[SettingsGroup], without: Sequence[str] = (), optional: Sequence[str] = (), **defaults: str
) -> dict[str, str]:
    """Return how compose passes groups of settings on: secrets required, others with a default of the containers."""
    lines = {}
    for group in groups:
        for field, info in group.model_fields.items():
            variable = f"COINLAKE_{field.upper()}"
            secret = info.annotation is SecretStr and field not in optional
            if field not in without:
                lines[variable] = f"${{{variable}:?}}" if secret else f"${{{variable}:-{defaults.get(field, '')}}}"
    return lines


def environments() -> dict[str, Environment]:
    kafka_settings = passed(KafkaSettings, kafka_bootstrap_servers=INSIDE)
    lake = passed(LakeSettings, s3_endpoint=MINIO)
    job = passed(JobSettings)
    root = passed(StoreRootSettings)
    of_live = [field for field in SparkSettings.model_fields if field.startswith("spark_live_")]
    driver = passed(SparkSettings, without=(*OF_THE_IMAGE, *of_live, "spark_master", "spark_driver_host"))
    average = passed(MovingAverageSettings)
    others = [field for field in SparkSettings.model_fields if field not in of_live]
    live = passed(LiveSettings, without=OF_THE_IMAGE, optional=("live_token",), live_open="true")
    generator = {
        **kafka_settings,
        **job,
        **passed(IngestSettings, optional=("x_bearer_token",)),
        "COINLAKE_HEALTH_HOST": "0.0.0.0",
        "COINLAKE_HEALTH_PORT": str(HEALTH_PORT),
    }
    return {
        "kafka": kafka_environment(),
        "kafka-ui": {
            "KAFKA_CLUSTERS_0_NAME": "coinlake",
            "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS": INSIDE,
            "KAFKA_CLUSTERS_0_READONLY": "true",
            "JAVA_OPTS": "-Xmx256m",
        },
        "minio": {
            **{name.removeprefix("COINLAKE_"): value for name, value in root.items()},
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        },
        "topics": kafka_settings,
        "buckets": {**lake, **root},
        "questdb": _questdb_environment(),
        "questdb-tables": {"COINLAKE_QUESTDB_HOST": "questdb", **_questdb_admin()},
        "connect": _connect_environment(),
        "connectors": {"COINLAKE_CONNECT_URL": f"http://connect:{LIQUIDATIONS.connect_port}"},
        "grafana": GRAFANA,
        "spark-master": {"SPARK_DAEMON_MEMORY": "256m", "SPARK_MASTER_OPTS": SPARK_METRICS},
        "spark-worker": {
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_WORKER_CORES": _or_default(ClusterSettings, "spark_worker_cores"),
            "SPARK_WORKER_MEMORY": _or_default(ClusterSettings, "spark_worker_memory"),
            "SPARK_WORKER_OPTS": f"-Dspark.worker.cleanup.enabled=true {SPARK_METRICS}",
        },
        "tools": {**kafka_settings, **lake, **job, **driver},
        "generator": generator,
        "liquidations": generator,
        "posts": generator,
        "processor": {
            **kafka_settings,
            **lake,
            **job,
            **driver,
            "COINLAKE_SPARK_MASTER": f"spark://spark-master:{SPARK_PORT}",
            "COINLAKE_SPARK_DRIVER_HOST": "processor",
            "COINLAKE_PROCESS_METRICS_HOST": "0.0.0.0",
            "COINLAKE_PROCESS_METRICS_PORT": str(PROCESS_METRICS_PORT),
        },
        "moving-average": {
            **kafka_settings,
            **average,
            **passed(SparkSettings, without=(*OF_THE_IMAGE, *others)),
        },
        "live": {
            **kafka_settings,
            **average,
            **live,
            "COINLAKE_LIVE_HOST": "0.0.0.0",
            "COINLAKE_LIVE_PORT": str(LIVE_PORT),
        },
        "query": {
            **kafka_settings,
            **lake,
            **passed(QuestDbSettings, questdb_host="questdb"),
            **passed(QuerySettings, optional=("query_token",), query_open="true"),
            "COINLAKE_QUERY_ORIGINS": f"http://query:{QUERY_PORT},${{COINLAKE_QUERY_ORIGINS:-}}",
            "COINLAKE_QUERY_HOST": "0.0.0.0",
            "COINLAKE_QUERY_PORT": str(QUERY_PORT),
        },
        "dashboard": {
            **passed(ClientSettings, optional=("query_token",)),
            **passed(DashboardSettings),
            "COINLAKE_QUERY_URL": f"http://query:{QUERY_PORT}",
            "COINLAKE_DASHBOARD_HOST": "0.0.0.0",
            "COINLAKE_DASHBOARD_PORT": str(DASHBOARD_PORT),
            "COINLAKE_DASHBOARD_OPEN": "true",
        },
    }


def _or_default(group: type[SettingsGroup], name: str) -> str:
    return f"${{COINLAKE_{name.upper()}:-{group.model_fields[name].default}}}"


def kafka_environment(
    part: str = kafka.PART, parts: Sequence[str] = (kafka.PART,), group: type[SettingsGroup] = StackSettings
) -> Environment:
    """Return the settings of an embedded broker as the image takes them, with addresses for inside and outside.

    Args:
        part: the broker.
        parts: all brokers, it among them.
        group: the settings that have its port.
    """
    controller = STACK.kafka_controller_port
    settings = [setting(each) for each in parts for setting in (kafka.port_setting, kafka.controller_port_setting)]
    text = kafka.properties(part, dict.fromkeys(settings, 1), Path("/"))
    embedded = dict(line.split("=", 1) for line in text.splitlines())
    outside = f"OUTSIDE://127.0.0.1:{_or_default(group, kafka.port_setting(part))}"
    addresses = {
        "controller.quorum.voters": ",".join(
            f"{number}@{each}:{controller}" for number, each in enumerate(parts, start=1)
        ),
        "listeners": f"INSIDE://:19092,OUTSIDE://:9092,CONTROLLER://:{controller}",
        "advertised.listeners": f"INSIDE://{part}:19092,{outside}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "log.dirs": "/var/lib/kafka/data",
    }
    properties = {**embedded, **addresses}
    heap, other = _heap_and_other(kafka.FLAGS)
    return {
        "CLUSTER_ID": kafka.CLUSTER_ID,
        "KAFKA_HEAP_OPTS": heap,
        "KAFKA_JVM_PERFORMANCE_OPTS": other,
        **{f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in properties.items()},
    }


def _heap_and_other(flags: Sequence[str]) -> tuple[str, str]:
    heap = [flag for flag in flags if flag.startswith(("-Xms", "-Xmx"))]
    return " ".join(heap), " ".join(flag for flag in flags if flag not in heap)


def _questdb_admin() -> Environment:
    return {
        "COINLAKE_QUESTDB_ADMIN_USER": _or_default(QuestDbAdminSettings, "questdb_admin_user"),
        "COINLAKE_QUESTDB_ADMIN_PASSWORD": "${COINLAKE_QUESTDB_ADMIN_PASSWORD:?}",
    }


def _questdb_environment() -> Environment:
    """Return the embedded settings as the image takes them, and the flags but for the collector, which it chooses."""
    admin = _questdb_admin()
    lines = [line for line in questdb.CONF.read_text().splitlines() if line and not line.startswith("#")]
    conf = dict(line.split("=", 1) for line in lines)
    return {
        "JVM_PREPEND": " ".join(flag for flag in questdb.FLAGS if flag != "-XX:+UseSerialGC"),
        "QDB_HTTP_BIND_TO": f"0.0.0.0:{LIQUIDATIONS.questdb_server_http_port}",
        "QDB_PG_NET_BIND_TO": f"0.0.0.0:{LIQUIDATIONS.questdb_server_pg_port}",
        **dict.fromkeys(("QDB_HTTP_USER", "QDB_PG_USER"), admin["COINLAKE_QUESTDB_ADMIN_USER"]),
        **dict.fromkeys(("QDB_HTTP_PASSWORD", "QDB_PG_PASSWORD"), admin["COINLAKE_QUESTDB_ADMIN_PASSWORD"]),
        "QDB_PG_READONLY_USER": _or_default(QuestDbSettings, "questdb_user"),
        "QDB_PG_READONLY_PASSWORD": "${COINLAKE_QUESTDB_PASSWORD:?}",
        **{f"QDB_{name.upper().replace('.', '_')}": value for name, value in conf.items()},
        # What the embedded one does without: a page for Prometheus.
        "QDB_HTTP_MIN_ENABLED": "true",
        "QDB_HTTP_MIN_BIND_TO": f"0.0.0.0:{QUESTDB_METRICS_PORT}",
        "QDB_METRICS_ENABLED": "true",
    }


def _connect_environment() -> Environment:
    heap, other = _heap_and_other(connect.FLAGS)
    return {
        "KAFKA_HEAP_OPTS": heap,
        "KAFKA_JVM_PERFORMANCE_OPTS": other,
        **passed(KafkaSettings, kafka_bootstrap_servers=INSIDE),
        "CONNECT_LISTENER": f"http://0.0.0.0:{LIQUIDATIONS.connect_port}",
        "COINLAKE_QUESTDB_HOST": "questdb",
        "COINLAKE_QUESTDB_HTTP_PORT": str(QuestDbSettings.model_fields["questdb_http_port"].default),
        **_questdb_admin(),
    }


def ports() -> dict[str, list[str]]:
    """Return what is published: on loopback only, on the ports of the embedded stack."""

    def published(group: type[SettingsGroup], *settings: str) -> list[str]:
        inside = [(setting, group.model_fields[setting].default) for setting in settings]
        return [f"127.0.0.1:{_or_default(group, setting)}:{port}" for setting, port in inside]

    return {
        "kafka": published(StackSettings, "kafka_port"),
        "kafka-ui": [f"127.0.0.1:{KAFKA_UI_PORT}:8080"],
        "minio": published(StackSettings, "minio_port", "minio_console_port"),
        "questdb": published(LiquidationSettings, "questdb_server_http_port", "questdb_server_pg_port"),
        "connect": published(LiquidationSettings, "connect_port"),
        "spark-master": published(ClusterSettings, "spark_master_port", "spark_master_ui_port"),
        "spark-worker": [f"127.0.0.1:{WORKER_PAGE}:{WORKER_PAGE}"],
        "live": [f"127.0.0.1:${{COINLAKE_LIVE_PORT:-{LIVE_PORT}}}:{LIVE_PORT}"],
        "query": [f"127.0.0.1:${{COINLAKE_QUERY_PORT:-{QUERY_PORT}}}:{QUERY_PORT}"],
        "dashboard": published(DashboardSettings, "dashboard_port"),
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


VOLUMES = {
    "kafka": ["kafka-data:/var/lib/kafka/data"],
    "minio": ["minio-data:/data"],
    "questdb": ["questdb-data:/var/lib/questdb"],
    "prometheus": [
        "./infra/monitoring/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
        "./infra/monitoring/alerts.yml:/etc/prometheus/alerts.yml:ro",
        "prometheus-data:/prometheus",
    ],
    "grafana": [
        "./infra/monitoring/grafana/provisioning:/etc/grafana/provisioning:ro",
        "./infra/monitoring/grafana/coinlake.json:/var/lib/grafana/dashboards/coinlake.json:ro",
    ],
}
USERS = {"questdb": "10001:10001"}
"""Of images that would else start as root."""

_HEALTHY = {"condition": "service_healthy"}
_DONE = {"condition": "service_completed_successfully"}
NEEDS = {
    "kafka-ui": {"kafka": _HEALTHY},
    "topics": {"kafka": _HEALTHY},
    "buckets": {"minio": _HEALTHY},
    "questdb-tables": {"questdb": _HEALTHY},
    "connect": {"topics": _DONE, "questdb-tables": _DONE},
    "connectors": {"connect": _HEALTHY},
    "spark-worker": {"spark-master": _HEALTHY},
    "tools": {"topics": _DONE, "buckets": _DONE},
    "generator": {"topics": _DONE, "simulator": {**_HEALTHY, "required": False}},
    "liquidations": {"topics": _DONE, "simulator": {**_HEALTHY, "required": False}},
    "posts": {"topics": _DONE, "simulator": {**_HEALTHY, "required": False}},
    "processor": {"topics": _DONE, "buckets": _DONE, "spark-worker": _HEALTHY},
    "moving-average": {"topics": _DONE},
    "live": {"topics": _DONE},
    "query": {"topics": _DONE, "buckets": _DONE},
    "dashboard": {"query": _HEALTHY},
    "kafka-exporter": {"kafka": _HEALTHY},
    "grafana": {"prometheus": _HEALTHY},
}


def health_tests() -> dict[str, list[str]]:
    def page(port: int, path: str) -> list[str]:
        url = f"http://127.0.0.1:{port}{path}"
        return ["CMD", "python", "-c", f"from urllib.request import urlopen; urlopen('{url}', timeout=4)"]

    wget = ["CMD", "wget", "-q", "-O", "/dev/null"]
    questdb_page = f"/dev/tcp/127.0.0.1/{LIQUIDATIONS.questdb_server_http_port}"
    asked = f"exec 3<> {questdb_page} && printf 'GET /ping HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q 204 <&3"
    tool = f"/opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server {INSIDE}"
    return {
        "kafka": ["CMD-SHELL", f"KAFKA_HEAP_OPTS=-Xmx64m {tool} > /dev/null"],
        "kafka-ui": [*wget, "http://127.0.0.1:8080/actuator/health"],
        "minio": [*wget, "http://127.0.0.1:9000/minio/health/ready"],
        "questdb": ["CMD", "bash", "-c", asked],
        "connect": [*wget, f"http://127.0.0.1:{LIQUIDATIONS.connect_port}/health"],
        "spark-master": page(MASTER_PAGE, "/json/"),
        "spark-worker": page(WORKER_PAGE, "/json/"),
        **dict.fromkeys(("generator", "liquidations", "posts"), page(HEALTH_PORT, "/healthz")),
        "processor": ["CMD", "coinlake", "lease", "--here"],
        "live": page(LIVE_PORT, "/healthz"),
        "query": page(QUERY_PORT, "/healthz"),
        "dashboard": page(DASHBOARD_PORT, "/_stcore/health"),
        "prometheus": [*wget, "http://127.0.0.1:9090/-/ready"],
        "grafana": [*wget, "http://127.0.0.1:3000/api/health"],
        "simulator": page(SIMULATOR_PORT, "/_simulator/clock"),
    }
