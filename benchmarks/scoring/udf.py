"""`python -m benchmarks.scoring.udf POSTS SCORES`: the job's plan, but for the marks of near-duplicates."""

import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from spark_jobs.transforms.post_scores import scored

CORES = 2


def score_all(posts: Path, scores: Path) -> float:
    """Score the posts in Spark and write what the job would; return the seconds of the second run.

    The first one, of a tenth, starts the Python workers and loads VADER in them.
    """
    spark = (
        SparkSession.builder.master(f"local[{CORES}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    rows = spark.read.parquet(str(posts)).repartition(CORES * 2)
    rows.sample(0.1, seed=1).transform(scored).write.format("noop").mode("overwrite").save()
    began = time.monotonic()
    rows.transform(scored).select("post_id", "compound", "spam").write.parquet(str(scores))
    seconds = time.monotonic() - began
    spark.stop()
    return seconds


if __name__ == "__main__":
    print(f"scored in {score_all(Path(sys.argv[1]), Path(sys.argv[2])):.3f} s")
