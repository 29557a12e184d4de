"""Posts out of files: rows are read, and what is none is kept with its line."""

import csv
import datetime as dt
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import NoDataError, SettingsError
from contracts.records import Post, Rejected, decode, encode
from contracts.streams import ETHEREUM
from ingest.posts_file import LONGEST_LINE, read_posts
from tests.unit.ingest.fakes import NOON

HOUR = dt.timedelta(hours=1)
AHEAD = "2024-03-19T13:00:01Z"
GOOD: dict[str, Any] = {"id": "1", "text": "gm", "created_at": "2021-11-10T09:00:04.000Z"}


def read(path: Path) -> list[Post | Rejected]:
    return list(read_posts(path, ETHEREUM, NOON, HOUR))


def read_text(folder: Path, name: str, text: str | bytes) -> list[Post | Rejected]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def reasons(rows: list[Post | Rejected]) -> list[str]:
    return [row.reason for row in rows if isinstance(row, Rejected)]


def test_a_row_of_json_becomes_a_post_with_all_that_is_told(tmp_path: Path) -> None:
    item = {**GOOD, "lang": "en", "author_id": "a7", "author_followers": 12}
    item["public_metrics"] = {"retweet_count": 1, "reply_count": 2, "like_count": 3, "quote_count": 4}
    [found] = read_text(tmp_path, "posts.jsonl", json.dumps(item))
    assert found == Post(
        **{"venue": "file", "event_time": dt.datetime(2021, 11, 10, 9, 0, 4, tzinfo=dt.UTC), "ingest_time": NOON},
        **{"coin": "ethereum", "post_id": "1", "text": "gm", "lang": "en", "author_id": "a7", "followers": 12},
        **{"reposts": 1, "replies": 2, "likes": 3, "quotes": 4, "found_by": "posts.jsonl", "raw": json.dumps(item)},
    )


def test_a_row_of_csv_says_the_same_and_an_empty_cell_nothing(tmp_path: Path) -> None:
    text = (
        "text,id,created_at,like_count,retweet_count,author_followers,lang\n"
        '"two\nlines, and ""quotes""",1,2021-11-10T09:00:04Z,3,,12,\n'
    )
    [found] = read_text(tmp_path, "posts.csv", text)
    assert isinstance(found, Post)
    assert (found.text, found.likes, found.reposts, found.followers, found.lang) == (
        *('two\nlines, and "quotes"', 3, None, 12, None),
    )
    assert json.loads(found.raw) == {
        **{"text": found.text, "id": "1", "created_at": "2021-11-10T09:00:04Z"},
        **{"like_count": 3, "author_followers": 12},
    }


