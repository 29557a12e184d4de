"""`python -m benchmarks.archives.polars_plan KIND OUT FILE...`: archive files to 10-minute candles with Polars."""

import sys
from pathlib import Path

import polars as pl

from benchmarks.archives.files import Kind

PRICE = pl.Decimal(38, 8)
_Schema = dict[str, type[pl.DataType] | pl.DataType]
_KLINES: _Schema = {
    "open_time": pl.Int64,
    **dict.fromkeys(("open", "high", "low", "close", "volume"), PRICE),
    "close_time": pl.Int64,
    "quote_volume": PRICE,
    "trades": pl.Int64,
    "taker_volume": PRICE,
    "taker_quote_volume": PRICE,
    "ignored": pl.String,
}
_TRADES: _Schema = {
    "id": pl.Int64,
    **dict.fromkeys(("price", "quantity"), PRICE),
    **dict.fromkeys(("first_id", "last_id", "time"), pl.Int64),
    **dict.fromkeys(("buyer_is_maker", "best_match"), pl.String),
}
_BUCKET_MS = 600_000


def klines(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Roll 1-minute klines of one symbol up."""
    open_ms = (pl.col("open_time") // _BUCKET_MS * _BUCKET_MS).alias("open_ms")
    return rows.group_by(open_ms).agg(
        pl.col("open").sort_by("open_time").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").sort_by("open_time").last(),
        pl.col("volume").sum(),
        pl.col("quote_volume").sum(),
        pl.col("trades").sum(),
    )


def trades(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Roll aggregate trades of one symbol up."""
    open_ms = (pl.col("time") // _BUCKET_MS * _BUCKET_MS).alias("open_ms")
    return rows.group_by(open_ms).agg(
        pl.col("price").sort_by("id").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").sort_by("id").last().alias("close"),
        pl.col("quantity").sum().alias("volume"),
        (pl.col("price") * pl.col("quantity")).sum().alias("quote_volume"),
        (pl.col("last_id") - pl.col("first_id") + 1).sum().alias("trades"),
    )


def main(kind: Kind, out: str, files: list[str]) -> None:
    """Write the candles as one Parquet file."""
    schema, roll_up = (_KLINES, klines) if kind is Kind.KLINES else (_TRADES, trades)
    candles = [
        roll_up(pl.scan_csv(path, has_header=False, schema=schema)).with_columns(
            pl.lit(Path(path).name.partition("USDT-")[0]).alias("coin")
        )
        for path in files
    ]
    pl.concat(candles).collect(engine="streaming").write_parquet(out)


if __name__ == "__main__":
    main(Kind(sys.argv[1]), sys.argv[2], sys.argv[3:])
