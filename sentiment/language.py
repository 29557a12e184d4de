"""Which language a text is in."""

from functools import cache

import pandas as pd
from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNKNOWN = "und"
"""ISO 639's code for what cannot be told, as of a text of a few letters or of emoji alone."""
ENGLISH = "en"

MIN_LETTERS = 20
"""A shorter text is not judged."""
MIN_CONFIDENCE = 0.5
"""How likely the likeliest language must be, over all languages and tempered by the text's length, to be told."""
_NO_LANGUAGE = frozenset({"", UNKNOWN, "zxx", "art", "qam", "qct", "qht", "qme", "qst"})
"""What X says of posts of mentions, cashtags, hashtags, media or a few words, and ISO's codes of no language."""


def languages_of(clean_texts: pd.Series, told: pd.Series) -> pd.Series:
    """Return the language of each text as a code of ISO 639-1, or `und`.

    What the source told is believed. Where it told nothing (null, or a code that is no language) py3langid judges the
    text, a naive Bayes classifier over n-grams of bytes (Lui and Baldwin 2012), if it is long enough and the judgement
    sure enough.

    >>> told = pd.Series([None, "de", "qme", None])
    >>> french = "le prix du bitcoin monte encore aujourd'hui, disent les marchés"
    >>> list(languages_of(pd.Series(["the price is going up again today", "gm", "🚀", french]), told))
    ['en', 'de', 'und', 'fr']
    """
    said = told.fillna("").astype(str).str.lower().str.replace(r"-.*", "", regex=True)
    languages = said.where(~said.isin(_NO_LANGUAGE), UNKNOWN)
    judged = (languages == UNKNOWN) & (clean_texts.str.count(r"[^\W\d_]") >= MIN_LETTERS)
    return languages.where(~judged, clean_texts[judged].map(_judge))


def _judge(text: str) -> str:
    language = str(_identifier().classify(text)[0])
    return UNKNOWN if language in _NO_LANGUAGE else language


@cache
def _identifier() -> LanguageIdentifier:
    """Load the model, once in a process: half a second."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=MIN_CONFIDENCE)
