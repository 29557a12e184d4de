"""The settings of the embedded stack: its ports."""

from typing import Annotated

from pydantic import Field

from contracts.settings import SettingsGroup

Port = Annotated[int, Field(ge=0, le=65535)]


class StackSettings(SettingsGroup):
    """On which loopback ports the embedded stack listens; 0 takes any free port."""

    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    minio_port: Port = 9000
    minio_console_port: Port = 9001
