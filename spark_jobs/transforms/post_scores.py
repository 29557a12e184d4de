"""Posts -> their cleaned text, language, sentiment and signs of spam."""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from contracts.streams import SYMBOLS_OF_POSTS

_TOLD = ("coin", "venue", "post_id", "event_time", "author_id", "followers", "text")


def scored(posts: DataFrame) -> DataFrame:
    """Score posts whose coin is a symbol: rows of `posts_scored` but for `near_duplicate_of`.

    Scores are null where the model does not read the post's language.
    """
    from spark_jobs.transforms.judge_posts import JUDGED, judged  # noqa: PLC0415  # it brings pandas

    found = posts.withColumn("judged", judged("text", "lang"))
    return found.select(*_TOLD, *(f"judged.{name}" for name in JUDGED), F.to_date("event_time").alias("date"))


def symbol_of(coin: Column) -> Column:
    """Name the coin of a post by its symbol."""
    return F.create_map(*(F.lit(word) for pair in SYMBOLS_OF_POSTS.items() for word in pair))[coin]
