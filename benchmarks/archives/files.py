"""Archive files as the exchange offers them, of a generated month: same columns, same digits, no header."""

from enum import StrEnum
from pathlib import Path

import duckdb

MINUTES = 30 * 24 * 60
BEGIN_MS = 1_772_323_200_000
"""2026-03-01T00:00Z."""

_KLINES = """
    SELECT
        {begin} + i * 60000 AS open_time, open, greatest(open, close) + up AS high, least(open, close) - down AS low,
        close, volume, {begin} + i * 60000 + 59999 AS close_time,
        (volume::DECIMAL(19, 8) * open)::DECIMAL(28, 8) AS quote_volume,
        50 + h % 400 AS trades, (volume / 2)::DECIMAL(18, 8) AS taker_volume,
        (volume::DECIMAL(19, 8) * open / 2)::DECIMAL(28, 8) AS taker_quote_volume, 0 AS ignored
    FROM (
        SELECT
            i, h, {open} AS open, {close} AS close, (h % 97 / 100)::DECIMAL(18, 8) AS up,
            (h % 89 / 100)::DECIMAL(18, 8) AS down, (1 + h % 100000 / 1000)::DECIMAL(18, 8) AS volume
        FROM (SELECT range AS i, hash(range * 64 + {symbol}) AS h FROM range({rows}))
    )
    ORDER BY open_time
"""
# Every second aggregate holds two trades, so their ids run 0, 1-2, 3, 4-5 and so on.
_TRADES = """
    SELECT
        i AS id, {open} AS price, (0.001 + h % 5000 / 1000)::DECIMAL(18, 8) AS quantity,
        i // 2 * 3 + i % 2 AS first_id, i // 2 * 3 + i % 2 * 2 AS last_id,
        {begin} + i * {span_ms} // {rows} AS time,
        CASE WHEN h % 2 = 0 THEN 'True' ELSE 'False' END AS buyer_is_maker, 'True' AS best_match
    FROM (SELECT range AS i, hash(range * 64 + {symbol}) AS h FROM range({rows}))
    ORDER BY id
"""
_PRICE = "(100 * (1 + {symbol}) + 20 * sin({at} / 977.0) + hash({at} * 64 + {symbol}) % 200 / 100)::DECIMAL(18, 8)"


class Kind(StrEnum):
    """What an archive holds; the value is how its file names say it."""

    KLINES = "1m"
    AGG_TRADES = "aggTrades"


def write_archives(kind: Kind, folder: Path, symbols: int, rows_each: int) -> list[Path]:
    """Write one file per symbol, and return them; the content depends on the arguments alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        return [_write(connection, kind, folder, number, rows_each) for number in range(symbols)]


def _write(connection: duckdb.DuckDBPyConnection, kind: Kind, folder: Path, symbol: int, rows: int) -> Path:
    path = folder / f"C{symbol:02d}USDT-{kind}-2026-03.csv"
    values: dict[str, object] = {
        "begin": BEGIN_MS,
        "symbol": symbol,
        "rows": rows,
        "span_ms": MINUTES * 60_000,
        "open": _PRICE.format(symbol=symbol, at="i"),
        "close": _PRICE.format(symbol=symbol, at="(i + 1)"),
    }
    query = (_KLINES if kind is Kind.KLINES else _TRADES).format(**values)
    connection.execute(f"COPY ({query}) TO '{path}' (HEADER false)")
    return path
