"""Recorded answers of recent search, as one tape: a post is found by the query that found it, on whatever page."""

import bisect
import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.recording import Played, Recorded
from simulator.wire import venue_time
from simulator.x import SEARCH
from simulator.x.tape import TapedPost, shifted_id


class RecordedPosts:
    """The posts of a recording, by query; one that came twice is there as it came last."""

    def __init__(self, lines: list[Recorded]) -> None:
        found: dict[str, dict[int, TapedPost]] = {}
        for line in lines:
            if isinstance(line, Played) and line.request.path == SEARCH and line.answer.status == 200:
                of_query = found.setdefault(line.request.query.get("query", ""), {})
                of_query.update({post.number: post for post in _posts(msgspec.json.decode(line.answer.body))})
        self._posts = {query: [posts[number] for number in sorted(posts)] for query, posts in found.items()}

    def newest_first(self, query: str, above: int, below: int) -> Iterator[TapedPost]:
        """Give the posts that were recorded for this very query with an id between two, the newest first."""
        posts = self._posts.get(query, [])
        first, last = (
            bisect.bisect_right(posts, above, key=lambda post: post.number),
            bisect.bisect_left(posts, below, key=lambda post: post.number),
        )
        yield from reversed(posts[first:last])


def _posts(body: Any) -> Iterator[TapedPost]:
    authors = {user["id"]: user for user in body.get("includes", {}).get("users", [])}
    for item in body.get("data", []):
        yield TapedPost(int(item["id"]), item, authors.get(item.get("author_id")))


def shift_body(body: bytes, by: dt.timedelta) -> bytes:
    """Move the posts of an answer in time: when they were made, and so their ids."""
    told: Any = msgspec.json.decode(body)
    milliseconds = by // dt.timedelta(milliseconds=1)

    def moved(text: str) -> str:
        return str(shifted_id(int(text), milliseconds))

    for item in told.get("data", []):
        item["id"] = moved(item["id"])
        item["edit_history_tweet_ids"] = [moved(text) for text in item.get("edit_history_tweet_ids", [])]
        if "created_at" in item:
            item["created_at"] = venue_time(dt.datetime.fromisoformat(item["created_at"]) + by)
    meta = told.get("meta", {})
    meta |= {name: moved(meta[name]) for name in ("newest_id", "oldest_id") if name in meta}
    return msgspec.json.encode(told)
