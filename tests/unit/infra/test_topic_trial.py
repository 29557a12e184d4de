"""Trying a topic: the commands that are shown, and messages sent and read back on librdkafka's mock cluster."""

import shlex
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import NewTopic

from contracts.errors import BrokerError, TopicError, UndeliveredError
from infra.kafka import trial, twin
from infra.kafka.admin import admin_client
from infra.kafka.console import Console

CONSOLE = Console("127.0.0.1:9092,127.0.0.1:9094", "try-a topic", 3, 2, {"min.insync.replicas": "2", "a": "x y"})
MESSAGES = {f"key-{number}": f"message {number}" for number in range(20)}


@pytest.fixture
def console() -> Iterator[Console]:
    """A topic of the mock cluster, which makes one that is asked for."""
    mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0})
    brokers = mock.list_topics(timeout=10).brokers.values()
    partitions = mock.list_topics("tried", timeout=10).topics["tried"].partitions
    yield Console(",".join(f"{each.host}:{each.port}" for each in brokers), "tried", len(partitions), 3)
    mock.purge()


# --- the commands -----------------------------------------------------------------------------------------------------


def test_a_topic_is_made_with_its_partitions_copies_and_settings() -> None:
    assert CONSOLE.create() == (
        "kafka-topics.sh --bootstrap-server 127.0.0.1:9092,127.0.0.1:9094 --topic 'try-a topic' --create "
        "--partitions 3 --replication-factor 2 --config=min.insync.replicas=2 '--config=a=x y'"
    )


def test_every_command_is_for_this_topic_on_all_brokers_and_stays_one_word_a_word() -> None:
    for command in (CONSOLE.create(), CONSOLE.describe(), CONSOLE.produce(), CONSOLE.consume(6), CONSOLE.delete()):
        script, *words = shlex.split(command)
        assert script.endswith(".sh")
        assert words[:4] == ["--bootstrap-server", CONSOLE.bootstrap_servers, "--topic", CONSOLE.topic]


def test_the_console_producer_asks_for_every_acknowledgement_and_takes_keys() -> None:
    words = shlex.split(CONSOLE.produce())
    assert words[words.index("--command-property") + 1] == "acks=all"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--reader-property"] == [
        "parse.key=true",
        "key.separator=:",
    ]


def test_the_console_consumer_begins_at_the_start_and_ends() -> None:
    words = shlex.split(CONSOLE.consume(6))
    assert "--from-beginning" in words
    assert words[words.index("--max-messages") + 1] == "6"


# --- messages ---------------------------------------------------------------------------------------------------------


def test_what_was_sent_is_read_back_where_it_was_acknowledged(console: Console) -> None:
    sent = trial.send(console, MESSAGES)
    assert {message.key: message.value for message in sent} == MESSAGES
    assert len({message.partition for message in sent}) > 1
    assert sorted(trial.read_back(console, sent), key=lambda each: each.key) == sorted(sent, key=lambda each: each.key)


def test_another_message_than_the_one_that_was_sent_is_no_success(console: Console) -> None:
    first, *others = trial.send(console, MESSAGES)
    with pytest.raises(BrokerError, match=r"expected the 20 messages of tried back as they were sent .*, found 20"):
        trial.read_back(console, [replace(first, value="another"), *others])


def test_a_message_that_does_not_come_back_is_no_success(console: Console) -> None:
    sent = trial.send(console, MESSAGES)
    with pytest.raises(BrokerError, match=r"expected the 21 messages of tried back .* within 2 s, found 20"):
        trial.read_back(console, [*sent, replace(sent[0], offset=1000)], seconds=2)


def test_a_message_that_is_not_acknowledged_is_named_with_the_reason() -> None:
    with pytest.raises(UndeliveredError) as caught:
        trial.send(Console("127.0.0.1:1", "tried", 1, 1), {"a": "1", "b": "2"}, seconds=1)
    assert str(caught.value) == "Kafka did not acknowledge 2 of 2 messages within 1 s (_MSG_TIMED_OUT)"
    assert caught.value.count == 2


