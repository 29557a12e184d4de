"""Posts -> their cleaned text, language, sentiment and signs of spam, by a pandas UDF."""

import pandas as pd
import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StructField, StructType

from contracts.streams import SYMBOLS_OF_POSTS
from contracts.tables import POSTS_SCORED
from sentiment.model import SCORES
from sentiment.score import score
from sentiment.spam import spam_of

_TOLD = ("coin", "venue", "post_id", "event_time", "author_id", "followers", "text")
_SCORED = ("clean_text", "language", *SCORES, "model", "spam", "spam_signs")


def _judge(texts: pd.Series, languages: pd.Series) -> pd.DataFrame:
    scores = score(texts, languages)
    # To Spark NaN is a number, and None is what it calls null.
    known = scores.astype(object).where(scores.notna(), None)
    return pd.concat([known, spam_of(texts)], axis="columns")[list(_SCORED)]


# Arrow calls every column nullable.
_JUDGED = StructType([StructField(name, POSTS_SCORED.schema[name].dataType) for name in _SCORED])
_judged = pandas_udf(_judge, returnType=_JUDGED)  # type: ignore[call-overload]  # the stubs know none that gives a frame


def scored(posts: DataFrame) -> DataFrame:
    """Score posts whose coin is a symbol: rows of `posts_scored` but for `near_duplicate_of`.

    Scores are null where the model does not read the post's language.
    """
    judged = posts.withColumn("judged", _judged("text", "lang"))
    return judged.select(*_TOLD, *(f"judged.{name}" for name in _SCORED), F.to_date("event_time").alias("date"))


def symbol_of(coin: Column) -> Column:
    """Name the coin of a post by its symbol."""
    return F.create_map(*(F.lit(word) for pair in SYMBOLS_OF_POSTS.items() for word in pair))[coin]
