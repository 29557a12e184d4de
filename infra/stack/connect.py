"""The embedded Kafka Connect: one worker on loopback, from the Kafka jars, with the sink that was built."""

from collections.abc import Mapping
from pathlib import Path

from infra.connect.connectors import Connector, register
from infra.connect.plugin import SINK
from infra.stack import class_archive, kafka, questdb
from infra.stack.layout import Layout
from infra.stack.ports import LOOPBACK

PART = "connect"
FLAGS = ("-Xms64m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
MAIN = "org.apache.kafka.connect.cli.ConnectDistributed"
WORKER = Path(__file__).parent.parent / "connect" / "worker.properties"
_LOG4J = Path(__file__).parent / "log4j2.xml"


def url(ports: Mapping[str, int]) -> str:
    """Return where it takes connectors."""
    return f"http://{LOOPBACK}:{ports['connect_port']}"


def write_properties(layout: Layout, plugins: Path) -> None:
    """Write its worker.properties: that of compose, but for where the plugins are and how they are found.

    Our sink names itself in a service file, so that Connect need not look through all classes, which takes seconds.
    """
    ours = {"plugin.path": str(plugins), "plugin.discovery": "service_load"}
    lines = (line.partition("=") for line in WORKER.read_text().splitlines())
    told = [f"{name}{equals}{ours.get(name, value)}" for name, equals, value in lines]
    layout.connect_conf.parent.mkdir(parents=True, exist_ok=True)
    layout.connect_conf.write_text("\n".join([*told, ""]))


def environment(layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    """Return its environment: the variables that worker.properties and the connectors name, a password among them."""
    admin, _reader = questdb.passwords(layout)
    return {
        "COINLAKE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers(ports),
        "CONNECT_LISTENER": url(ports),
        "COINLAKE_QUESTDB_HOST": LOOPBACK,
        "COINLAKE_QUESTDB_HTTP_PORT": str(ports["questdb_server_http_port"]),
        "COINLAKE_QUESTDB_ADMIN_USER": questdb.ADMIN,
        "COINLAKE_QUESTDB_ADMIN_PASSWORD": admin,
    }


def command(layout: Layout, java: Path, jars: Path) -> list[str]:
    """Return the command line of the worker; it bears no secret."""
    archive = class_archive.archive_file(PART, java, jars, FLAGS)
    options = class_archive.use_or_make_option(archive, layout.new_class_archive(PART))
    log4j = f"-Dlog4j2.configurationFile={_LOG4J}"
    return [str(java), *FLAGS, *options, log4j, "-cp", f"{jars}/*", MAIN, str(layout.connect_conf)]


def register_connectors(ports: Mapping[str, int]) -> Connector:
    """Register the sink of liquidations with the class that is there, and wait until it runs.

    Raises:
        ConnectorError: it does not.
    """
    connector = Connector.read().of_class(SINK)
    register(url(ports), connector)
    return connector
