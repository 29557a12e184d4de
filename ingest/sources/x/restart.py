"""Where a search goes on after a restart, and the hole on record where it begins anew."""

import datetime as dt
from collections.abc import Iterable, Sequence

from contracts.records import Gap, Post
from contracts.streams import Stream
from ingest.gaps import WHOLE_STREAM
from ingest.sources.x import VENUE
from ingest.sources.x.poll import SEARCHED_BACK
from ingest.sources.x.post_ids import first_id_at
from ingest.sources.x.search import Page

FIRST = "the first search: what was posted before it is not asked for"
FORGOTTEN = "nothing in the topic says any more where the search stood"
_UNSETTLED = dt.timedelta(seconds=60)
"""Of what was received within so long a batch may have been acknowledged in part when the run before ended."""
_TOLD_IN = dt.timedelta(seconds=1)
"""The venue tells when it answered, and when a post was made, in whole seconds."""
_WITHIN = dt.timedelta(hours=1)
"""How far within the 7 days a restart begins, so that they are not over before it asks."""


def surely_whole_up_to(posts: Sequence[Post], gaps: Iterable[Gap]) -> int:
    """Return the id up to which nothing is missing, by the newest posts of a topic (one at least) and its Gaps.

    Where all posts came within what may be one batch, older ones of that may be missing: back to where a Gap begins
    that is open, or one ends that is as new as they are, but never so far that the venue would not search there.
    """
    last = max(post.ingest_time for post in posts) - _UNSETTLED
    settled = [int(post.post_id) for post in posts if post.ingest_time < last]
    if settled:
        return max(settled)
    told = [gap.to_time or gap.from_time for gap in gaps if gap.to_time is None or gap.ingest_time >= last]
    oldest = max(post.event_time for post in posts) - SEARCHED_BACK + _WITHIN
    begins = [first_id_at(max(moment - _TOLD_IN, oldest)) for moment in told]
    return min([min(int(post.post_id) for post in posts) - 1, *begins])


def beginning(
    stream: Stream, since: dt.datetime | None, newest: Page, posts: Iterable[Post], cause: str, now: dt.datetime
) -> Gap:
    """Return the hole before the newest page: since what came last, where that is known, else of 7 days.

    It is a second long, or shorter, where that page holds all that is missing.
    """
    oldest = newest.date - SEARCHED_BACK
    begin = oldest if newest.next_token is None else min((post.event_time for post in posts), default=newest.date)
    from_time = since or oldest
    return Gap(
        venue=VENUE,
        event_time=from_time,
        ingest_time=now,
        symbol=WHOLE_STREAM,
        stream=stream.topic,
        from_time=from_time,
        to_time=max(from_time, begin + _TOLD_IN),
        cause=cause,
        recoverable=False,
    )
