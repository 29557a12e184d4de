"""Messages on ZeroMQ's wire: what is written is read again, and a subscription holds one topic alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import RecordError
from contracts.frames import PRESENT, RUN_BYTES, RUNS, Framed, Kind, end_heard, pack, subscription, unpack
from contracts.streams import ALT_LIQUIDATIONS_DEAD_LETTERS, STREAMS

TOPICS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
MESSAGES = st.builds(
    Framed,
    topic=TOPICS,
    run=st.binary(min_size=RUN_BYTES, max_size=RUN_BYTES),
    sequence=st.integers(0, 2**64 - 1),
    kind=st.sampled_from(Kind),
    key=st.binary(),
    value=st.binary(),
)
NAMES = [*(stream.topic for stream in STREAMS), ALT_LIQUIDATIONS_DEAD_LETTERS, RUNS]


@given(MESSAGES)
def test_what_is_packed_is_unpacked(message: Framed) -> None:
    assert unpack(pack(message)) == message


def test_the_frames_are_those_of_the_page() -> None:
    message = Framed("wallex", b"run-of-8", 258, Kind.MARK, b"key", b"value")
    assert pack(message) == [b"wallex\0", b"run-of-8\0\0\0\0\0\0\x01\x02\x01", b"key", b"value"]


@given(TOPICS, TOPICS)
def test_a_subscription_takes_the_messages_of_its_topic_and_of_no_other(topic: str, other: str) -> None:
    head, *_ = pack(Framed(other, bytes(RUN_BYTES), 0, Kind.RECORD))
    assert head.startswith(subscription(topic)) == (topic == other)


def test_a_topic_whose_name_begins_with_another_does_not_leak() -> None:
    for name in NAMES:
        assert [other for other in NAMES if subscription(other).startswith(subscription(name))] == [name]


def test_what_subscribers_tell_of_themselves_is_the_beginning_of_no_message() -> None:
    for told in (PRESENT, end_heard(bytes(RUN_BYTES))):
        assert not [name for name in NAMES if subscription(name).startswith(told)]
    assert not end_heard(b"run-of-8").startswith(PRESENT)


GOOD = pack(Framed("wallex", b"run-of-8", 1, Kind.RECORD, b"k", b"v"))


@pytest.mark.parametrize(
    "frames",
    [
        GOOD[:3],
        [*GOOD, b""],
        [b"wallex", *GOOD[1:]],
        [b"\xff\0", *GOOD[1:]],
        [GOOD[0], GOOD[1][:-1], *GOOD[2:]],
        [GOOD[0], GOOD[1][:-1] + b"\x09", *GOOD[2:]],
        [],
    ],
    ids=["three", "five", "no end of the topic", "no UTF-8", "short place", "no kind", "none"],
)
def test_what_is_no_message_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(RecordError, match="expected"):
        unpack(frames)
