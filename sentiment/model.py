"""What a model of sentiment must offer, and which there are: another one is a file of its own and a line here."""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import pandas as pd

from contracts.errors import SettingsError
from sentiment.vader import VaderModel

SCORES = ("negative", "neutral", "positive", "compound")
"""Shares of a text that are negative, neutral and positive, from 0 to 1, and the whole from -1 to 1."""


class SentimentModel(Protocol):
    """Scores cleaned texts."""

    @property
    def name(self) -> str:
        """Say which model and which version of its words gave a score: it is kept beside it."""

    def reads(self, languages: pd.Series) -> pd.Series:
        """Say of each language whether the model understands it (boolean)."""

    def score(self, clean_texts: pd.Series) -> pd.DataFrame:
        """Score each text: a frame of the columns SCORES (float64) on the index of the texts."""


MODELS: dict[str, Callable[[], SentimentModel]] = {"vader": VaderModel}


@cache
def model_of(name: str) -> SentimentModel:
    """Return the model of a name, loaded once in a process.

    Raises:
        SettingsError: there is no such model.
    """
    if name not in MODELS:
        raise SettingsError(f"expected a sentiment model out of {', '.join(MODELS)}, found {name}")
    return MODELS[name]()
