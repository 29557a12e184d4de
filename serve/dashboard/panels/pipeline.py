"""The pipeline's health: lag by topic, last batches, what was refused or late, gaps, and the reconcile score."""

import streamlit as st

from serve.dashboard import charts
from serve.dashboard.ask import frame
from serve.dashboard.newest import LAG, LAKE
from serve.dashboard.panels.panel import panel, some
from serve.dashboard.panels.table import table
from serve.dashboard.remembered import Remembered


def draw(remembered: Remembered) -> None:
    """Draw the panels of Kafka and of the lake's tables."""
    lake, lags = remembered.of(LAKE), remembered.of(LAG)
    left, right = st.columns([2, 3])
    with left, panel("Lag by topic", "Messages that bronze or Kafka Connect has not taken yet."):
        rows = some(lags("lag"), "nobody reads a topic yet")
        st.altair_chart(charts.lags(frame(rows)), alt="Messages not read yet, by topic and reader")
    with right, panel("Last batch of each table"):
        table(some(lake("last_batches"), "no table yet: run `coinlake process`"))
    left, right = st.columns(2)
    with left, panel("Rejected, newest first", "Kept raw, with the reason."):
        table(some(lake("rejected", limit=20), "nothing was rejected"))
    with right, panel("Late rows", "Rows behind their stream's lateness: `coinlake rebuild` takes them in."):
        table(some(lake("late_rows"), "nothing came late"))
    left, right = st.columns(2)
    with left, panel("Gaps, newest first", "Holes in what was received, and whether they were filled."):
        table(some(lake("gaps", limit=20), "no hole on record"))
    with right, panel("Reconcile score", "Our candles beside the exchange's own: `make reconcile`."):
        table(some(lake("reconcile_score"), "not reconciled yet: run `make reconcile`"))
