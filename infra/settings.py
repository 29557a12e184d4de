"""The settings of the embedded stack: the ports of its parts, and what its Spark cluster offers."""

from typing import Annotated

from pydantic import Field

from contracts.settings import SettingsGroup
from infra.spark.settings import Memory

Port = Annotated[int, Field(ge=0, le=65535)]


class StackSettings(SettingsGroup):
    """On which loopback ports the embedded stack listens; 0 takes any free port."""

    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    minio_port: Port = 9000
    minio_console_port: Port = 9001


class BrokerSettings(SettingsGroup):
    """On which loopback ports the second and third of three embedded brokers listen; 0 takes any free port."""

    kafka_2_port: Port = 9094
    kafka_2_controller_port: Port = 9095
    kafka_3_port: Port = 9096
    kafka_3_controller_port: Port = 9097


class ClusterSettings(SettingsGroup):
    """The Spark cluster of the embedded stack: its loopback ports (0 takes any free one), what each worker offers."""

    spark_master_port: Port = 7077
    spark_master_ui_port: Port = 8080
    spark_worker_cores: Annotated[int, Field(ge=1)] = 2
    spark_worker_memory: Memory = "1g"


class LiquidationSettings(SettingsGroup):
    """On which loopback ports the embedded QuestDB and Kafka Connect listen; 0 takes any free port."""

    questdb_server_http_port: Port = 9003
    """QuestDB's usual port, 9000, is the object store's."""
    questdb_server_pg_port: Port = 8812
    connect_port: Port = 8083
