"""`python -m benchmarks.scoring.loop POSTS SCORES`: each post for itself, with VADER and `re` alone."""

import html
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from sentiment.clean import STEPS
from sentiment.lexicon import crypto_lexicon


def score_each(posts: Path, scores: Path) -> float:
    """Clean and score every post in turn and write post_id and compound; return the seconds that scoring took."""
    table = pq.read_table(posts, columns=["post_id", "text"])
    analyzer = SentimentIntensityAnalyzer()
    analyzer.lexicon.update(crypto_lexicon())
    ids, texts = table["post_id"].to_pylist(), table["text"].to_pylist()
    began = time.monotonic()
    compounds = []
    for text in texts:
        cleaned = html.unescape(text)
        for pattern, put in STEPS:
            cleaned = pattern.sub(put, cleaned)
        compounds.append(analyzer.polarity_scores(cleaned.strip())["compound"])
    seconds = time.monotonic() - began
    scores.mkdir()
    pq.write_table(pa.table({"post_id": ids, "compound": compounds}), scores / "part-0.parquet")
    return seconds


if __name__ == "__main__":
    print(f"scored in {score_each(Path(sys.argv[1]), Path(sys.argv[2])):.3f} s")
