"""Compare candles with the exchange's own, value by value."""

import datetime as dt
from collections.abc import Sequence

import duckdb
import msgspec
import pyarrow as pa

from serve.reconcile.exchange import MADE_OF, exchange_candles, values_rounded

ALWAYS = ("open", "high", "low", "close", "volume")
WHERE_BOTH_GIVE = ("quote_volume", "trades")
SHOWN = 100
"""How many candles that differ are kept with their values."""


class Score(msgspec.Struct, frozen=True):
    """The candles of one symbol, interval and month: in how many we agree, and what either side lacks.

    `neither` are those that both lack: holes of the market itself.
    """

    symbol: str
    interval: str
    month: str
    equal: int
    different: int
    missing_here: int
    missing_there: int
    neither: int


class Difference(msgspec.Struct, frozen=True):
    """One value of one candle in which we differ, written in full."""

    symbol: str
    interval: str
    open_time: dt.datetime
    column: str
    ours: str
    theirs: str


class Hole(msgspec.Struct, frozen=True):
    """A stretch in which one side or both have no candle. `lacks` is `here`, `exchange` or `both`."""

    symbol: str
    interval: str
    from_time: dt.datetime
    to_time: dt.datetime
    lacks: str
    candles: int
    cause: str = ""


class Compared(msgspec.Struct, frozen=True):
    """All that a comparison found.

    `rounded` is how many values of the exchange's files say more than its 8 places and were rounded to them.
    """

    scores: list[Score]
    differences: list[Difference]
    holes: list[Hole]
    rounded: int = 0

    @property
    def is_equal(self) -> bool:
        """Say whether something was compared and nothing differs or is missing on one side."""
        wrong = sum(score.different + score.missing_here + score.missing_there for score in self.scores)
        return wrong == 0 and any(score.equal for score in self.scores)


