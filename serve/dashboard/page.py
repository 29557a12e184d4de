"""The page: choices and key figures on top, panels below; drawn again only when something is new."""

from collections.abc import Callable, Sequence

import streamlit as st

from contracts.errors import CoinlakeError
from serve.dashboard.ask import Ask
from serve.dashboard.figures import Figure, figures
from serve.dashboard.newest import LAKE, LIQUIDATIONS, TOPICS, UNREADABLE, look, moved
from serve.dashboard.panels import browser, liquidations, markets, pipeline, posts
from serve.dashboard.remembered import Remembered

_HOURS = (1, 3, 6, 24, 72)
_CLOSER = "<style>[data-testid=stMainBlockContainer] { padding: 2.5rem 1.5rem 4rem; max-width: 1900px; }</style>"


def show(ask: Ask, poll_seconds: float) -> None:
    """Draw the page once, and watch for what is new every `poll_seconds`."""
    st.set_page_config(page_title="coinlake", page_icon="🌊", layout="wide")
    remembered: Remembered = st.session_state.setdefault("remembered", Remembered(ask))
    marks = st.session_state.get("marks") or look(ask)
    st.session_state["marks"] = marks
    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    remembered.note(marks)
    st.html(_CLOSER)
    title, spans, coins, symbols = st.columns([4, 1, 1, 2], vertical_alignment="bottom")
    with title:
        st.title("coinlake", anchor=False)
        _watch(ask, poll_seconds)
    hours = spans.selectbox("last hours", _HOURS, index=3, help="Before the newest of each store, not before now.")
    with coins:
        coin = _choose("coin", lambda: [row["coin"] for row in remembered.of(LAKE)("coins")], "BTC")
    written = symbols.text_input("symbol of liquidations", placeholder="all", help="Such as BTCUSDT.")
    symbol = written.strip().upper()
    _figures(figures(remembered.of(LAKE), remembered.of(LIQUIDATIONS), hours))
    st.subheader("Liquidations", anchor="liquidations")
    liquidations.draw(remembered.of(LIQUIDATIONS), hours, symbol or None)
    st.subheader("Markets", anchor="markets")
    markets.draw(remembered.of(LAKE), coin, hours)
    st.subheader("Posts", anchor="posts")
    posts.draw(remembered.of(LAKE), coin, hours)
    st.subheader("Pipeline", anchor="pipeline")
    pipeline.draw(remembered)
    st.subheader("Topics", anchor="topics")
    browser.draw(remembered.of(TOPICS))


def _watch(ask: Ask, poll_seconds: float) -> None:
    """Look every few seconds how far the stores have got, and draw the page again where one has moved."""

    @st.fragment(run_every=poll_seconds)
    def watch() -> None:
        now = look(ask)
        if moved(st.session_state["marks"], now):
            st.session_state["marks"] = now
            st.rerun(scope="app")
        unreadable = [store for store, mark in now.items() if mark == UNREADABLE]
        st.caption(
            f"looks for something new every {poll_seconds:g} s · drawn {st.session_state['drawn']} times"
            + (f" · cannot read: {', '.join(unreadable)}" if unreadable else "")
        )

    watch()


def _choose(label: str, names: Callable[[], Sequence[str]], preferred: str) -> str:
    try:
        found = list(names())
    except CoinlakeError:
        found = []
    if not found:
        return preferred
    return st.selectbox(label, found, index=found.index(preferred) if preferred in found else 0)


def _figures(shown: Sequence[Figure]) -> None:
    for column, figure in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(figure.label, figure.value, help=figure.note, border=True)
