"""The columns of archive files, by their header or, without one, by their place."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from contracts.decimals import PRICE_PRECISION, PRICE_SCALE
from spark_jobs.archives.errors import ArchiveError

PRICE = pa.decimal128(PRICE_PRECISION, PRICE_SCALE)


class Shape(msgspec.Struct, frozen=True):
    """The columns of one kind of file in their order, how each is read, and how many of the first a row must have."""

    columns: dict[str, pa.DataType | None]
    needed: int
    other_names: dict[str, str]


KLINE = Shape(
    columns={
        "open_time": pa.int64(),
        "open": PRICE,
        "high": PRICE,
        "low": PRICE,
        "close": PRICE,
        "volume": PRICE,
        "close_time": pa.int64(),
        "quote_volume": PRICE,
        "trades": pa.int64(),
        "taker_volume": PRICE,
        "taker_quote_volume": PRICE,
        "ignore": None,
    },
    needed=6,
    other_names={
        "count": "trades",
        "number_of_trades": "trades",
        "quote_asset_volume": "quote_volume",
        "taker_buy_volume": "taker_volume",
        "taker_buy_base_volume": "taker_volume",
        "taker_buy_base_asset_volume": "taker_volume",
        "taker_buy_quote_volume": "taker_quote_volume",
        "taker_buy_quote_asset_volume": "taker_quote_volume",
    },
)
AGG_TRADE = Shape(
    columns={
        "agg_trade_id": pa.int64(),
        "price": PRICE,
        "quantity": PRICE,
        "first_trade_id": pa.int64(),
        "last_trade_id": pa.int64(),
        "time": pa.int64(),
        "buyer_is_maker": pa.bool_(),
        "is_best_match": None,
    },
    needed=7,
    other_names={
        "transact_time": "time",
        "timestamp": "time",
        "is_buyer_maker": "buyer_is_maker",
    },
)


class Columns(msgspec.Struct, frozen=True):
    """The columns of one file, in its order; those that are not read have no type."""

    names: list[str]
    types: dict[str, pa.DataType]
    has_header: bool


def columns_of(path: Path, first: Sequence[str], shape: Shape) -> Columns:
    """Name the columns of a file from its first row, which may be its header.

    Raises:
        ArchiveError: a column is missing or said twice, or there are too few or too many.
    """
    has_header = not first[0].strip().lstrip("-").isdigit()
    if has_header:
        plain = [name.strip().lower().replace(" ", "_") for name in first]
        names = [shape.other_names.get(name, name) for name in plain]
    else:
        names = list(shape.columns)[: len(first)]
    missing = [name for name in list(shape.columns)[: shape.needed] if name not in names]
    if missing or len(names) != len(first) or len(set(names)) != len(names):
        raise ArchiveError(
            f"{path.name}: expected {shape.needed} to {len(shape.columns)} columns"
            f" ({', '.join(shape.columns)}), found {len(first)}: {','.join(first)[:120]}"
        )
    types = {name: kind for name in names if (kind := shape.columns.get(name)) is not None}
    return Columns(names, types, has_header)
