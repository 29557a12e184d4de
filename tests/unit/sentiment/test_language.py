"""Languages: what is told is believed, what is not is judged where that can be done."""

import pandas as pd
import pytest

from sentiment.language import languages_of

ENGLISH = "the price of bitcoin is going up again today"


def language(text: str, told: str | None) -> str:
    return str(languages_of(pd.Series([text]), pd.Series([told], dtype=object)).iloc[0])


@pytest.mark.parametrize(("told", "due"), [("de", "de"), ("EN", "en"), ("pt-BR", "pt"), ("in", "in")])
def test_what_the_source_told_is_believed(told: str, due: str) -> None:
    assert language(ENGLISH, told) == due


@pytest.mark.parametrize("told", [None, "", "und", "zxx", "qme", "qht"])
def test_a_text_without_a_language_is_judged(told: str | None) -> None:
    assert language(ENGLISH, told) == "en"


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("El precio de bitcoin vuelve a subir con fuerza esta semana en los mercados", "es"),
        ("Der Kurs von Bitcoin steigt heute schon wieder auf ein neues Hoch", "de"),
        ("ビットコインの価格は今日また上がっています。とても嬉しいです。", "ja"),
    ],
)
def test_other_languages_are_told(text: str, due: str) -> None:
    assert language(text, None) == due


@pytest.mark.parametrize("text", ["gm", "🚀🚀🚀", "BTC 45,000.00", "", "hodl to the moon"])
def test_a_text_of_few_letters_is_not_judged(text: str) -> None:
    assert language(text, None) == "und"


def test_texts_are_judged_one_by_one_on_their_index() -> None:
    texts = pd.Series([ENGLISH, "gm", ENGLISH], index=[4, 2, 9])
    told = pd.Series([None, None, "de"], index=[4, 2, 9], dtype=object)
    assert languages_of(texts, told).to_dict() == {4: "en", 2: "und", 9: "de"}
