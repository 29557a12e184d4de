"""Is a part ready? Each probe answers yes or no and never raises."""

import http.client
import json
import socket
from typing import Any

from confluent_kafka import KafkaException

from infra.kafka.admin import admin_client
from infra.stack.ports import LOOPBACK


def kafka_is_ready(port: int) -> bool:
    """Tell whether the broker answers a metadata request."""
    return brokers_known(port) > 0


def brokers_known(port: int) -> int:
    """Return of how many live brokers, itself among them, a broker knows; 0 while it does not answer."""
    try:
        # A refused connection is known at once; librdkafka would wait and try again.
        socket.create_connection((LOOPBACK, port), timeout=1).close()
        return len(admin_client(f"{LOOPBACK}:{port}").list_topics(timeout=2).brokers)
    except (OSError, KafkaException):
        return 0


def minio_is_ready(port: int) -> bool:
    """Tell whether the object store says that it takes requests."""
    return _get(port, "/minio/health/ready") is not None


def questdb_is_ready(port: int) -> bool:
    """Tell whether QuestDB says that it lives."""
    return _get(port, "/ping") is not None


def connect_is_ready(port: int) -> bool:
    """Tell whether the worker of Kafka Connect has joined its group and takes connectors."""
    return _get(port, "/health") is not None


def spark_master_is_ready(ui_port: int) -> bool:
    """Tell whether the master of the cluster is the one that leads it."""
    return _spark_cluster(ui_port).get("status") == "ALIVE"


def spark_worker_is_ready(master_ui_port: int, ui_port: int) -> bool:
    """Tell whether the worker with this web page is registered with the master."""
    page = f"http://{LOOPBACK}:{ui_port}"
    workers = _spark_cluster(master_ui_port).get("workers", [])
    return any(worker["webuiaddress"] == page and worker["state"] == "ALIVE" for worker in workers)


def _spark_cluster(ui_port: int) -> dict[str, Any]:
    answer = _get(ui_port, "/json/")
    found: dict[str, Any] = json.loads(answer) if answer else {}
    return found


def _get(port: int, path: str) -> bytes | None:
    """Ask for a page; None unless it is there."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status in (http.HTTPStatus.OK, http.HTTPStatus.NO_CONTENT) else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
