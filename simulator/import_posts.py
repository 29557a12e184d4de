"""Turns recorded posts into a recording of the answers that recent search gives of them.

Read: JSON lines of items in the shape of the API's v2 (`id`, `text`, `created_at`, and what else is known), with
`author_followers` and `author_verified` beside, which become the author that an answer includes.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import NoDataError, SettingsError
from simulator.recording import Exchange, RecordedRequest, RecordedResponse, write_recording
from simulator.wire import JSON
from simulator.x import SEARCH, VENUE


class _Item(msgspec.Struct, frozen=True):
    """What a post must have to be searched for."""

    id: str
    text: str
    created_at: dt.datetime


def import_posts(path: Path, out: Path, query: str) -> int:
    """Write `out/x.jsonl.gz`, in which the query finds the posts of a file; return their number.

    Raises:
        NoDataError: there is no such file, or no post in it.
        SettingsError: a line is no post.
    """
    if not path.is_file():
        raise NoDataError(f"import: expected recorded posts at {path}, found none")
    with path.open("rb") as file:
        lines = [_answer(path, number, line, query) for number, line in enumerate(file, start=1) if line.strip()]
    if not lines:
        raise NoDataError(f"{path}: expected posts, found an empty file")
    out.mkdir(parents=True, exist_ok=True)
    return write_recording(out / f"{VENUE}.jsonl.gz", sorted(lines, key=lambda line: line.at))


def _answer(path: Path, number: int, line: bytes, query: str) -> Exchange:
    """Write the answer that holds one post alone."""
    try:
        post = msgspec.json.decode(line, type=_Item)
        item: dict[str, Any] = msgspec.json.decode(line)
        int(post.id)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SettingsError(
            f"{path} line {number}: expected a post with id, text and created_at, found: {error}"
        ) from None
    followers, verified = (item.pop(name, None) for name in ("author_followers", "author_verified"))
    body: dict[str, Any] = {"data": [{"edit_history_tweet_ids": [post.id], **item}]}
    if "author_id" in item and followers is not None:
        author = {"id": item["author_id"], "verified": verified, "public_metrics": {"followers_count": followers}}
        body["includes"] = {"users": [author]}
    body["meta"] = {"newest_id": post.id, "oldest_id": post.id, "result_count": 1}
    request = RecordedRequest("GET", SEARCH, {"query": query})
    response = RecordedResponse(200, {"Content-Type": JSON}, msgspec.Raw(msgspec.json.encode(body)))
    return Exchange(post.created_at.astimezone(dt.UTC), request, response)
