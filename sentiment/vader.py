"""VADER with the words of crypto: the model that needs no download."""

import pandas as pd
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from sentiment.language import ENGLISH, UNKNOWN
from sentiment.lexicon import crypto_lexicon, lexicon_version

_COLUMNS = {"neg": "negative", "neu": "neutral", "pos": "positive", "compound": "compound"}


class VaderModel:
    """A lexicon and rules for English of social media (Hutto and Gilbert 2014), with `crypto_lexicon.tsv` over it."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()
        self._analyzer.lexicon.update(crypto_lexicon())

    @property
    def name(self) -> str:
        """Name the model and the words added to it."""
        return f"vader-{lexicon_version()}"

    def reads(self, languages: pd.Series) -> pd.Series:
        """Accept English, and what is in no language that could be told: emoji, tickers, a word or two."""
        return languages.isin([ENGLISH, UNKNOWN])

    def score(self, clean_texts: pd.Series) -> pd.DataFrame:
        """Score each text; VADER reads one at a time, so the same text is read once."""
        # Not pandas' unique: it takes texts that differ after a NUL for the same one.
        read = {text: self._analyzer.polarity_scores(text) for text in dict.fromkeys(clean_texts)}
        rows = pd.DataFrame([read[text] for text in clean_texts], index=clean_texts.index, columns=list(_COLUMNS))
        return rows.rename(columns=_COLUMNS).astype("float64")
