"""`python -m benchmarks.archives.duckdb_plan KIND OUT FILE...`: archive files to 10-minute candles with DuckDB."""

import sys

import duckdb

from benchmarks.archives.files import Kind

_SYMBOL = "regexp_extract(filename, '([A-Z0-9]+)USDT-', 1)"
_BUCKET = "{time} // 600000 * 600000"
_KLINES = f"""
    SELECT
        {_SYMBOL} AS coin, {_BUCKET.format(time="open_time")} AS open_ms,
        arg_min(open, open_time) AS open, max(high) AS high, min(low) AS low, arg_max(close, open_time) AS close,
        sum(volume) AS volume, sum(quote_volume) AS quote_volume, sum(trades)::BIGINT AS trades
    FROM read_csv($files, header = false, filename = true, columns = {{
        'open_time': 'BIGINT', 'open': 'DECIMAL(18,8)', 'high': 'DECIMAL(18,8)', 'low': 'DECIMAL(18,8)',
        'close': 'DECIMAL(18,8)', 'volume': 'DECIMAL(18,8)', 'close_time': 'BIGINT',
        'quote_volume': 'DECIMAL(28,8)', 'trades': 'BIGINT', 'taker_volume': 'DECIMAL(18,8)',
        'taker_quote_volume': 'DECIMAL(28,8)', 'ignored': 'VARCHAR'}})
    GROUP BY ALL
"""
_TRADES = f"""
    SELECT
        {_SYMBOL} AS coin, {_BUCKET.format(time="time")} AS open_ms,
        arg_min(price, id) AS open, max(price) AS high, min(price) AS low, arg_max(price, id) AS close,
        sum(quantity) AS volume, sum(price::DECIMAL(19,8) * quantity) AS quote_volume,
        sum(last_id - first_id + 1)::BIGINT AS trades
    FROM read_csv($files, header = false, filename = true, columns = {{
        'id': 'BIGINT', 'price': 'DECIMAL(18,8)', 'quantity': 'DECIMAL(18,8)', 'first_id': 'BIGINT',
        'last_id': 'BIGINT', 'time': 'BIGINT', 'buyer_is_maker': 'BOOLEAN', 'best_match': 'BOOLEAN'}})
    GROUP BY ALL
"""


def main(kind: Kind, out: str, files: list[str]) -> None:
    """Write the candles as one Parquet file."""
    with duckdb.connect() as connection:
        query = _KLINES if kind is Kind.KLINES else _TRADES
        connection.sql(query, params={"files": files}).write_parquet(out)


if __name__ == "__main__":
    main(Kind(sys.argv[1]), sys.argv[2], sys.argv[3:])
