"""Scores against VADER itself, and what is not scored."""

import math

import pandas as pd
import pytest

from contracts.errors import SettingsError
from sentiment.lexicon import crypto_lexicon
from sentiment.model import SCORES, model_of
from sentiment.score import score
from tests.integration import posts_oracle

TEXTS = [
    "Bitcoin to the MOON 🚀🚀🚀!!!",
    "I got rekt, this is a scam",
    "not bullish at all",
    "Block 709049 holds 1,543 transactions",
    "",
    "gm",
    "Bitcoin to the MOON 🚀🚀🚀!!!",
]


def scored(texts: list[str], told: list[str | None] | None = None) -> pd.DataFrame:
    index = range(10, 10 + len(texts))
    languages = told or ["en"] * len(texts)
    return score(pd.Series(texts, index=index, dtype=object), pd.Series(languages, index=index, dtype=object))


def test_scores_are_those_of_vader_with_the_words_of_the_file() -> None:
    found, read = scored(TEXTS), posts_oracle.vader()
    assert list(found.index) == list(range(10, 10 + len(TEXTS)))
    assert [tuple(row) for row in found[list(SCORES)].to_numpy()] == [read(text) for text in found["clean_text"]]
    assert len(set(found["compound"])) > 4


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("bullish", 1),
        ("wagmi", 1),
        ("hodl", 1),
        ("🚀", 1),
        ("📈", 1),
        ("📉", -1),
        ("rekt", -1),
        ("rugpull", -1),
        ("ngmi", -1),
        ("a block of a share", 0),
    ],
)
def test_words_of_crypto_count(text: str, sign: int) -> None:
    compound = float(scored([text])["compound"].iloc[0])
    assert (compound > 0) - (compound < 0) == sign


def test_a_language_that_the_model_does_not_read_has_no_score() -> None:
    found = scored(["Bitcoin ist großartig", "great", "great"], ["de", None, "und"])
    assert found["language"].tolist() == ["de", "und", "und"]
    assert all(math.isnan(found[name].iloc[0]) for name in SCORES)
    assert found["compound"].iloc[1] == found["compound"].iloc[2] > 0
    assert found["model"].nunique() == 1


def test_nothing_is_scored_as_nothing() -> None:
    found = scored([])
    assert found.empty
    assert {"clean_text", "language", *SCORES, "model"} == set(found.columns)


def test_texts_that_differ_only_after_a_nul_are_texts_of_their_own() -> None:
    texts = pd.Series(["moon\0 great", "moon\0 terrible"])
    good, bad = score(texts, pd.Series(["en", "en"]))["compound"]
    assert good > bad


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="expected a sentiment model out of vader, found oracle"):
        model_of("oracle")


def test_the_lexicon_has_words_of_both_sides_within_vaders_range() -> None:
    lexicon = crypto_lexicon()
    assert len(lexicon) > 100
    assert min(lexicon.values()) < -3
    assert max(lexicon.values()) > 2
    assert all(-4 <= valence <= 4 and word == word.lower().strip() for word, valence in lexicon.items())
