"""The Kafka AdminClient."""

from confluent_kafka.admin import AdminClient


def admin_client(bootstrap_servers: str) -> AdminClient:
    """Return an AdminClient that prints nothing of its own: its caller reports what fails."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "log_level": 0,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 250,
        }
    )
