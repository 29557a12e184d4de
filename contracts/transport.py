"""Where messages travel: Kafka, or a pair of ZeroMQ sockets at an address."""

import re
from typing import NamedTuple

KAFKA = "kafka"
ZMQ_SCHEME = "zmq://"
HIGHEST_PORT = 65534
"""The port after it is taken too."""


class ZmqAddress(NamedTuple):
    """Where a publisher binds and its consumers connect: ticks at the port, work at the one after it."""

    host: str
    port: int

    @property
    def ticks(self) -> str:
        """The endpoint of PUB and SUB."""
        return f"tcp://{self.host}:{self.port}"

    @property
    def work(self) -> str:
        """The endpoint of PUSH and PULL."""
        return f"tcp://{self.host}:{self.port + 1}"

    def __str__(self) -> str:
        """Write it as the setting has it."""
        return f"{ZMQ_SCHEME}{self.host}:{self.port}"


def zmq_address(text: str) -> ZmqAddress:
    """Read `zmq://HOST:PORT`; the host is a name or an IPv4 address.

    Raises:
        ValueError: it is something else.

    >>> zmq_address("zmq://127.0.0.1:5556").work
    'tcp://127.0.0.1:5557'
    """
    found = re.fullmatch(rf"{ZMQ_SCHEME}([A-Za-z0-9][A-Za-z0-9._-]*):(\d{{1,5}})", text)
    if found is None or not 1 <= int(found[2]) <= HIGHEST_PORT:
        raise ValueError(f"expected {KAFKA} or {ZMQ_SCHEME}HOST:PORT with a port from 1 to {HIGHEST_PORT}")
    return ZmqAddress(found[1], int(found[2]))


def known_transport(text: str) -> str:
    """Return the text where it names a transport.

    Raises:
        ValueError: it names none.
    """
    return text if text == KAFKA else str(zmq_address(text))
