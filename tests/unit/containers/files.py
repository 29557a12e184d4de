"""The files that describe the containers, as texts, so that a test can change one fact in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).parents[3]
Document = dict[str, Any]
"""A parsed compose file."""

PATHS = {
    "base": "docker-compose.yml",
    "crypto": "docker-compose-crypto.yml",
    "brokers": "docker-compose-brokers.yml",
    "zmq": "docker-compose-zmq.yml",
    "dockerfile": "Dockerfile",
    "dockerignore": ".dockerignore",
    "entrypoint": "entrypoint.sh",
    "simulator_env": "infra/compose/simulator.env",
    "page": "docs/containers.md",
    "zmq_page": "docs/zeromq.md",
}


@dataclass(frozen=True)
class ContainerFiles:
    """The texts of the files of PATHS."""

    base: str
    crypto: str
    brokers: str
    zmq: str
    dockerfile: str
    dockerignore: str
    entrypoint: str
    simulator_env: str
    page: str
    zmq_page: str

    @classmethod
    def read(cls) -> Self:
        """Read them from the checkout."""
        return cls(**{name: (ROOT / path).read_text() for name, path in PATHS.items()})

    def documents(self) -> tuple[Document, Document]:
        """Parse the two compose files that stand without a third, anchors and merges resolved."""
        return yaml.safe_load(self.base), yaml.safe_load(self.crypto)

    def three_brokers(self) -> Document:
        """Parse the compose file that puts two brokers beside the one of the base."""
        return dict(yaml.safe_load(self.brokers))

    def without_kafka(self) -> Document:
        """Parse the compose file that has ZeroMQ in Kafka's place."""
        return dict(yaml.safe_load(self.zmq))

    def entrypoint_commands(self) -> list[str]:
        """Return the words that entrypoint.sh acts on, in its order, help left out."""
        cases = re.findall(r"^    ([a-z][a-z| -]*)\)$", self.entrypoint, re.MULTILINE)
        return [word for case in cases for word in case.split(" | ") if not word.startswith(("help", "-"))]

    def stages(self) -> dict[str, str]:
        """Return the Dockerfile's stages by name, each with the text from its FROM on."""
        parts = re.split(r"^(?=FROM )", self.dockerfile, flags=re.MULTILINE)[1:]
        return {part.splitlines()[0].split(" AS ")[-1]: part for part in parts}


def services(*documents: Document) -> Mapping[str, Document]:
    """Return the services of several compose files by name."""
    return {name: service for document in documents for name, service in document["services"].items()}
