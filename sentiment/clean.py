"""Texts as people post them -> texts of words that a lexicon can look up."""

import html
import re
from collections.abc import Callable

import pandas as pd

_RETWEET = re.compile(r"^\s*RT\s+@\w+:?\s*")
_LINK = re.compile(r"\b(?:https?://|www\.|pic\.twitter\.com/)\S*|\b(?:http|https|https:|http:/)…")
_MENTION = re.compile(r"(?<![\w@])@\w+")
_HASHTAG = re.compile(r"[#\uFF03](?=[^\W\d])(\w+)|[#\uFF03](?=\w)")
_CASHTAG = re.compile(r"\$(?=[A-Za-z])(\w+)")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FLAG = r"[\U0001F1E6-\U0001F1FF]{2}"
_SIGN = r"[\U0001F000-\U0001FAFF\u2190-\u21FF\u2300-\u23FF\u2600-\u27BF\u2B00-\u2BFF\u3030\u303D]"
_PICTURES = re.compile(rf"\s*({_FLAG}|{_SIGN})(?:\s*\1)*\s*")
_JOINERS = re.compile(r"[\u200B-\u200F\u2028-\u202F\u2060-\u206F\uFE00-\uFE0F\uFEFF\u20E3\U0001F3FB-\U0001F3FF]")
"""What shapes a picture or a line and is no sign of its own: zero widths, directions, variants, keycaps, skin tones."""
_LETTERS = re.compile(r"([^\W\d_])\1{2,}")
_MARKS = re.compile(r"([!?.…,\-_*=~])\1{3,}")
_WORDS = re.compile(r"\b(\w+)(?:\s+\1\b){2,}", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def _word_of(tag: re.Match[str]) -> str:
    return _HUMPS.sub(" ", tag[1] or "")


STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_RETWEET, ""),
    (_LINK, " "),
    (_MENTION, " "),
    (_JOINERS, ""),
    (_HASHTAG, _word_of),
    (_CASHTAG, r"\1"),
    (_PICTURES, r" \1 "),
    (_LETTERS, r"\1\1"),
    (_MARKS, r"\1\1\1"),
    (_WORDS, r"\1"),
    (_SPACES, " "),
)
"""What is put in the place of what, one after the other."""


def clean(texts: pd.Series) -> pd.Series:
    """Clean texts, one for one; null is the empty text.

    - Character references of HTML are resolved, as X sends `&amp;`.
    - The head of a repost (`RT @name:`), links and mentions go: who and where say nothing of how.
    - Of a hashtag and a cashtag the word stays, cut at its humps: `#ToTheMoon` is "To The Moon", `$BTC` is "BTC".
    - Emoji stand apart by spaces, without their variants and skin tones, and a run of the same one is one: VADER looks
      them up one by one and glues the next letter to what it found.
    - Of a letter that is repeated three times or more two stay, of a word one, of a mark three.
    - White space is one space.

    >>> list(clean(pd.Series(["RT @a: $BTC &amp; #ToTheMoon 🚀🚀🚀now!!!!!! soooo good https://t.co/x", None])))
    ['BTC & To The Moon 🚀 now!!! soo good', '']
    """
    cleaned = texts.fillna("").astype(str).map(html.unescape)
    for pattern, put in STEPS:
        cleaned = cleaned.str.replace(pattern, put, regex=True)
    return cleaned.str.strip()
