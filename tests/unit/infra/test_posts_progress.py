"""What an import of posts says at its end."""

from pathlib import Path

import pytest

from infra.posts_progress import showing_progress
from ingest.import_posts import Imported


def test_the_sum_is_told_and_where_refused_rows_are_with_the_first_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with showing_progress(Path("folder/posts.csv")) as watch:
        watch(Imported(500, 500))
        watch(Imported(1_203, 700, 3, "posts.csv line 501: no [id]"))
    assert capsys.readouterr().out.splitlines() == [
        "posts.csv  1,203 rows: 700 posts new, 500 there before, 3 rejected",
        "rejected rows are in ingest_rejected, with the reason; the first: posts.csv line 501: no [id]",
    ]


def test_a_file_without_a_refused_row_says_its_sum_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with showing_progress(Path("posts.csv")) as watch:
        watch(Imported(2, 2))
    assert len(capsys.readouterr().out.splitlines()) == 1
