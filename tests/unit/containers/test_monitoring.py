"""Prometheus reads services that are there, and what is drawn or raised as an alarm is counted by somebody."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

import ingest.metrics
import serve.live.metrics
import serve.query.metrics
from spark_jobs.edges.metrics import JobMetrics
from tests.unit.containers.compose_facts import (
    DASHBOARD_PORT,
    HEALTH_PORT,
    KAFKA_EXPORTER_PORT,
    LIVE_PORT,
    MASTER_PAGE,
    PROCESS_METRICS_PORT,
    QUERY_PORT,
    QUESTDB_METRICS_PORT,
    WORKER_PAGE,
)
from tests.unit.containers.files import ContainerFiles, services

FOLDER = Path(__file__).parents[3] / "infra" / "monitoring"
OF_OTHERS = {
    # kafka-exporter, as its own README lists them.
    *("kafka_topic_partition_current_offset", "kafka_consumergroup_lag"),
    # MinIO, QuestDB, Spark's master and worker: tests/integration/test_metrics.py reads them from running ones.
    *("minio_s3_requests_total", "questdb_committed_rows_total", "questdb_wal_apply_written_rows_total"),
    *("metrics_master_aliveWorkers_Value", "metrics_worker_coresUsed_Value"),
    # Prometheus itself.
    "up",
}
FUNCTIONS = {"rate", "increase", "sum", "max", "by", "time", "histogram_quantile", "max_over_time", "and"}


def grafana() -> Any:
    return json.loads((FOLDER / "grafana" / "coinlake.json").read_text())


def drawn() -> dict[str, str]:
    """Return what each panel and each alarm asks, by its title."""
    alerts = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    asked = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in grafana()["panels"]
        for target in panel.get("targets", [])
    }
    return asked | {rule["alert"]: rule["expr"] for group in alerts["groups"] for rule in group["rules"]}


def counted() -> set[str]:
    """Return the names of all series that our services count."""
    file = SimpleNamespace(problem=None, reads=0, queries=dict)
    live, query, job = serve.live.metrics.Metrics(), serve.query.metrics.Metrics({}), JobMetrics()
    live.watch(clients=lambda: 0, kafka_readable=lambda: True)
    query.watch(file)  # type: ignore[arg-type]
    ingested = ingest.metrics.Metrics(["a venue"], lambda: 0.0)
    registries: list[CollectorRegistry] = [live.registry, query.registry, job.registry, ingested.registry]
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {
        f"{family.name}{ending}"
        for registry in registries
        for family in registry.collect()
        for ending in endings.get(family.type, ("",))
    }


def names_in(expression: str) -> set[str]:
    """Return the series that an expression names: what is left without labels, spans and functions."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", "", expression)
    return {word for word in re.findall(r"[a-zA-Z_:][\w:]*", bare) if word not in FUNCTIONS}


@pytest.mark.parametrize("title", drawn())
def test_what_is_drawn_or_raised_is_counted(title: str) -> None:
    named = names_in(drawn()[title])
    assert named
    assert named <= counted() | OF_OTHERS


def test_everything_that_others_count_is_drawn() -> None:
    assert set().union(*(names_in(expression) for expression in drawn().values())) >= OF_OTHERS


def test_prometheus_reads_the_services_on_their_ports() -> None:
    conf = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    found = {job["job_name"]: job["static_configs"][0]["targets"] for job in conf["scrape_configs"]}
    assert found == {
        "generator": [f"generator:{HEALTH_PORT}"],
        "liquidations": [f"liquidations:{HEALTH_PORT}"],
        "posts": [f"posts:{HEALTH_PORT}"],
        "processor": [f"processor:{PROCESS_METRICS_PORT}"],
        "live": [f"live:{LIVE_PORT}"],
        "query": [f"query:{QUERY_PORT}"],
        "dashboard": [f"dashboard:{DASHBOARD_PORT}"],
        "kafka": [f"kafka-exporter:{KAFKA_EXPORTER_PORT}"],
        "minio": ["minio:9000"],
        "questdb": [f"questdb:{QUESTDB_METRICS_PORT}"],
        "spark-master": [f"spark-master:{MASTER_PAGE}"],
        "spark-worker": [f"spark-worker:{WORKER_PAGE}"],
    }
    there = services(*ContainerFiles.read().documents())
    assert {target.split(":")[0] for targets in found.values() for target in targets} <= set(there)
    mounted = [volume.split(":")[1] for volume in there["prometheus"]["volumes"]]
    assert set(conf["rule_files"]) <= set(mounted)


def test_grafana_finds_its_source_and_its_panels_do_not_overlap() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "grafana/provisioning/dashboards/coinlake.yml").read_text())["providers"]
    document = grafana()
    assert {panel["datasource"]["uid"] for panel in document["panels"] if "datasource" in panel} == {source["uid"]}
    mounted = services(*ContainerFiles.read().documents())["grafana"]["volumes"]
    assert any(volume.split(":")[1].startswith(provider["options"]["path"]) for volume in mounted)
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
