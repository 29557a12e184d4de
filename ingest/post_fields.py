"""Read what an item in the shape of X's API v2 says of a post, whoever it came from."""

from typing import TypedDict

from contracts.records import Post, encode
from ingest.fields import FieldError, integer_field, member, object_field, text_field
from ingest.wire_json import Members, dump

LARGEST_RAW = 500_000
"""Bytes of a post as it came; its text is in the record a second time."""
LARGEST_MESSAGE = 950_000
"""Bytes of a post as a message, with its key: the client sends 1,000,000 at most, headers and framing among them."""


class Written(TypedDict):
    """What was written, and by whom; null where it is not told."""

    text: str
    lang: str | None
    author_id: str | None


class Counts(TypedDict):
    """How a post was taken up; null where it is not told."""

    likes: int | None
    reposts: int | None
    replies: int | None
    quotes: int | None


def written(item: Members) -> Written:
    """Read the text, the language and the author of an item.

    Raises:
        FieldError: one of them is not what it should be.
    """
    return Written(
        text=text_field("text", member(item, "text")),
        lang=_optional_text("lang", item),
        author_id=_optional_text("author_id", item),
    )


def counts(item: Members) -> Counts:
    """Read the counts of an item, out of its `public_metrics` or, where it has none, of itself.

    Raises:
        FieldError: one of them is no whole number.
    """
    metrics = item.get("public_metrics")
    told = item if metrics is None else object_field("public_metrics", metrics)
    return Counts(
        likes=optional_count("like_count", told),
        reposts=optional_count("retweet_count", told),
        replies=optional_count("reply_count", told),
        quotes=optional_count("quote_count", told),
    )


def optional_count(name: str, holder: Members) -> int | None:
    """Read a whole number of at least 0, null where it is not told.

    Raises:
        FieldError: it is anything else.
    """
    value = holder.get(name)
    return None if value is None else integer_field(name, value)


def raw_text(value: Members) -> str:
    """Write what came as JSON, numbers and repeated members as they were; half characters stay escaped, as they came.

    Raises:
        FieldError: it is too large for a Kafka message.
    """
    text = dump(value).encode("utf-8", "backslashreplace")
    if len(text) > LARGEST_RAW:
        raise FieldError(f"post: expected at most {LARGEST_RAW} bytes, found {len(text)}")
    return text.decode()


def fitting(post: Post) -> Post:
    """Return a post that fits into a Kafka message: quotes and line ends in its `raw` are escaped a second time there.

    Raises:
        FieldError: it does not.
    """
    size = len(encode(post)) + len(post.post_id.encode())
    if size > LARGEST_MESSAGE:
        raise FieldError(f"post: expected at most {LARGEST_MESSAGE} bytes as a message, found {size}")
    return post


def _optional_text(name: str, holder: Members) -> str | None:
    value = holder.get(name)
    return None if value is None else text_field(name, value)
