"""X's posts: an item of an answer, and what the answer says of its author, become a record or a rejection."""

import datetime as dt
import re
from collections.abc import Mapping

import msgspec

from contracts.records import Post, Rejected
from contracts.streams import Stream
from ingest.fields import FieldError, member, not_ahead, object_field, text_field, time_field
from ingest.post_fields import counts, fitting, optional_count, raw_text, written
from ingest.reject import reject
from ingest.sources.x import VENUE
from ingest.sources.x.post_ids import time_of
from ingest.wire_json import Members, show

_ID = re.compile(r"[0-9]{1,19}", re.ASCII)


class Search(msgspec.Struct, frozen=True):
    """What was searched: the stream its posts go to, named as the coin, and the query."""

    stream: Stream
    query: str


class Receipt(msgspec.Struct, frozen=True):
    """When an answer was received, and how far ahead of that an event time may be."""

    ingest_time: dt.datetime
    max_ahead: dt.timedelta


def parse_post(item: object, authors: Mapping[str, Members], search: Search, receipt: Receipt) -> Post | Rejected:
    """Turn an item of `data` into a record.

    `created_at` is its event time, and where the venue does not tell that (it was not asked to), the time that its id
    holds. `raw` is the item and its author, so of an answer nothing but the page's own `meta` is left behind.
    """
    now = receipt.ingest_time
    try:
        return fitting(_post(object_field("post", item), authors, search, receipt))
    except FieldError as error:
        return reject(VENUE, search.stream, str(error), item, poll_time=now, ingest_time=now)


def _post(item: Members, authors: Mapping[str, Members], search: Search, receipt: Receipt) -> Post:
    number = post_id(item)
    created = item.get("created_at")
    event_time = time_of(number) if created is None else time_field("created_at", created)
    not_ahead("created_at", event_time, receipt.ingest_time, receipt.max_ahead)
    fields = written(item)
    author = authors.get(fields["author_id"] or "")
    came = [("data", item), *([("includes", Members([("users", [author])]))] if author is not None else [])]
    return Post(
        venue=VENUE,
        event_time=event_time,
        ingest_time=receipt.ingest_time,
        coin=search.stream.topic,
        post_id=str(number),
        followers=_followers(author),
        found_by=search.query,
        raw=raw_text(Members(came)),
        **counts(item),
        **fields,
    )


def post_id(item: Members) -> int:
    """Read the id of an item, which is a text.

    Raises:
        FieldError: it is no text of up to 19 digits.
    """
    text = text_field("id", member(item, "id"))
    if not _ID.fullmatch(text):
        raise FieldError(f"id: expected a text of up to 19 digits, found {show(text)}")
    return int(text)


def authors_of(includes: object) -> dict[str, Members]:
    """Return the users that an answer includes, by id; what is no user is nobody's author."""
    users = includes.get("users") if isinstance(includes, Members) else None
    found = [user for user in users if isinstance(user, Members)] if isinstance(users, list) else []
    return {name: user for user in found if isinstance(name := user.get("id"), str)}


def _followers(author: Members | None) -> int | None:
    metrics = author.get("public_metrics") if author is not None else None
    return None if metrics is None else optional_count("followers_count", object_field("public_metrics", metrics))
