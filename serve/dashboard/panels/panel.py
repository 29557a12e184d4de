"""What frames every panel: its title, and what is said where it has nothing to show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from contracts.errors import CoinlakeError
from serve.dashboard.ask import Row, is_nothing_there


class Nothing(Exception):  # noqa: N818 (no error: there is nothing to draw)
    """A panel has nothing to show, and says why."""


@contextmanager
def panel(title: str, note: str = "") -> Iterator[None]:
    """Draw a panel; where its query fails or has no rows, say so in its place and leave the others alone."""
    with st.container(border=True):
        st.markdown(f"**{title}**", help=note or None)
        try:
            yield
        except Nothing as why:
            st.caption(str(why))
        except CoinlakeError as error:
            say = st.caption if is_nothing_there(error) else st.warning
            say(str(error))


def some(rows: Sequence[Row], otherwise: str) -> Sequence[Row]:
    """Return the rows, or leave the panel with a sentence where there are none.

    Raises:
        Nothing: there are no rows.
    """
    if not rows:
        raise Nothing(otherwise)
    return rows
