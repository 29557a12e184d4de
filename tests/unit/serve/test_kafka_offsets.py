"""How far a partition reaches, asked of a broker that has no leader for it yet."""

from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from serve.kafka_offsets import first_and_next


class Asked:
    """Answers from a list, and counts how often it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> Any:
        assert (partition.topic, partition.partition, timeout) == ("wallex", 2, 3.0)
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def asked(consumer: Asked, patience: float = 0.0) -> tuple[int, int]:
    time = Time()
    return first_and_next(consumer, "wallex", 2, 3.0, patience=patience, clock=time, sleep=time.sleep)  # type: ignore[arg-type]


def test_the_first_and_the_next_offset_are_those_of_the_broker() -> None:
    assert asked(Asked((3, 9))) == (3, 9)


def test_a_partition_without_a_leader_is_asked_again_while_patience_lasts() -> None:
    no_leader = KafkaError.NOT_LEADER_FOR_PARTITION
    consumer = Asked(no_leader, KafkaError.LEADER_NOT_AVAILABLE, (0, 1))
    assert asked(consumer, patience=1.0) == (0, 1)
    forever = Asked(*[no_leader] * 50)
    with pytest.raises(KafkaException):
        asked(forever, patience=1.0)
    assert 38 <= len(forever.answers) <= 40
    with pytest.raises(KafkaException):
        asked(Asked(no_leader, (0, 1)))


def test_any_other_error_is_raised_at_once() -> None:
    with pytest.raises(KafkaException):
        asked(Asked(KafkaError._TRANSPORT, (0, 1)), patience=9.0)


@pytest.mark.parametrize("answer", [None, (OFFSET_INVALID, 4)])
def test_no_answer_is_an_error(answer: object) -> None:
    with pytest.raises(KafkaException):
        asked(Asked(answer))
