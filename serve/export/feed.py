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


class Loss(NamedTuple):
    """Messages of a lane that were sent and never arrived: so many `messages`, from the offset `first` on."""

    lane: Lane
    first: int
    messages: int


class Feed(Protocol):
    """Hands out messages, of each lane in order."""

    def start(self, positions: Mapping[Lane, int]) -> None:
        """Begin, in each lane named here at that offset, in every other one at its oldest message.

        Raises:
            BrokerError: what hands the messages out cannot be reached.
            TopicError: a topic does not exist.
            ExportError: a lane no longer holds what comes at its position.
        """

    def take(self, wait: float) -> Sequence[Message]:
        """Return what has arrived, at the latest after `wait` seconds; nothing where nothing came."""

    def losses(self) -> Sequence[Loss]:
        """Return what was found missing among the messages taken since the last call; of Kafka there is none."""

    def close(self) -> None:
        """Let go of the connection."""
