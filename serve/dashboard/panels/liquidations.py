"""Liquidations: totals by side and symbol, per minute, the largest, the newest."""

import streamlit as st

from serve.dashboard import charts
from serve.dashboard.ask import Ask, frame
from serve.dashboard.panels.panel import panel, some
from serve.dashboard.panels.table import table

NONE_YET = "no liquidation yet: `coinlake generate --venue binance_liquidations` takes them from the market"
_FIRST = ("event_time", "symbol", "side", "notional", "average_price", "filled_quantity")
SAMPLED = "Binance tells at most one liquidation per symbol and second, so these sums are a lower bound."


def draw(ask: Ask, hours: int, symbol: str | None) -> None:
    """Draw all panels of liquidations, of the last `hours` before the newest one; of one symbol, or of all."""
    left, right = st.columns([3, 2])
    with left, panel("Liquidated notional per minute", SAMPLED):
        rows = some(ask("liquidations_per_minute", hours=hours, **_of(symbol)), NONE_YET)
        st.altair_chart(charts.per_minute(frame(rows, drawn=["notional"])), alt="Notional by minute")
    with right, panel("By symbol and side", SAMPLED):
        rows = some(ask("liquidation_totals", hours=hours, **_of(symbol)), NONE_YET)
        st.altair_chart(charts.by_symbol(frame(rows, drawn=["notional"])), alt="Notional by symbol and side")
    left, right = st.columns(2)
    with left, panel("Largest"):
        table(some(ask("liquidations_largest", hours=hours, limit=10), NONE_YET), first=_FIRST)
    with right, panel("Newest"):
        table(some(ask("liquidations_recent", limit=10, **_of(symbol)), NONE_YET), first=_FIRST)


def _of(symbol: str | None) -> dict[str, str]:
    return {} if symbol is None else {"symbol": symbol}
