"""What posts must be scored as: VADER itself, all compared with all, and exact sums in Python. No code of ours."""

import csv
import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LEXICON = Path(__file__).parents[2] / "sentiment" / "crypto_lexicon.tsv"
EXACT = Context(prec=90, rounding=ROUND_HALF_UP)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(hours=24)

Row = Mapping[str, Any]


def vader() -> Callable[[str], tuple[float, float, float, float]]:
    """Return VADER with the words of the lexicon: text -> negative, neutral, positive, compound."""
    analyzer = SentimentIntensityAnalyzer()
    with LEXICON.open(encoding="utf-8", newline="") as file:
        for line in csv.reader(file, delimiter="\t"):
            if line and not line[0].startswith("#"):
                analyzer.lexicon[line[0]] = float(line[1])

    def read(text: str) -> tuple[float, float, float, float]:
        said = analyzer.polarity_scores(text)
        return said["neg"], said["neu"], said["pos"], said["compound"]

    return read


def near_duplicates(rows: Iterable[Row]) -> dict[str, str | None]:
    """Compare each post with all that came in the day before it: post id -> the newest that says nearly the same."""
    ordered = sorted(rows, key=lambda row: (row["coin"], row["event_time"], row["venue"], row["post_id"]))
    words = [_words(row["clean_text"]) for row in ordered]
    found: dict[str, str | None] = {}
    for place, row in enumerate(ordered):
        found[row["post_id"]] = None
        for earlier in range(place - 1, -1, -1):
            other = ordered[earlier]
            if other["coin"] != row["coin"] or row["event_time"] - other["event_time"] > DAY:
                break
            if min(len(words[place]), len(words[earlier])) < 4:
                continue
            if 5 * len(words[place] & words[earlier]) >= 4 * len(words[place] | words[earlier]):
                found[row["post_id"]] = other["post_id"]
                break
    return found


def hours(rows: Iterable[Row]) -> dict[tuple[str, dt.datetime], dict[str, Any]]:
    """Count and average scored posts by coin and hour."""
    groups: dict[tuple[str, dt.datetime], list[Row]] = {}
    for row in rows:
        open_time = row["event_time"].replace(minute=0, second=0, microsecond=0)
        groups.setdefault((row["coin"], open_time), []).append(row)
    return {key: _hour(group, key[1] + HOUR) for key, group in groups.items()}


def _hour(posts: Sequence[Row], close_time: dt.datetime) -> dict[str, Any]:
    scored = [post for post in posts if post["compound"] is not None]
    originals = [post for post in scored if not post["spam"] and post["near_duplicate_of"] is None]
    compounds = [_compound(post) for post in scored]
    return {
        "close_time": close_time,
        "posts": len(posts),
        "spam": sum(post["spam"] for post in posts),
        "near_duplicates": sum(post["near_duplicate_of"] is not None for post in posts),
        "scored": len(scored),
        "mean_sentiment": mean(compounds),
        "weighted_sentiment": mean(compounds, [_weight(post["followers"]) for post in scored]),
        "share_positive": mean([Decimal(value >= Decimal("0.05")) for value in compounds]),
        "share_negative": mean([Decimal(value <= Decimal("-0.05")) for value in compounds]),
        "originals": len(originals),
        "original_sentiment": mean([_compound(post) for post in originals]),
    }


def _compound(post: Row) -> Decimal:
    return Decimal(repr(post["compound"]))


def _weight(followers: int | None) -> Decimal:
    return Decimal(f"{1 + math.log10(1 + (followers or 0)):.6f}")


def mean(values: Sequence[Decimal], weights: Sequence[Decimal] = ()) -> Decimal | None:
    """Average values exactly, rounded half up at 18 places; None of none."""
    if not values:
        return None
    weighted = list(zip(values, weights or [Decimal(1)] * len(values), strict=True))
    total = sum((weight for _, weight in weighted), Decimal(0))
    product = sum((EXACT.multiply(value, weight) for value, weight in weighted), Decimal(0))
    return EXACT.quantize(EXACT.divide(product, total), Decimal(1).scaleb(-18))


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 1)
