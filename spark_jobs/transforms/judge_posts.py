"""The pandas UDF that judges texts: a module of its own, as pandas is slow to load and most runs have no post."""

import pandas as pd
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StructField, StructType

from contracts.tables import POSTS_SCORED
from sentiment.model import SCORES
from sentiment.score import score
from sentiment.spam import spam_of

JUDGED = ("clean_text", "language", *SCORES, "model", "spam", "spam_signs")


def _judge(texts: pd.Series, languages: pd.Series) -> pd.DataFrame:
    scores = score(texts, languages)
    # To Spark NaN is a number, and None is what it calls null.
    known = scores.astype(object).where(scores.notna(), None)
    return pd.concat([known, spam_of(texts)], axis="columns")[list(JUDGED)]


# Arrow calls every column nullable.
_TYPE = StructType([StructField(name, POSTS_SCORED.schema[name].dataType) for name in JUDGED])
judged = pandas_udf(_judge, returnType=_TYPE)  # type: ignore[call-overload]  # the stubs know none that gives a frame
"""Judge a text (string) in a language (string): a struct of the columns JUDGED."""
