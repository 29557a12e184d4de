"""Posts with what their text says of the market's mood, in pandas. Pure: frames in, frames out."""

from collections.abc import Callable

import pandas as pd

from sentiment.model import SCORES
from serve.export.layout import POSTS

Score = Callable[[pd.Series, pd.Series], pd.DataFrame]
"""Takes texts and the languages that the venue says, and returns for each clean_text, language, negative, neutral,
positive and compound; the numbers are NaN where the language is not one that is read."""

IDENTITY = ("venue", "coin", "post_id")
_NUMBERS = ("likes", "reposts", "replies", "quotes", "followers")


def unknown(posts: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the posts that are not among the known ones, each once: the first that came."""
    first = posts.drop_duplicates(list(IDENTITY), keep="first")
    there = set(known[list(IDENTITY)].itertuples(index=False, name=None))
    new = [identity not in there for identity in first[list(IDENTITY)].itertuples(index=False, name=None)]
    return first[new]


def scored(posts: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Return the rows of the table of posts."""
    posts = posts.reset_index(drop=True)
    scores = score(posts["text"], posts["lang"]).reset_index(drop=True)
    text = posts["text"].astype(object)
    without = text.map(lambda value: value.rstrip("\0"))
    return posts.assign(
        event_time=pd.to_datetime(posts["at"], unit="ms", utc=True).astype("datetime64[ns, UTC]"),
        text=without,
        # A fixed width cannot tell these from its filling: their number gives the text back as it was.
        text_nuls=(text.map(len) - without.map(len)).astype("int64"),
        clean_text=scores["clean_text"].map(lambda value: value.rstrip("\0")),
        language=scores["language"].astype(object).where(scores["language"].notna(), None),
        **{name: scores[name].astype("float64") for name in SCORES},
        **{name: pd.to_numeric(posts[name]).astype("float64") for name in _NUMBERS},
    )[list(POSTS.columns)]
