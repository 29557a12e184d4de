"""Signs of spam, each by a text that bears it and one that does not."""

import pandas as pd
import pytest

from sentiment.spam import signs_of, spam_of


def signs(text: str | None) -> set[str]:
    row = signs_of(pd.Series([text], dtype=object)).iloc[0]
    return {str(name) for name in row.index[row]}


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Huge giveaway this week", {"giveaway"}),
        ("Claim it while you can", {"giveaway"}),
        ("I exclaimed", set()),
        ("Follow and retweet, friends", {"asks for reach"}),
        ("I follow the news", set()),
        ("Join our Telegram", {"leads away"}),
        ("they joined us", set()),
        ("Guaranteed daily profits", {"promises profit"}),
        ("nothing is sure", set()),
        ("a " + "#b " * 9, {"tags"}),
        ("a " + "#b " * 8, set()),
        ("wow " + "🚀" * 5, {"pictures"}),
        ("wow " + "🚀" * 4, set()),
        ("line\n" * 6, {"lines"}),
        ("line\n" * 5, set()),
        ("rate 12 of 90", {"figures"}),
        ("only one digit 1 in all of this", set()),
        ("LOUD and LOUDER words", {"capitals"}),
        ("Quiet words", set()),
        ("see https://t.co/A1B2C3D4E5", set()),
        (None, set()),
        ("", set()),
    ],
)
def test_signs_are_found(text: str | None, due: set[str]) -> None:
    assert signs(text) == due


def test_two_signs_make_spam_and_one_does_not() -> None:
    texts = pd.Series(["Join our Telegram", "Huge giveaway, join our Telegram", None], index=[5, 1, 3], dtype=object)
    found = spam_of(texts)
    assert found["spam"].to_dict() == {5: False, 1: True, 3: False}
    assert found["spam_signs"].to_dict() == {5: "leads away", 1: "giveaway, leads away", 3: ""}
