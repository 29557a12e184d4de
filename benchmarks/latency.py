"""How long a liquidation takes from the venue's frame to a row that a reader sees."""

import asyncio
import datetime as dt
import math
from collections.abc import Sequence

import asyncpg

from contracts.errors import DatabaseError
from contracts.settings import QuestDbSettings

_PAUSE_SECONDS = 0.002
_ARRIVED = "SELECT event_time, venue, symbol, side, ingest_time FROM alt_liquidations WHERE ingest_time >= $1"
Identity = tuple[dt.datetime, str, str, str]


async def frame_to_row_seconds(place: QuestDbSettings, since: dt.datetime, count: int, patience: float) -> list[float]:
    """Watch rows arrive and return, for each, the seconds from the frame's receipt (`ingest_time`) to its being seen.

    Rows are looked for all the time, so a figure is too high by as long as one look takes, a few milliseconds.

    Args:
        place: where QuestDB is.
        since: rows that were received before are not of these; UTC.
        count: how many rows are waited for.
        patience: for how many seconds none may arrive.

    Raises:
        DatabaseError: too few rows arrived in time.
    """
    seen: dict[Identity, float] = {}
    connection = await asyncpg.connect(
        host=place.questdb_host,
        port=place.questdb_pg_port,
        user=place.questdb_user,
        password=place.questdb_password.get_secret_value(),
        database=place.questdb_database,
    )
    clock = asyncio.get_running_loop().time
    last = clock()
    try:
        while len(seen) < count:
            rows = await connection.fetch(_ARRIVED, since.replace(tzinfo=None))
            now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            for event_time, venue, symbol, side, ingest_time in rows:
                identity = (event_time, venue, symbol, side)
                if identity not in seen:
                    seen[identity], last = (now - ingest_time).total_seconds(), clock()
            if clock() - last > patience:
                raise DatabaseError(f"expected {count} rows, found {len(seen)} and no other within {patience:g} s")
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await connection.close()
    return list(seen.values())


def percentile(seconds: Sequence[float], part: float) -> float:
    """Return the least value that at least this part of all are at or below (nearest rank).

    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.5), percentile([3.0, 1.0, 2.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    ordered = sorted(seconds)
    return ordered[max(math.ceil(part * len(ordered)), 1) - 1]
