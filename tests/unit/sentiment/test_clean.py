"""Cleaning against texts by hand, and laws that hold for any text."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.clean import clean


def cleaned(text: str | None) -> str:
    return str(clean(pd.Series([text], dtype=object)).iloc[0])


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("RT @coindesk: The price is 748 https://t.co/lzUu2whesd https://t.co/HK", "The price is 748"),
        ("@a @b_1 agreed", "agreed"),
        ("write to me@example.org", "write to me@example.org"),
        ("see www.example.org/a?b=c, or pic.twitter.com/xyz", "see or"),
        ("cut off at https…", "cut off at"),
        ("$BTC is at $100 and $1k", "BTC is at $100 and $1k"),
        ("#Bitcoin #ToTheMoon #HODLing #BTC2021 #100 \uff03eth", "Bitcoin To The Moon HOD Ling BTC2021 100 eth"),
        ("AT&amp;T &gt; &#39;x&#39;", "AT&T > 'x'"),
        ("moon🚀🚀 🚀now", "moon 🚀 now"),
        ("👍🏽 ❤️ 👨‍🚀", "👍 ❤ 👨 🚀"),
        ("🇩🇪🇩🇪🇫🇷", "🇩🇪 🇫🇷"),
        ("1️⃣ first", "1 first"),
        ("soooo goooood", "soo good"),
        ("10000 and 1.000", "10000 and 1.000"),
        ("wow!!!!!!!! really????? hm.....", "wow!!! really??? hm..."),
        ("buy buy BUY now", "buy now"),
        ("buy buy now", "buy buy now"),
        ("a\n\tb\u00a0 c\u200b", "a b c"),
        ("", ""),
        (None, ""),
    ],
)
def test_text_is_cleaned(text: str | None, due: str) -> None:
    assert cleaned(text) == due


def test_each_text_keeps_its_place_and_index() -> None:
    found = clean(pd.Series(["a", None, "b"], index=[7, 3, 5], dtype=object))
    assert found.to_dict() == {7: "a", 3: "", 5: "b"}


@given(st.lists(st.text(), max_size=5))
def test_texts_are_cleaned_one_by_one(texts: list[str]) -> None:
    assert list(clean(pd.Series(texts, dtype=object))) == [cleaned(text) for text in texts]


@given(st.text())
def test_no_link_is_left_and_white_space_is_single(text: str) -> None:
    found = cleaned(f"{text} https://t.co/abc")
    assert "https://" not in found
    assert found == " ".join(found.split())