# --- the topic of a trial ---------------------------------------------------------------------------------------------


def test_leader_replicas_and_those_in_sync_are_told_of_each_partition(console: Console) -> None:
    found = twin.describe(admin_client(console.bootstrap_servers), console.bootstrap_servers, "tried")
    assert [part.number for part in found] == list(range(console.partitions))
    for part in found:
        assert part.leader in part.replicas
        assert set(part.in_sync) <= set(part.replicas)


def test_a_kafka_that_is_not_there_is_named() -> None:
    with pytest.raises(BrokerError, match=r"^Kafka cannot be reached at 127\.0\.0\.1:1: "):
        twin.describe(admin_client("127.0.0.1:1"), "127.0.0.1:1", "wallex", seconds=0.5)


class AnAdmin:
    """Makes and deletes topics, or refuses to by a word of Kafka's; holds what it was asked."""

    def __init__(self, **refused: int) -> None:
        self._refused = refused
        self.asked: list[tuple[str, object]] = []

    def create_topics(self, topics: list[NewTopic], **_: float) -> "dict[str, Future[None]]":
        (topic,) = topics
        return self._answer("create", topic.topic)

    def delete_topics(self, topics: list[str], **_: float) -> "dict[str, Future[None]]":
        return self._answer("delete", *topics)

    def list_topics(self, topic: str, **_: float) -> SimpleNamespace:
        part = SimpleNamespace(leader=1, replicas=[1, 2, 3], isrs=[1, 2])
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=dict.fromkeys(range(3), part))})

    def _answer(self, what: str, topic: str) -> "dict[str, Future[None]]":
        self.asked.append((what, topic))
        future: Future[None] = Future()
        if what in self._refused:
            future.set_exception(KafkaException(KafkaError(self._refused[what])))
        else:
            future.set_result(None)
        return {topic: future}


BOTH = [("create", CONSOLE.topic), ("delete", CONSOLE.topic)]
NO_ANSWER, NOT_THERE = KafkaError.REQUEST_TIMED_OUT, KafkaError.UNKNOWN_TOPIC_OR_PART


def test_the_topic_of_a_trial_is_deleted_after_it() -> None:
    admin = AnAdmin()
    with twin.made(admin, CONSOLE) as partitions:
        assert admin.asked == BOTH[:1]
        assert partitions[2] == twin.Partition(2, 1, (1, 2, 3), (1, 2))
    assert admin.asked == BOTH


@pytest.mark.parametrize("error", [UndeliveredError("none came", count=1), KeyboardInterrupt()])
def test_the_topic_of_a_trial_that_failed_is_deleted_too(error: BaseException) -> None:
    admin = AnAdmin()
    with pytest.raises(type(error)), twin.made(admin, CONSOLE):
        raise error
    assert admin.asked == BOTH


def test_a_topic_that_could_not_be_made_leaves_none_that_comes_late() -> None:
    admin = AnAdmin(create=NO_ANSWER, delete=NOT_THERE)
    with pytest.raises(TopicError, match=r"^topic try-a topic could not be created: [^;]*$"), twin.made(admin, CONSOLE):
        pytest.fail("there is no topic to try")
    assert admin.asked == BOTH


def test_a_topic_that_is_left_is_named_with_what_deletes_it() -> None:
    with pytest.raises(TopicError) as caught, twin.made(AnAdmin(delete=NO_ANSWER), CONSOLE):
        raise UndeliveredError("Kafka did not acknowledge 1 of 2", count=1)
    said = str(caught.value)
    assert said.startswith("Kafka did not acknowledge 1 of 2; and topic try-a topic could not be deleted: ")
    assert said.endswith(f"when Kafka is well again, run {CONSOLE.delete()}")
