"""Where an export takes its messages from, whatever the transport."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Lane(NamedTuple):
    """One sequence of messages whose order is kept.

    Of Kafka `name` is the partition ("0", "1", …); of ZeroMQ it names one run of one publisher.
    """

    topic: str
    name: str


class Message(NamedTuple):
    """One record as it arrived: its lane, its place in it (Kafka's offset, ZeroMQ's sequence number), its wire JSON."""

    lane: Lane
    offset: int
    value: bytes


class Lost(NamedTuple):
    """Messages that were gone before they were taken: from `offset` up to but not including `next_offset`."""

    lane: Lane
    offset: int
    next_offset: int


class Feed(Protocol):
    """Hands out messages, of each lane in order."""

    def start(self, positions: Mapping[Lane, int]) -> None:
        """Begin, in each lane named here at that offset, in every other one at its oldest message.

        Raises:
            BrokerError: what hands the messages out cannot be reached.
            TopicError: a topic does not exist.
            ExportError: a lane no longer holds what comes at its position, or is of another transport.
        """

    def take(self, wait: float) -> Sequence[Message]:
        """Return what has arrived, at the latest after `wait` seconds; nothing where nothing came."""

    def losses(self) -> Sequence[Lost]:
        """Return what was found missing by the messages taken since the last call; of Kafka there is none."""

    def caught_up(self) -> bool:
        """Say whether all was handed out: of Kafka what topics held at the start, of ZeroMQ a run that has ended."""

    def close(self) -> None:
        """Let go of the connection."""
