"""Texts -> what is known of them: one table, row for row."""

import pandas as pd

from sentiment.clean import clean
from sentiment.language import languages_of
from sentiment.model import SCORES, model_of

DEFAULT_MODEL = "vader"


def score(texts: pd.Series, languages: pd.Series, model: str = DEFAULT_MODEL) -> pd.DataFrame:
    """Clean texts, tell their languages and score them.

    `languages` are as the sources told them, null where they did not. Returns, on the index of the texts, `clean_text`
    and `language` (strings), `negative`, `neutral`, `positive` and `compound` (float64, NaN where the model does not
    read the language), and `model`.

    Raises:
        SettingsError: there is no such model.
    """
    chosen = model_of(model)
    clean_texts = clean(texts)
    known = languages_of(clean_texts, languages)
    scores = chosen.score(clean_texts[chosen.reads(known)]).reindex(texts.index)
    return pd.DataFrame({"clean_text": clean_texts, "language": known, **scores[list(SCORES)], "model": chosen.name})
