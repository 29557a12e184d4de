"""Markets: candles with volume, total market cap and dominance, base prices in toman and premiums."""

import streamlit as st

from serve.dashboard import charts
from serve.dashboard.ask import Ask, Row, frame
from serve.dashboard.panels.panel import panel, some
from serve.dashboard.panels.table import table

NOTHING_BUILT = "nothing is published yet: run `coinlake process`"
PREMIUM = "Price in toman / (USD price x toman for a USDT) - 1, the newest of each coin."
_WITH_VOLUME = "binance"
_PRICES = ("open", "high", "low", "close", "volume")


def draw(ask: Ask, coin: str, hours: int) -> None:
    """Draw the panels of one coin and of the whole market, of the last `hours` before the newest candle."""
    left, right = st.columns([3, 2])
    with left, panel(f"Candles of {coin}", "Pale: the candle is still open, or lacks samples."):
        series = some(ask("candle_series", coin=coin), NOTHING_BUILT)
        first = next((place for place, one in enumerate(series) if one["venue"] == _WITH_VOLUME), 0)
        chosen = st.selectbox("series", series, first, format_func=_named, label_visibility="collapsed")
        shape = {name: chosen[name] for name in ("venue", "quote", "interval")}
        rows = some(ask("candles", coin=coin, hours=hours, **shape), f"no candle in these {hours} hours")
        drawn = frame(rows, drawn=_PRICES)
        st.altair_chart(charts.candles(drawn), alt=f"Candles of {coin}")
        if drawn["volume"].notna().any():
            st.altair_chart(charts.volumes(drawn), alt=f"Volumes of {coin}")
        else:
            st.caption("this series has no volume: its source gives prices alone")
    with (
        right,
        panel("Premium over the base price", PREMIUM),
    ):
        rows = some(ask("base_tmn_premium", limit=15), NOTHING_BUILT)
        st.altair_chart(charts.premiums(frame(rows, drawn=["premium", "base_tmn"])), alt="Premium by coin")
        table(rows, height=180)
    left, right = st.columns(2)
    caps = []
    with left, panel("Total market cap (USD)", "The sum of each coin's newest market cap, at most 60 minutes old."):
        caps = list(some(ask("market_cap", hours=hours), NOTHING_BUILT))
        totals = frame(caps, drawn=["market_cap"])
        drawn_caps = charts.area(totals, "close_time", "market_cap", "USD", "$.4~s")
        st.altair_chart(drawn_caps, alt="Total market cap over time")
    with right, panel("Dominance of the largest coin"):
        shares = frame(some(caps, NOTHING_BUILT), drawn=["dominance"])
        share = charts.area(shares, "close_time", "dominance", caps[-1]["largest_coin"], ".2%")
        st.altair_chart(share, alt="Dominance over time")


def _named(series: Row) -> str:
    return f"{series['venue']} in {series['quote']}, {series['interval']}"
