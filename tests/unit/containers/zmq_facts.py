"""What the compose file of ZeroMQ must say, worked out from the code: as one document."""

from contracts.settings import TransportSettings
from contracts.transport import zmq_address
from ingest.venues import BY_DEFAULT
from serve.export.settings import ExportSettings
from tests.unit.containers.compose_facts import HEALTH_PORT, builds, commands, health_tests, images, passed
from tests.unit.containers.files import ContainerFiles, Document

ADDRESS = zmq_address("zmq://generator:5556")
_POSTS = ("x_bitcoin", "x_ethereum")


def document(files: ContainerFiles) -> Document:
    """Return the file as it must be, but for memory, grace and how often health is looked at."""
    simulated = dict(line.split("=", 1) for line in files.simulator_env.splitlines() if not line.startswith("#"))
    transport = passed(TransportSettings, without=("transport",))
    venues = [word for venue in (*BY_DEFAULT, *_POSTS) for word in ("--venue", venue)]
    generator = {
        **transport,
        **simulated,
        "COINLAKE_TRANSPORT": f"zmq://0.0.0.0:{ADDRESS.port}",
        "COINLAKE_HEALTH_HOST": "0.0.0.0",
        "COINLAKE_HEALTH_PORT": str(HEALTH_PORT),
    }
    services: Document = {
        "simulator": {"command": commands()["simulator"], "healthcheck": {"test": health_tests()["simulator"]}},
        "generator": {
            "command": ["generate", "--forever", *venues, "--log-format", "json"],
            "environment": generator,
            "depends_on": {"simulator": {"condition": "service_healthy"}},
            "ports": [f"127.0.0.1:{port}:{port}" for port in (ADDRESS.port, ADDRESS.port + 1)],
            "healthcheck": {"test": health_tests()["generator"]},
        },
        "exporter": {
            "command": ["export", "hdf5", "hdf5"],
            "environment": {**transport, **passed(ExportSettings), "COINLAKE_TRANSPORT": str(ADDRESS)},
            "volumes": ["exports:/var/lib/coinlake"],
        },
    }
    ours = {
        "image": images()["generator"],
        "build": builds()["generator"],
        "restart": "unless-stopped",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "local"},
    }
    return {
        "name": "coinlake-zmq",
        "services": {name: {**ours, **service} for name, service in services.items()},
        "volumes": {"exports": None},
    }
