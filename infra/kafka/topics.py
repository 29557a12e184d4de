"""Topics as reviewed data, applied: create what is missing, name the drift, delete and change nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from contracts.errors import BrokerError, TopicError
from contracts.topics import Topic, parse_topics
from infra.kafka.admin import admin_client

TOPICS_FILE = Path(__file__).parent / "topics.toml"
HIGHEST_REPLICATION = 3
IN_SYNC = "min.insync.replicas"
"""How many brokers must have a message before it is acknowledged; with fewer in sync, none is taken."""
_REACH_TIMEOUT = 5.0
_TIMEOUT = 15.0


@dataclass(frozen=True)
class Drift:
    """One difference between a topic as it should be and as the broker has it."""

    topic: str
    setting: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Applied:
    """What `apply_topics` did and what it left alone."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]
    drift: tuple[Drift, ...]


@dataclass(frozen=True)
class ListedTopic:
    """One topic of the broker; `declared` tells whether the topics file names it."""

    name: str
    partitions: int
    replication: int
    cleanup: str
    declared: bool


def read_topics(path: Path = TOPICS_FILE) -> dict[str, Topic]:
    """Read the topics file.

    Raises:
        SettingsError: it is not what a topics file should be.
    """
    return parse_topics(path.read_text())


def apply_topics(bootstrap_servers: str, topics: Mapping[str, Topic]) -> Applied:
    """Create the topics that are missing and report how the others differ.

    There is a copy on each broker, at most 3; of three copies, two must have a message before it is acknowledged.

    Raises:
        BrokerError: Kafka cannot be reached.
        TopicError: Kafka refused to create a topic.
    """
    client = admin_client(bootstrap_servers)
    found, brokers = _metadata(client, bootstrap_servers)
    missing = [name for name in topics if name not in found]
    _create(client, {name: topics[name] for name in missing}, brokers)
    present = [name for name in topics if name in found]
    configs = _configs(client, present, bootstrap_servers)
    drift = [
        difference
        for name in present
        for difference in find_drift(
            name,
            topics[name],
            brokers=brokers,
            partitions=found[name][0],
            replication=found[name][1],
            config=configs[name],
        )
    ]
    drifted = {difference.topic for difference in drift}
    return Applied(
        created=tuple(missing),
        unchanged=tuple(name for name in present if name not in drifted),
        drift=tuple(drift),
    )


def replication_on(brokers: int) -> int:
    """Return how many copies a topic has on so many brokers.

    >>> [replication_on(brokers) for brokers in (1, 2, 3, 5)]
    [1, 2, 3, 3]
    """
    return min(brokers, HIGHEST_REPLICATION)


def settings_on(brokers: int, topic: Topic) -> dict[str, str]:
    """Return the settings of a topic on so many brokers: its own, and of three copies how many must be in sync.

    >>> settings_on(3, Topic(partitions=1, config={"retention.ms": "1000"}))
    {'min.insync.replicas': '2', 'retention.ms': '1000'}
    >>> settings_on(2, Topic(partitions=1))
    {}
    """
    in_sync = {IN_SYNC: "2"} if replication_on(brokers) == HIGHEST_REPLICATION else {}
    return in_sync | topic.config


def find_drift(
    name: str, expected: Topic, *, brokers: int, partitions: int, replication: int, config: Mapping[str, str]
) -> list[Drift]:
    """Compare a topic as it should be on so many brokers with its partitions, copies and settings.

    More copies than it should have are no drift.

    >>> wallex = Topic(partitions=1, config={"retention.ms": "1000"})
    >>> found = {"partitions": 3, "replication": 1, "config": {"retention.ms": "1000"}}
    >>> [str(drift) for drift in find_drift("wallex", wallex, brokers=1, **found)]
    ['wallex: partitions is 3, expected 1']
    """
    copies = replication_on(brokers)
    pairs = [
        ("partitions", str(expected.partitions), str(partitions)),
        ("replication factor", str(copies), str(min(replication, copies))),
    ]
    pairs += [(key, value, config.get(key, "not set")) for key, value in settings_on(brokers, expected).items()]
    return [Drift(name, setting, wanted, found) for setting, wanted, found in pairs if wanted != found]


def list_topics(bootstrap_servers: str, topics: Mapping[str, Topic]) -> list[ListedTopic]:
    """List the topics of the broker, Kafka's internal ones left out.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    client = admin_client(bootstrap_servers)
    found, _ = _metadata(client, bootstrap_servers)
    names = sorted(name for name in found if not name.startswith("__"))
    configs = _configs(client, names, bootstrap_servers)
    return [
        ListedTopic(
            name=name,
            partitions=found[name][0],
            replication=found[name][1],
            cleanup=configs[name].get("cleanup.policy", ""),
            declared=name in topics,
        )
        for name in names
    ]


def _metadata(client: AdminClient, bootstrap_servers: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Return (partitions, replication factor) by topic, and the number of brokers, those that are down among them.

    Kafka names the brokers that live alone; one that is down is still named by the copies that it should have.
    """
    try:
        metadata = client.list_topics(timeout=_REACH_TIMEOUT)
    except KafkaException as error:
        raise BrokerError(f"Kafka cannot be reached at {bootstrap_servers}: {error.args[0].str()}") from None
    topics = {
        name: (len(topic.partitions), max((len(part.replicas) for part in topic.partitions.values()), default=0))
        for name, topic in metadata.topics.items()
    }
    copies = {
        broker for topic in metadata.topics.values() for part in topic.partitions.values() for broker in part.replicas
    }
    return topics, len(copies | set(metadata.brokers))


def _create(client: AdminClient, topics: Mapping[str, Topic], brokers: int) -> None:
    if not topics:
        return
    wanted = [
        NewTopic(
            name,
            num_partitions=topic.partitions,
            replication_factor=replication_on(brokers),
            config=settings_on(brokers, topic),
        )
        for name, topic in topics.items()
    ]
    for name, future in client.create_topics(wanted, operation_timeout=_TIMEOUT).items():
        try:
            future.result(timeout=2 * _TIMEOUT)
        except KafkaException as error:
            # Another run may have created it between our look and our request.
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise TopicError(f"topic {name} could not be created: {error.args[0].str()}") from None


def _configs(client: AdminClient, names: list[str], bootstrap_servers: str) -> dict[str, dict[str, str]]:
    """Return the settings in force by topic."""
    if not names:
        return {}
    asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    try:
        return {
            resource.name: {key: str(item.value) for key, item in future.result(timeout=_TIMEOUT).items()}
            for resource, future in asked.items()
        }
    except KafkaException as error:
        raise BrokerError(f"Kafka at {bootstrap_servers} did not describe its topics: {error.args[0].str()}") from None
