"""What the compose file of three brokers must say, worked out from the code: as one document."""

from infra.settings import BrokerSettings
from infra.stack import kafka
from tests.unit.containers.compose_facts import environments, health_tests, images, kafka_environment
from tests.unit.containers.files import Document

BOOTSTRAP = ",".join(f"{part}:19092" for part in kafka.PARTS)
SERVERS = "COINLAKE_KAFKA_BOOTSTRAP_SERVERS"
_CLIENT = {"environment": {SERVERS: f"${{{SERVERS}:-{BOOTSTRAP}}}"}}


def document() -> Document:
    """Return the file as it must be, but for how often the health of a broker is looked at."""
    first, *others = kafka.PARTS
    alone = kafka_environment()
    three = kafka_environment(first, kafka.PARTS)
    clients = [name for name, environment in environments().items() if SERVERS in environment]
    services = {
        first: {
            "environment": {name: value for name, value in three.items() if alone.get(name) != value},
            "volumes": ["kafka-1-data:/var/lib/kafka/data"],
        },
        **{part: _broker(part) for part in others},
        **dict.fromkeys(clients, _CLIENT),
        "kafka-ui": {"environment": {"KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS": BOOTSTRAP}},
        "kafka-exporter": {"command": [f"--kafka.server={part}:19092" for part in kafka.PARTS]},
    }
    services["topics"] = {**_CLIENT, "depends_on": {part: {"condition": "service_healthy"} for part in others}}
    return {
        "services": services,
        "volumes": dict.fromkeys(["kafka-1-data", *(f"{part}-data" for part in others)]),
    }


def _broker(part: str) -> Document:
    setting = kafka.port_setting(part)
    port = f"${{COINLAKE_{setting.upper()}:-{BrokerSettings.model_fields[setting].default}}}"
    return {
        "image": images()[kafka.PART],
        "restart": "unless-stopped",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "local"},
        "environment": kafka_environment(part, kafka.PARTS, BrokerSettings),
        "ports": [f"127.0.0.1:{port}:9092"],
        "volumes": [f"{part}-data:/var/lib/kafka/data"],
        "healthcheck": {"test": [word.replace("kafka:19092", f"{part}:19092") for word in health_tests()[kafka.PART]]},
    }
