"""Posts that say nearly what another has said shortly before.

Two posts are near-duplicates where the sets of their words have a Jaccard similarity (common words / all words of both)
of at least 4/5. Found exactly, without comparing all with all: sets that similar share a word among the first
`_prefix_length` of each, in any order of words that is the same for all (Chaudhuri, Ganti, Kaushik 2006, "A primitive
operator for similarity joins in data cleaning"). The rarest words come first: of 2,938 recorded posts 8,994 pairs are
left to compare, where with the longest first it were a million.
"""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame, Window

COMMON, ALL = 4, 5
"""The least similarity, as a fraction of whole numbers."""
LEAST_WORDS = 4
"""A post of fewer words is like many others by chance."""
LOOKED_BACK = "INTERVAL 24 HOURS"

_KEY = ("coin", "words_key")


def marked(posts: DataFrame) -> DataFrame:
    """Add `near_duplicate_of`: the id of the newest earlier post that says nearly the same, null where there is none.

    Takes rows with coin, venue, post_id (together unique), event_time and clean_text. Earlier is by event time, then
    venue and id; of the same coin and at most 24 hours before. Words are runs of two letters or more, without regard to
    case, so numbers, marks and emoji make no difference. Batch only.
    """
    told = posts.withColumn("words", words_of(F.col("clean_text"))).withColumn("words_key", F.array_join("words", " "))
    long_enough = told.where(F.size("words") >= LEAST_WORDS)
    sayings = long_enough.groupBy(*_KEY).agg(F.first("words").alias("words"))
    said = long_enough.select("coin", F.col("words_key").alias("like_key"), "venue", "post_id", "event_time")
    order = Window.partitionBy(*_KEY).orderBy("event_time", "venue", "post_id")
    before = F.lag(F.struct("post_id", "event_time")).over(order)
    found = (
        _likenesses(sayings)
        .join(said, on=["coin", "like_key"], how="inner")
        .withColumn("before", before)
        .where(F.col("like_key") == F.col("words_key"))
        .where(F.col("before.event_time") >= F.col("event_time") - F.expr(LOOKED_BACK))
        .select("coin", "venue", "post_id", F.col("before.post_id").alias("near_duplicate_of"))
    )
    return posts.join(found, on=["coin", "venue", "post_id"], how="left")


def words_of(text: Column) -> Column:
    """List the words of a text, each once, by alphabet."""
    runs = F.split(F.lower(text), r"[^\p{L}]+")
    return F.array_sort(F.array_distinct(F.filter(runs, lambda word: F.length(word) >= 2)))


def _likenesses(sayings: DataFrame) -> DataFrame:
    """Pair each set of words (coin, words_key, words) with those like it and with itself: coin, words_key, like_key."""
    entries = _rarest_first(sayings).withColumn("word", F.explode("prefix"))
    left, right = entries.alias("left"), entries.alias("right")
    common, united = (F.size(both("left.words", "right.words")) for both in (F.array_intersect, F.array_union))
    pairs = (
        left.join(
            right,
            on=(F.col("left.coin") == F.col("right.coin"))
            & (F.col("left.word") == F.col("right.word"))
            & (F.col("left.words_key") < F.col("right.words_key"))
            # Each pair once: by the first word that both prefixes have.
            & (F.col("left.word") == F.get(F.array_intersect("left.prefix", "right.prefix"), 0)),
            how="inner",
        )
        .where(ALL * common >= COMMON * united)
        .select("left.coin", "left.words_key", F.col("right.words_key").alias("like_key"))
    )
    return (
        sayings.select("coin", "words_key", F.col("words_key").alias("like_key"))
        .unionByName(pairs)
        .unionByName(pairs.select("coin", F.col("like_key").alias("words_key"), F.col("words_key").alias("like_key")))
    )


def _rarest_first(sayings: DataFrame) -> DataFrame:
    """Add `prefix`, the words by which a set is looked up: those that the fewest sets have, then by alphabet."""
    words = sayings.select(*_KEY, F.explode("words").alias("word"))
    seldom = words.groupBy("coin", "word").agg(F.count("*").alias("sets"))
    prefix = F.slice(F.array_sort(F.collect_list(F.struct("sets", "word"))), 1, _prefix_length(F.count("*")))
    prefixes = (
        words.join(seldom, on=["coin", "word"], how="inner")
        .groupBy(*_KEY)
        .agg(F.transform(prefix, lambda one: one["word"]).alias("prefix"))
    )
    return sayings.join(prefixes, on=list(_KEY), how="inner")


def _prefix_length(size: Column) -> Column:
    """Return how many words of a set are looked up: size - ceil(size x 4/5) + 1."""
    return (size - F.ceil(size * F.lit(COMMON) / F.lit(ALL)) + 1).cast("int")
