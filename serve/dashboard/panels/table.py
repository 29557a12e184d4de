"""Tables: decimals as the store has them, times in UTC to the second."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from serve.dashboard.ask import Row, frame

TIME = "YYYY-MM-DD HH:mm:ss"


def table(rows: Sequence[Row], *, height: int | None = None) -> None:
    """Show rows as a table, of this height in pixels or as high as its rows."""
    shown = frame(rows)
    times = {name: st.column_config.DatetimeColumn(format=TIME, timezone="UTC") for name in _times(shown)}
    st.dataframe(shown, hide_index=True, column_config=times, height="auto" if height is None else height)


def _times(shown: pd.DataFrame) -> list[str]:
    return [str(name) for name in shown.columns if isinstance(shown[name].dtype, pd.DatetimeTZDtype)]
