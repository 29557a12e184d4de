"""Messages of a feed as lines of wire JSON, and a word on what was lost."""

from collections.abc import Callable, Iterator

from serve.export.feed import Feed, Lost

WAIT_SECONDS = 0.5


def lines(
    feed: Feed, *, on_loss: Callable[[Lost], None], done: Callable[[], bool], count: int | None = None
) -> Iterator[bytes]:
    """Yield the wire JSON of each message of a started feed, `count` of them, or until nothing comes and it is `done`.

    Raises:
        CoinlakeError: what the feed raises.
    """
    left = count
    while left is None or left > 0:
        messages = feed.take(WAIT_SECONDS)
        for lost in feed.losses():
            on_loss(lost)
        for message in messages[:left]:
            yield message.value
        left = None if left is None else left - len(messages)
        if not messages and done():
            return
