"""What a tail prints, how many, when it ends, and that a loss is said."""

from serve.export.feed import Lane, Lost, Message
from serve.export.tail import lines
from tests.unit.serve.export.fakes import FakeClock, ListFeed
from tests.unit.serve.export.messages import in_lanes, trade


def arrivals(*sizes: int) -> list[list[Message]]:
    messages = in_lanes([trade(number, "10", number) for number in range(sum(sizes))])
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return [messages[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def test_it_gives_every_message_and_ends_when_there_is_no_more() -> None:
    given = arrivals(3, 0, 2)
    feed = ListFeed(given, FakeClock())
    found = list(lines(feed, on_loss=lambda _: None, done=feed.caught_up))
    assert found == [message.value for part in given for message in part]


def test_it_ends_after_as_many_as_were_asked_for_in_the_middle_of_what_arrived_too() -> None:
    given = arrivals(3, 3)
    feed = ListFeed(given, FakeClock())
    assert list(lines(feed, on_loss=lambda _: None, done=lambda: False, count=4)) == [
        message.value for message in [*given[0], given[1][0]]
    ]


def test_a_loss_is_told_before_the_messages_after_it() -> None:
    hole, told = Lost(Lane("wallex", "run"), 0, 3), list[object]()
    feed = ListFeed(arrivals(1), FakeClock(), lost=[hole])
    for line in lines(feed, on_loss=told.append, done=feed.caught_up):
        told.append(line[:1])
    assert told == [hole, b"{"]
