"""The embedded stack: Kafka, MinIO and, on request, Spark, QuestDB and Kafka Connect, on loopback, by supervisord."""

from infra.stack.brokers import ThreeBrokers
from infra.stack.cluster import Cluster
from infra.stack.crash import kill_part, restart_part
from infra.stack.info import PartStatus, StackInfo
from infra.stack.launch import embedded_stack, free_ports, up
from infra.stack.liquidations import Liquidations
from infra.stack.status import running_info, status
from infra.stack.stop import down

__all__ = [
    "Cluster",
    "Liquidations",
    "PartStatus",
    "StackInfo",
    "ThreeBrokers",
    "down",
    "embedded_stack",
    "free_ports",
    "kill_part",
    "restart_part",
    "running_info",
    "status",
    "up",
]
