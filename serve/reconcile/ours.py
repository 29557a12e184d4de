"""Our candles of the exchange, under its symbols."""

import pyarrow as pa
import pyarrow.compute as pc

from contracts.settings import LakeSettings
from contracts.tables import CANDLES
from serve.delta_tables import rows_of

VENUE = "binance"


def our_candles(lake: LakeSettings, klines: pa.Table, intervals: list[str]) -> pa.Table:
    """Read, with their symbols, our candles of those that klines of the exchange are of.

    Raises:
        NoDataError: there are no candles yet.
        StoreError: the object store does not answer or refuses.
    """
    symbols = klines.group_by(["symbol", "base", "quote"]).aggregate([]).rename_columns(["symbol", "coin", "quote"])
    bases = pc.unique(symbols["coin"])
    asked = (pc.field("venue") == VENUE) & pc.field("interval").isin(intervals) & pc.field("coin").isin(bases)
    rows = rows_of(lake, CANDLES, asked)
    return rows.join(symbols, keys=["coin", "quote"], join_type="inner")
