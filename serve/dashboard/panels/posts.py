"""Posts: how people spoke of a coin, hour by hour beside its price, and what they wrote last."""

import streamlit as st

from serve.dashboard import charts
from serve.dashboard.ask import Ask, frame
from serve.dashboard.panels.panel import panel, some
from serve.dashboard.panels.table import table

NONE_YET = "no post about this coin yet: `coinlake generate --venue x_bitcoin` or `coinlake import-posts` takes them in"
NONE_NEW = "no such post about this coin on the two newest days that have posts"
SENTIMENT = "Bars: the mean, from -1 to 1, of an hour's posts but spam and near-duplicates. Line: the closing price."
_FIRST = ("event_time", "compound", "text", "language", "followers", "spam_signs")


def draw(ask: Ask, coin: str, hours: int) -> None:
    """Draw the panels of posts about one coin, of the last `hours` before the newest."""
    left, right = st.columns([3, 2])
    with left, panel(f"Price and sentiment of {coin}", SENTIMENT):
        rows = some(ask("hourly_sentiment", coin=coin, hours=hours), NONE_YET)
        drawn = frame(rows, drawn=("original_sentiment", "close", "price_return"))
        st.altair_chart(charts.sentiment(drawn), alt=f"Price and sentiment of {coin} by hour")
        if drawn["close"].isna().all():
            st.caption("no candle of these hours: prices are not drawn")
    with right, panel(f"Newest posts about {coin}", "Without spam and near-duplicates."):
        table(some(ask("posts_newest", coin=coin, kind="original", limit=10), NONE_NEW), first=_FIRST)
