"""A browser of topics: where each partition stands, and the newest messages of one topic."""

import streamlit as st

from serve.dashboard.ask import Ask, frame
from serve.dashboard.panels.panel import panel, some


def draw(ask: Ask) -> None:
    """Draw the list of partitions and the newest messages of the topic that is chosen."""
    left, right = st.columns([2, 3])
    with left, panel("Topics"):
        partitions = some(ask("topics"), "Kafka has no topics: run `coinlake topics apply`")
        st.dataframe(frame(partitions), hide_index=True, height=420)
    with right, panel("Newest messages"):
        names = sorted({row["topic"] for row in ask("topics")})
        first = names.index("alt_liquidations") if "alt_liquidations" in names else 0
        some([{"topic": name} for name in names], "no topic")
        topic = st.selectbox("topic", names, index=first, label_visibility="collapsed")
        st.dataframe(frame(some(ask("messages", topic=topic, limit=20), "no message")), hide_index=True, height=360)