class Period(msgspec.Struct, frozen=True):
    """What is compared; a time that is not given is where the exchange's klines begin or end."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


ALL_TIME = Period()


def compare(ours: pa.Table, klines: pa.Table, intervals: Sequence[str], period: Period = ALL_TIME) -> Compared:
    """Compare our candles (rows of `candles` and their `symbol`) with klines of the exchange.

    Of each symbol and interval all buckets are looked at that lie whole between the exchange's first and last kline,
    and in the period. Where the exchange has a part of a bucket and we say that ours is not complete, neither side has
    that candle. Open, high, low, close and volume must be equal by value, and quote volume and trades where
    both give them; a candle that we have more than once differs.
    """
    theirs = exchange_candles(klines, list(intervals))
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        connection.register("our_rows", ours)
        connection.register("their_rows", theirs)
        connection.register("klines", klines)
        for name in intervals:
            _add_grid(connection, name, period)
        connection.sql(f"CREATE TEMP TABLE compared AS {_joined(intervals)}")
        rounded = values_rounded(klines, list(intervals))
        return Compared(_scores(connection), _differences(connection), _holes(connection), rounded)


def _add_grid(connection: duckdb.DuckDBPyConnection, name: str, period: Period) -> None:
    made_of = MADE_OF[name]
    seconds, part = int(made_of.length.total_seconds()), int(made_of.length.total_seconds()) // made_of.count
    first, last = _seconds(period.start), _seconds(period.end)
    connection.execute(
        f"""
        CREATE TEMP TABLE "grid {name}" AS
        WITH spans AS (
            SELECT symbol,
                greatest(epoch_ms(min(open_time)) // 1000, $first) AS first,
                least(epoch_ms(max(open_time)) // 1000 + {part}, $last) AS last
            FROM klines WHERE "interval" = '{made_of.interval}' GROUP BY symbol
        )
        SELECT symbol, '{name}' AS "interval", {seconds} AS seconds,
            make_timestamptz(unnest(range((first + {seconds - 1}) // {seconds}, last // {seconds}))
                * {seconds} * 1000000) AS open_time
        FROM spans
        """,
        {"first": 0 if first is None else first, "last": 2**53 if last is None else last},
    )


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _joined(intervals: Sequence[str]) -> str:
    grids = " UNION ALL ".join(f'SELECT * FROM "grid {name}"' for name in intervals)
    same = " AND ".join(
        [
            *(f"o.{name} IS NOT DISTINCT FROM t.{name}" for name in ALWAYS),
            *(f"coalesce(o.{name} = t.{name}, true)" for name in WHERE_BOTH_GIVE),
        ]
    )
    values = ", ".join(f"o.{name} AS our_{name}, t.{name} AS their_{name}" for name in (*ALWAYS, *WHERE_BOTH_GIVE))
    return f"""
        SELECT g.*, {values}, o.copies, CASE
                WHEN o.open IS NULL AND t.open IS NULL THEN 'neither'
                WHEN o.open IS NULL THEN 'missing_here'
                WHEN o.copies > 1 THEN 'different'
                WHEN t.open IS NULL AND t.parts > 0 AND NOT o.complete THEN 'neither'
                WHEN t.open IS NULL THEN 'missing_there'
                WHEN {same} THEN 'equal' ELSE 'different' END AS verdict
        FROM ({grids}) g
        LEFT JOIN (
            SELECT *, count(*) OVER (PARTITION BY symbol, "interval", open_time) AS copies FROM our_rows
        ) o USING (symbol, "interval", open_time)
        LEFT JOIN their_rows t USING (symbol, "interval", open_time)
    """


def _scores(connection: duckdb.DuckDBPyConnection) -> list[Score]:
    verdicts = ("equal", "different", "missing_here", "missing_there", "neither")
    counts = ", ".join(f"count(*) FILTER (verdict = '{name}')" for name in verdicts)
    rows = connection.sql(
        f"""SELECT symbol, "interval", strftime(open_time, '%Y-%m') AS month, {counts}
            FROM compared GROUP BY symbol, "interval", seconds, month ORDER BY symbol, seconds, month"""
    ).fetchall()
    return [Score(*row) for row in rows]


def _differences(connection: duckdb.DuckDBPyConnection) -> list[Difference]:
    found: list[Difference] = []
    rows = connection.sql(
        f"""SELECT * FROM compared WHERE verdict = 'different'
            ORDER BY symbol, seconds, open_time LIMIT {SHOWN}"""
    )
    for row in rows.to_arrow_table().to_pylist():
        if row["copies"] > 1:
            times = str(row["copies"])
            found.append(Difference(row["symbol"], row["interval"], row["open_time"], "copies", times, "1"))
        for name in (*ALWAYS, *WHERE_BOTH_GIVE):
            ours, theirs = row[f"our_{name}"], row[f"their_{name}"]
            if ours != theirs and (name in ALWAYS or None not in (ours, theirs)):
                found.append(
                    Difference(row["symbol"], row["interval"], row["open_time"], name, _text(ours), _text(theirs))
                )
    return found


def _text(value: object) -> str:
    return "-" if value is None else f"{value:f}" if hasattr(value, "as_tuple") else str(value)


def _holes(connection: duckdb.DuckDBPyConnection) -> list[Hole]:
    rows = connection.sql(
        """
        WITH lacking AS (
            SELECT *, epoch_ms(open_time) // 1000 // seconds
                - row_number() OVER (PARTITION BY symbol, "interval", verdict ORDER BY open_time) AS island
            FROM compared WHERE verdict IN ('missing_here', 'missing_there', 'neither')
        )
        SELECT symbol, "interval", min(open_time), max(open_time) + to_seconds(seconds),
            CASE verdict WHEN 'missing_here' THEN 'here' WHEN 'missing_there' THEN 'exchange' ELSE 'both' END,
            count(*)
        FROM lacking GROUP BY symbol, "interval", seconds, verdict, island ORDER BY 3, 1, seconds, 5
        """
    ).fetchall()
    return [
        Hole(symbol, name, _utc(first), _utc(last), lacks, count) for symbol, name, first, last, lacks, count in rows
    ]


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)
