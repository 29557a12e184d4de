"""The posts that are scored: generated, as the simulated X has them, each text another."""

import datetime as dt
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.market import Market
from simulator.x.generated import GeneratedPosts
from simulator.x.tape import id_at

_NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)
_A_MINUTE = 500


def write_posts(path: Path, count: int, market: Market) -> None:
    """Write so many posts about bitcoin as Parquet: what a post of bronze has, as far as it is scored.

    Some generated texts repeat others; each has its number added, so that none is scored for another.
    """
    tape = GeneratedPosts(market, _A_MINUTE)
    newest = id_at(int(_NOON.timestamp() * 1000))
    posts = list(islice(tape.newest_first("bitcoin", 0, newest), count))
    pq.write_table(
        pa.table(
            {
                "coin": ["BTC"] * count,
                "venue": ["x"] * count,
                "post_id": [post.item["id"] for post in posts],
                "event_time": pa.array([_NOON] * count, pa.timestamp("us", tz="UTC")),
                "author_id": [post.item["author_id"] for post in posts],
                "followers": [1] * count,
                "text": [f"{post.item['text']} no {number}" for number, post in enumerate(posts)],
                "lang": [post.item["lang"] for post in posts],
            }
        ),
        path,
        row_group_size=max(1, count // 8),
    )
