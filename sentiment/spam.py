"""Signs by which advertising and the posts of bots are told from talk."""

import re

import pandas as pd

PHRASES: dict[str, str] = {
    "giveaway": (
        r"give ?-?away|air ?drop|\bfree\s+\$?(?:btc|bitcoin|eth|crypto|nft|tokens?|coins?|money|\d)|\bclaim\b|\bbonus\b"
        r"|\bprizes?\b|\bwin(?:ners?)?\b"
    ),
    "asks for reach": (
        r"\b(?:follow|retweet|like|rt)\s*(?:[&+,/]|and)\s*(?:follow|retweet|like|rt|share|tag|comment)\b"
        r"|\btag\s+(?:\d|your|some|friends)"
    ),
    "leads away": (
        r"\bt\.me/|\btelegram\b|\bwhats ?app\b|\bdiscord\b|\bdm (?:me|us|for)\b|\bsign ?-?up\b|\bregister\b"
        r"|\breferr?al\b|\bjoin (?:us|our|now|here)\b|\bin bio\b|\bclick (?:here|now)\b"
    ),
    "promises profit": (
        r"\b(?:guaranteed?|risk[- ]free|double your|daily (?:profits?|returns?)|passive income|easy money|get rich"
        r"|make money|earn(?:ing|ed)?|100x|1000x)\b|\bpresale\b|\bsignals?\b|\binvest with\b|\baccount manager\b"
    ),
}
"""Phrases, each a sign of this name, compared without regard to case."""
_PHRASES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in PHRASES.items()}

MOST_TAGS = 8
"""More hashtags and cashtags than this are a sign."""
MOST_PICTURES = 4
"""More emoji than this are a sign."""
MOST_LINES = 6
"""A text of more lines than this is a list or a form, and that is a sign."""
MOST_DIGITS = 0.1
"""A text of which more than this share is digits is a report of figures, and that is a sign."""
MOST_CAPITALS = 0.4
"""A text of whose letters more than this share is capitals is a sign: shouting, or a list of tickers."""
LEAST_SIGNS = 2
"""A text with so many signs is spam."""

_LINK = r"https?://\S*"
_TAG = r"[#$\uFF03][^\W\d_]\w*"
_PICTURE = r"[\U0001F300-\U0001FAFF\u2600-\u27BF\u2B00-\u2BFF]"


def signs_of(texts: pd.Series) -> pd.DataFrame:
    """Tell which signs each text bears: a boolean column for each sign, on the index of the texts.

    Texts are as they were posted, null an empty one.
    """
    read = texts.fillna("").astype(str).str.replace(_LINK, "", regex=True)
    letters = read.str.count(r"[^\W\d_]").clip(lower=1)
    return pd.DataFrame(
        {
            **{name: read.str.contains(pattern) for name, pattern in _PHRASES.items()},
            "tags": read.str.count(_TAG) > MOST_TAGS,
            "pictures": read.str.count(_PICTURE) > MOST_PICTURES,
            "lines": read.str.count("\n") >= MOST_LINES,
            "figures": read.str.count(r"\d") > MOST_DIGITS * read.str.len(),
            "capitals": read.str.count(r"[A-Z]") > MOST_CAPITALS * letters,
        }
    )


def spam_of(texts: pd.Series) -> pd.DataFrame:
    """Judge texts: `spam_signs`, the names of the signs of each, joined by a comma, and `spam`, true from two on.

    >>> spam_of(pd.Series(["gm", "FREE BITCOIN GIVEAWAY, join our Telegram"])).values.tolist()
    [['', False], ['giveaway, leads away, capitals', True]]
    """
    signs = signs_of(texts)
    names = [
        ", ".join(name for name, found in zip(signs.columns, row, strict=True) if found) for row in signs.to_numpy()
    ]
    return pd.DataFrame({"spam_signs": names, "spam": signs.sum(axis="columns") >= LEAST_SIGNS}, index=texts.index)
