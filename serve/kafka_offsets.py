"""How far a partition reaches, as its broker says."""

import time
from collections.abc import Callable

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

_NEW_LEADER = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""What a broker says for a moment after a topic was made, or a partition was moved."""
_LOOK_SECONDS = 0.1


def first_and_next(
    consumer: Consumer,
    topic: str,
    partition: int,
    seconds: float,
    *,
    patience: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[int, int]:
    """Return the offset of the first message that is kept and the one that comes next.

    The broker has so many seconds for an answer. Where the partition has no leader yet, it is asked again for as long
    as `patience` lasts.

    Raises:
        KafkaException: the broker did not answer in time, or refused.
    """
    deadline = clock() + patience
    while True:
        try:
            bounds = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=seconds)
        except KafkaException as error:
            if error.args[0].code() not in _NEW_LEADER or clock() >= deadline:
                raise
            sleep(_LOOK_SECONDS)
            continue
        if bounds is None or OFFSET_INVALID in bounds:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        low, high = bounds
        return low, high
