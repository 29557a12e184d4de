"""A topic like another one, for as long as it is tried: what is written to it is never in the other."""

import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, NewTopic, ResourceType

from contracts.errors import BrokerError, CoinlakeError, TopicError
from infra.interrupts import uninterrupted
from infra.kafka.console import Console

PREFIX = "try-"
"""How the name of a topic of a trial begins."""
SECONDS = 15.0
"""How long each step may take."""
_LONGEST_NAME = 200
"""A topic's name has 249 characters at most; the rest is ours."""


@dataclass(frozen=True)
class Partition:
    """Where a partition is: the broker that leads it (None: none does), those with a copy, those in sync."""

    number: int
    leader: int | None
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


def describe(client: AdminClient, bootstrap_servers: str, topic: str, *, seconds: float = SECONDS) -> list[Partition]:
    """Return the partitions of a topic.

    Raises:
        BrokerError: Kafka cannot be reached.
        TopicError: there is no such topic.
    """
    try:
        found = client.list_topics(topic, timeout=seconds).topics[topic]
    except KafkaException as error:
        raise BrokerError(f"Kafka cannot be reached at {bootstrap_servers}: {error.args[0].str()}") from None
    if not found.partitions:
        raise TopicError(f'topic {topic} does not exist: "coinlake topics list" shows those that do')
    return [
        Partition(number, part.leader if part.leader >= 0 else None, tuple(part.replicas), tuple(part.isrs))
        for number, part in sorted(found.partitions.items())
    ]


def of(client: AdminClient, bootstrap_servers: str, topic: str) -> Console:
    """Return the commands for a topic of another name with the partitions, copies and own settings of this one.

    Raises:
        BrokerError: Kafka cannot be reached.
        TopicError: there is no such topic.
    """
    partitions = describe(client, bootstrap_servers, topic)
    return Console(
        bootstrap_servers,
        f"{PREFIX}{topic[:_LONGEST_NAME]}-{secrets.token_hex(3)}",
        len(partitions),
        max(len(part.replicas) for part in partitions),
        _own_settings(client, bootstrap_servers, topic),
    )


def _own_settings(client: AdminClient, bootstrap_servers: str, topic: str) -> Mapping[str, str]:
    (asked,) = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    try:
        found = asked.result(timeout=SECONDS)
    except KafkaException as error:
        raise BrokerError(f"Kafka at {bootstrap_servers} did not describe {topic}: {error.args[0].str()}") from None
    of_topic = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {name: str(entry.value) for name, entry in sorted(found.items()) if entry.source == of_topic}


@contextmanager
def made(client: AdminClient, console: Console) -> Iterator[list[Partition]]:
    """Have a topic for the length of a block; it is deleted whatever happens in it.

    Raises:
        TopicError: Kafka refuses to make it or to delete it.
    """
    wanted = NewTopic(
        console.topic,
        num_partitions=console.partitions,
        replication_factor=console.replication,
        config=dict(console.config),
    )
    try:
        (asked,) = client.create_topics([wanted], operation_timeout=SECONDS, request_timeout=SECONDS).values()
        _settle(asked, f"topic {console.topic} could not be created")
        yield _led(client, console)
    except CoinlakeError as error:
        try:
            _delete(client, console)
        except TopicError as left:
            raise TopicError(f"{error}; and {left}") from None
        raise
    except BaseException:
        _delete(client, console)
        raise
    _delete(client, console)


def _delete(client: AdminClient, console: Console) -> None:
    with uninterrupted():
        (asked,) = client.delete_topics([console.topic], operation_timeout=SECONDS, request_timeout=SECONDS).values()
        try:
            _settle(asked, f"topic {console.topic} could not be deleted")
        except TopicError as error:
            raise TopicError(f"{error}: when Kafka is well again, run {console.delete()}") from None


def _settle(asked: "Future[None]", otherwise: str) -> None:
    try:
        asked.result(timeout=2 * SECONDS)
    except KafkaException as error:
        # Nothing to delete: it could not be created.
        if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
            raise TopicError(f"{otherwise}: {error.args[0].str()}") from None


def _led(client: AdminClient, console: Console) -> list[Partition]:
    """Wait until each partition of a new topic has a leader."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            found = describe(client, console.bootstrap_servers, console.topic)
        except TopicError:
            found = []
        if len(found) == console.partitions and all(part.leader is not None for part in found):
            return found
        if time.monotonic() > deadline:
            raise TopicError(f"topic {console.topic}: expected a leader of each partition, found {found}")
        time.sleep(0.1)