def test_a_compressed_file_is_read_alike(tmp_path: Path) -> None:
    plain = read_text(tmp_path, "posts.jsonl", json.dumps(GOOD))
    packed = read_text(tmp_path, "posts.jsonl.gz", gzip.compress(json.dumps(GOOD).encode()))
    assert [encode(row).replace(b".gz", b"") for row in packed] == [encode(row) for row in plain]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "2"', "expected JSON, found Expecting ',' delimiter at character 10 of 10"),
        ("[]", "row: expected an object, found []"),
        (json.dumps({**GOOD, "id": 2}), "id: expected a text, found 2"),
        (json.dumps({"text": "gm", "created_at": GOOD["created_at"]}), "id: expected a text, found nothing"),
        (json.dumps({**GOOD, "id": "2", "created_at": None}), "created_at: expected an RFC 3339 time, found null"),
        (
            json.dumps({**GOOD, "id": "2", "created_at": "1969-12-31T23:59:59.999Z"}),
            'created_at: expected a time from 1970 on, found "1969-12-31T23:59:59.999Z"',
        ),
        (json.dumps({**GOOD, "id": "2", "author_followers": "many"}), "author_followers: expected a whole number"),
        (json.dumps({**GOOD, "id": "2", "text": "\ud800"}), "text: expected a text"),
        (b'{"id": "2", "text": "\xff", "created_at": "2021-11-10T09:00:04Z"}', "text: expected a text"),
        (json.dumps(GOOD), "id: expected once in a file, found 1 again"),
        (json.dumps({**GOOD, "id": "2", "created_at": AHEAD}), "created_at: expected at most 3600 s ahead of"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_the_others_are_read(
    tmp_path: Path, line: str | bytes, reason: str
) -> None:
    bad = line if isinstance(line, bytes) else line.encode()
    last = json.dumps({**GOOD, "id": "3"}).encode()
    found = read_text(tmp_path, "posts.jsonl", b"\n".join([json.dumps(GOOD).encode(), b"", bad, last, b""]))
    assert [row.post_id for row in found if isinstance(row, Post)] == ["1", "3"]
    [refused] = [row for row in found if isinstance(row, Rejected)]
    assert refused.reason.startswith(f"posts.jsonl line 3: {reason}")
    assert (refused.venue, refused.stream) == ("file", "ethereum")
    assert decode(encode(refused), Rejected) == refused


def test_a_bad_row_of_csv_is_rejected_with_the_line_it_ends_on(tmp_path: Path) -> None:
    text = (
        "id,text,created_at,like_count\n"
        "1,gm,2021-11-10T09:00:04Z,3\n"
        "2,gm\n"
        '3,"two\nlines",today,3\n'
        "4,gm,2021-11-10T09:00:04Z,2.0\n"
        f"5,{'x' * 200_000},2021-11-10T09:00:04Z,3\n"
        "6,gm,2021-11-10T09:00:04Z,3\n"
    )
    found = read_text(tmp_path, "posts.csv", text)
    assert [row.post_id for row in found if isinstance(row, Post)] == ["1", "6"]
    assert reasons(found) == [
        "posts.csv line 3: expected 4 columns, found 2",
        'posts.csv line 5: created_at: expected an RFC 3339 time, found "today"',
        'posts.csv line 6: like_count: expected a whole number of at least 0, found "2.0"',
        "posts.csv line 7: expected a row of CSV, found: field larger than field limit (131072)",
    ]
    kept = [row.payload for row in found if isinstance(row, Rejected)]
    assert (kept[0], kept[3]) == (b"2,gm\n", f"5,{'x' * 200_000},2021-11-10T09:00:04Z,3\n".encode()), "as it came"


@pytest.mark.parametrize("name", ["posts.jsonl", "posts.csv"])
def test_a_line_that_is_no_post_is_not_read_to_its_end(tmp_path: Path, name: str) -> None:
    """A file may be one line alone, of any length."""
    head, rows = ("id,text,created_at\n", [*GOOD.values()]) if name == "posts.csv" else ("", GOOD)
    row = ",".join(rows) if isinstance(rows, list) else json.dumps(rows)
    found = read_text(tmp_path, name, f"{head}{'x' * 5_000_000}\n{row}\n")
    refused, post = found
    assert isinstance(post, Post)
    assert isinstance(refused, Rejected)
    assert len(refused.payload) == 500_000
    assert refused.reason.endswith(f"(the first 500000 of {LONGEST_LINE} bytes are kept)")


def test_a_return_within_a_line_of_json_ends_it_not(tmp_path: Path) -> None:
    [found] = read_text(tmp_path, "posts.jsonl", json.dumps(GOOD).replace(", ", ",\r") + "\r\n")
    assert isinstance(found, Post)


def test_what_is_no_file_of_posts_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="expected a file of posts, found none"):
        read(tmp_path / "posts.csv")
    with pytest.raises(SettingsError, match=r"expected a file that ends in \.jsonl or \.csv, or in that and \.gz"):
        read_text(tmp_path, "posts.xlsx", "")
    with pytest.raises(SettingsError, match=r"expected columns id, text, created_at in its first line, found no id"):
        read_text(tmp_path, "posts.csv", "tweet,created_at\n")
    with pytest.raises(SettingsError, match="expected each column once in its first line, found id again"):
        read_text(tmp_path, "posts.csv", "id,text,created_at,id\n")
    for name in ("posts.pkl", "posts.pickle.gz"):
        with pytest.raises(SettingsError, match="a pickle is never read, for that is to run what it says"):
            read_text(tmp_path, name, "")
    with pytest.raises(SettingsError, match="expected a file that can be read, found"):
        read_text(tmp_path, "cut.jsonl.gz", gzip.compress(json.dumps(GOOD).encode())[:-9])


@pytest.mark.parametrize("changes", [{"text": '"' * 180_000}, {"id": "7" * 320_000, "text": "x" * 100_000}])
def test_a_post_that_no_message_holds_is_rejected_and_ends_no_import(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Kafka's client refuses a message of 1,000,000 bytes, however often it is tried."""
    largest = json.dumps({**GOOD, "text": '"' * 100_000})
    refused, post = read_text(tmp_path, "posts.jsonl", json.dumps({**GOOD, **changes}) + "\n" + largest)
    assert isinstance(refused, Rejected)
    assert "line 1: post: expected at most 950000 bytes as a message, found 1" in refused.reason
    assert isinstance(post, Post)
    assert len(encode(refused)) < 950_000


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
counts = st.none() | st.integers(min_value=0, max_value=10**17)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(texts, counts, st.none() | texts), max_size=8))
def test_both_kinds_of_file_say_what_was_written(rows: list[tuple[str, int | None, str | None]]) -> None:
    items = [
        {**GOOD, "id": str(number), "text": text, "like_count": likes, "lang": lang}
        for number, (text, likes, lang) in enumerate(rows)
    ]
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, [*GOOD, "like_count", "lang"])
    writer.writeheader()
    writer.writerows(items)
    with tempfile.TemporaryDirectory() as folder:
        of_json = read_text(Path(folder), "p.jsonl", "\n".join(json.dumps(i, ensure_ascii=False) for i in items))
        of_csv = read_text(Path(folder), "p.csv", written.getvalue())
    for found in (of_json, of_csv):
        said = [(row.text, row.likes, row.lang) for row in found if isinstance(row, Post)]
        assert said == rows, reasons(found)
