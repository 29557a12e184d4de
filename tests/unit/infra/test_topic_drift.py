"""How a topic differs from what it should be, on one broker and on three."""

from contracts.topics import Topic
from infra.kafka.topics import find_drift, read_topics, settings_on

WALLEX = Topic(partitions=1, config={"retention.ms": "5", "cleanup.policy": "delete"})
RIGHT = {"retention.ms": "5", "cleanup.policy": "delete"}


def drift(brokers: int, replication: int, config: dict[str, str], *, partitions: int = 1) -> list[str]:
    found = find_drift("wallex", WALLEX, brokers=brokers, partitions=partitions, replication=replication, config=config)
    return [str(difference) for difference in found]


def test_drift_names_partitions_and_settings_that_differ_or_are_not_set() -> None:
    assert drift(1, 1, {"retention.ms": "6"}, partitions=2) == [
        "wallex: partitions is 2, expected 1",
        "wallex: retention.ms is 6, expected 5",
        "wallex: cleanup.policy is not set, expected delete",
    ]


def test_on_three_brokers_a_topic_of_one_copy_lacks_copies_and_what_guards_them() -> None:
    assert drift(3, 1, RIGHT | {"min.insync.replicas": "1"}) == [
        "wallex: replication factor is 1, expected 3",
        "wallex: min.insync.replicas is 1, expected 2",
    ]


def test_as_many_copies_as_there_are_brokers_are_no_drift_and_three_are_enough() -> None:
    guarded = RIGHT | {"min.insync.replicas": "2"}
    assert drift(1, 1, RIGHT) == drift(2, 2, RIGHT) == drift(3, 3, guarded) == drift(5, 3, guarded) == []


def test_more_copies_than_expected_are_no_drift() -> None:
    assert drift(5, 5, RIGHT | {"min.insync.replicas": "2"}) == []
    assert drift(2, 3, RIGHT | {"min.insync.replicas": "2"}) == []


def test_two_brokers_make_two_copies_and_one_of_them_is_no_third() -> None:
    assert drift(2, 1, RIGHT) == ["wallex: replication factor is 1, expected 2"]


def test_a_topic_that_names_its_own_number_in_sync_keeps_it() -> None:
    own = Topic(partitions=1, config={"min.insync.replicas": "1"})
    assert settings_on(3, own) == {"min.insync.replicas": "1"}


def test_every_topic_of_the_file_is_guarded_where_there_are_three_brokers_and_as_it_was_where_there_is_one() -> None:
    for topic in read_topics().values():
        assert settings_on(1, topic) == topic.config
        assert settings_on(3, topic) == {"min.insync.replicas": "2", **topic.config}
