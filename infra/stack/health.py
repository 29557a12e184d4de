"""Is a part ready? Each probe answers yes or no and never raises."""

import http.client
import socket

from confluent_kafka import KafkaException

from infra.kafka.admin import admin_client
from infra.stack.ports import LOOPBACK


def kafka_is_ready(port: int) -> bool:
    """Tell whether the broker answers a metadata request."""
    try:
        # A refused connection is known at once; librdkafka would wait and try again.
        socket.create_connection((LOOPBACK, port), timeout=1).close()
        return bool(admin_client(f"{LOOPBACK}:{port}").list_topics(timeout=2).brokers)
    except (OSError, KafkaException):
        return False


def minio_is_ready(port: int) -> bool:
    """Tell whether the object store says that it takes requests."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/minio/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
