"""Tables: decimals as the store has them, times in UTC to the second."""

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st

from serve.dashboard.ask import Row, frame

TIME = "YYYY-MM-DD HH:mm:ss"


def table(rows: Sequence[Row], *, first: Sequence[str] = (), height: int | None = None) -> None:
    """Show rows as a table, of this height in pixels or as high as its rows; the columns `first` before the others."""
    shown = frame([{name: written(value) for name, value in row.items()} for row in rows])
    times = {name: st.column_config.DatetimeColumn(format=TIME, timezone="UTC") for name in _times(shown)}
    order = [*first, *(name for name in shown.columns if name not in first)]
    st.dataframe(shown, hide_index=True, column_config=times, column_order=order, height=height or "auto")


def written(value: object) -> object:
    """Write a decimal with all its digits, which a column of numbers would round; other values stay.

    >>> written(Decimal("0.000029610000000000")), written(Decimal("1E+3")), written(None)
    ('0.00002961', '1000', None)
    """
    if not isinstance(value, Decimal):
        return value
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _times(shown: pd.DataFrame) -> list[str]:
    return [str(name) for name in shown.columns if isinstance(shown[name].dtype, pd.DatetimeTZDtype)]
