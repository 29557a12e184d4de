"""What a caller learns of a running stack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from infra.connect.plugin import SINK
from infra.stack import connect, kafka, questdb
from infra.stack.layout import Layout, read_env, write_private
from infra.stack.ports import LOOPBACK

_LAKE = "COINLAKE_LAKE"
_STATE = "COINLAKE_STATE"
_KAFKA = "COINLAKE_KAFKA_BOOTSTRAP_SERVERS"
_ENDPOINT = "COINLAKE_S3_ENDPOINT"
_ACCESS_KEY = "COINLAKE_S3_ACCESS_KEY"
_SECRET_KEY = "COINLAKE_S3_SECRET_KEY"
_SPARK_MASTER = "COINLAKE_SPARK_MASTER"
_QUESTDB_PASSWORD = "COINLAKE_QUESTDB_PASSWORD"


@dataclass(frozen=True)
class PartStatus:
    """One row of `coinlake status`; what does not apply is None. Memory is the proportional set size in bytes."""

    name: str
    state: str
    pid: int | None
    port: int | None
    uptime_seconds: float | None
    memory_bytes: int | None


@dataclass(frozen=True)
class StackInfo:
    """Where a running stack is and with which key its jobs work. Without an object store the lake is in files."""

    home: Path
    ports: Mapping[str, int]
    lake: str
    state: str
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    questdb_password: SecretStr | None = None
    """Of the user who reads; None where there is no QuestDB."""
    already_running: bool = False

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where Kafka is: all of its brokers."""
        return kafka.bootstrap_servers(self.ports)

    @property
    def s3_endpoint(self) -> str:
        """Where the object store is."""
        return f"http://{LOOPBACK}:{self.ports['minio_port']}"

    @property
    def spark_master(self) -> str | None:
        """The URL of the Spark cluster, None without one."""
        port = self.ports.get("spark_master_port")
        return None if port is None else f"spark://{LOOPBACK}:{port}"

    @property
    def connect_url(self) -> str | None:
        """Where Kafka Connect takes connectors, None without one."""
        return connect.url(self.ports) if "connect_port" in self.ports else None

    def env(self) -> dict[str, str]:
        """Return the variables of `stack.env`: what a job needs to work with this stack, its key in clear text."""
        return {
            _KAFKA: self.kafka_bootstrap_servers,
            _LAKE: self.lake,
            _STATE: self.state,
            _ENDPOINT: self.s3_endpoint,
            _ACCESS_KEY: self.s3_access_key.get_secret_value(),
            _SECRET_KEY: self.s3_secret_key.get_secret_value(),
            **({_SPARK_MASTER: self.spark_master} if self.spark_master else {}),
            **self._questdb_env(),
        }

    def _questdb_env(self) -> dict[str, str]:
        if self.connect_url is None or self.questdb_password is None:
            return {}
        return {
            "COINLAKE_QUESTDB_HOST": LOOPBACK,
            "COINLAKE_QUESTDB_HTTP_PORT": str(self.ports["questdb_server_http_port"]),
            "COINLAKE_QUESTDB_PG_PORT": str(self.ports["questdb_server_pg_port"]),
            "COINLAKE_QUESTDB_USER": questdb.READER,
            _QUESTDB_PASSWORD: self.questdb_password.get_secret_value(),
            "COINLAKE_CONNECT_URL": self.connect_url,
            "COINLAKE_CONNECT_SINK": SINK,
        }


def write_info(info: StackInfo) -> None:
    """Write `stack.env` and the ports."""
    layout = Layout(info.home)
    write_private(layout.ports, json.dumps(dict(info.ports)))
    write_private(layout.stack_env, "".join(f"{name}={value}\n" for name, value in info.env().items()))


def read_ports(layout: Layout) -> dict[str, int]:
    """Return the ports of the last start; none before the first."""
    if not layout.ports.exists():
        return {}
    return {str(setting): int(port) for setting, port in json.loads(layout.ports.read_text()).items()}


def read_info(layout: Layout) -> StackInfo | None:
    """Read back what `write_info` wrote; None when it is not all there."""
    ports, env = read_ports(layout), read_env(layout.stack_env)
    if not ports or not {_LAKE, _STATE, _ACCESS_KEY, _SECRET_KEY} <= env.keys():
        return None
    return StackInfo(
        home=layout.home,
        ports=ports,
        lake=env[_LAKE],
        state=env[_STATE],
        s3_access_key=SecretStr(env[_ACCESS_KEY]),
        s3_secret_key=SecretStr(env[_SECRET_KEY]),
        questdb_password=SecretStr(env[_QUESTDB_PASSWORD]) if _QUESTDB_PASSWORD in env else None,
        already_running=True,
    )
