"""A browser of topics: where each partition stands, and the newest messages of one topic."""

import streamlit as st

from serve.dashboard.ask import Ask
from serve.dashboard.panels.panel import panel, some
from serve.dashboard.panels.table import table


def draw(ask: Ask) -> None:
    """Draw the list of partitions and the newest messages of the topic that is chosen."""
    left, right = st.columns([2, 3])
    with left, panel("Topics"):
        partitions = some(ask("topics"), "Kafka has no topics: run `coinlake topics apply`")
        table(partitions, height=420)
    with right, panel("Newest messages"):
        names = sorted({row["topic"] for row in ask("topics")})
        first = names.index("alt_liquidations") if "alt_liquidations" in names else 0
        some([{"topic": name} for name in names], "no topic")
        topic = st.selectbox("topic", names, index=first, label_visibility="collapsed")
        table(some(ask("messages", topic=topic, limit=20), "no message"), height=360)
