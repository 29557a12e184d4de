"""Posts out of a file: JSON lines or CSV, with the names that X's API v2 gives its fields.

A row has `id`, `text` and `created_at`, and may have `lang`, `author_id`, `author_followers` and the counts of
`public_metrics`, in an object of that name or beside the others. A CSV file names them in its first line.
"""

import csv
import datetime as dt
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from contracts.errors import NoDataError, SettingsError, TransientSourceError
from contracts.records import Post, Rejected
from contracts.streams import Stream
from ingest.fields import FieldError, member, not_ahead, object_field, text_field, time_field
from ingest.post_fields import counts, fitting, optional_count, raw_text, written
from ingest.reject import reject
from ingest.wire_json import Members, NumberText, load

VENUE = "file"
LONGEST_LINE = 1_000_000
"""Characters of a line that are read; a post is half as long at most."""
_PICKLES = ("pkl", "pickle")
_NEEDED = ("id", "text", "created_at")
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBERS = frozenset({"author_followers", "retweet_count", "reply_count", "like_count", "quote_count"})


class Row(msgspec.Struct, frozen=True):
    """One row of a file: its line (of several, the last), what it says, and why that is no JSON or no row."""

    line: int
    item: object
    problem: str | None = None


def read_posts(
    path: Path, stream: Stream, ingest_time: dt.datetime, max_ahead: dt.timedelta
) -> Iterator[Post | Rejected]:
    """Read the posts of a file about the coin of a stream; what is none is rejected with its line and the reason.

    An id is there once: of a row that repeats it only the reason is kept, and the row.

    Raises:
        NoDataError: there is no such file.
        SettingsError: it is neither JSON lines nor CSV, cannot be read, or its first line lacks a name.
    """
    seen: set[str] = set()
    for row in _rows(path):
        try:
            if row.problem is not None:
                raise FieldError(row.problem)
            post = fitting(_post(object_field("row", row.item), path.name, stream, ingest_time))
            not_ahead("created_at", post.event_time, ingest_time, max_ahead)
            if post.post_id in seen:
                raise FieldError(f"id: expected once in a file, found {post.post_id[:40]} again")
            seen.add(post.post_id)
            yield post
        except FieldError as error:
            reason = f"{path.name} line {row.line}: {error}"
            yield reject(VENUE, stream, reason, row.item, poll_time=ingest_time, ingest_time=ingest_time)


def _post(item: Members, file_name: str, stream: Stream, ingest_time: dt.datetime) -> Post:
    post_id = text_field("id", member(item, "id"))
    return Post(
        venue=VENUE,
        event_time=time_field("created_at", member(item, "created_at")),
        ingest_time=ingest_time,
        coin=stream.topic,
        post_id=post_id,
        followers=optional_count("author_followers", item),
        found_by=file_name,
        raw=raw_text(item),
        **counts(item),
        **written(item),
    )


def _rows(path: Path) -> Iterator[Row]:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind not in ("jsonl", "csv"):
        never = "; a pickle is never read, for that is to run what it says" if kind in _PICKLES else ""
        raise SettingsError(f"{path}: expected a file that ends in .jsonl or .csv, or in that and .gz{never}")
    if not path.is_file():
        raise NoDataError(f"{path}: expected a file of posts, found none")
    try:
        # A return alone, or one of the lines that Unicode knows, ends no line of JSON; what ends a row, csv knows.
        with _opened(path, newline="\n" if kind == "jsonl" else "") as file:
            yield from _json_lines(file) if kind == "jsonl" else _csv_rows(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"{path}: expected a file that can be read, found: {error}") from None


def _opened(path: Path, newline: str) -> IO[str]:
    """Open a file whose bytes that are no UTF-8 spoil their own row alone."""
    open_file = gzip.open if path.suffix == ".gz" else open
    return open_file(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _lines(file: IO[str]) -> Iterator[str]:
    """Give the lines of a file, and of one that no post is as long as its beginning: a file may be one line alone."""
    while line := file.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and not line.endswith("\n"):
            line = file.readline(LONGEST_LINE)


def _json_lines(file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(_lines(file), start=1):
        text = line.strip()
        if len(line) == LONGEST_LINE:
            yield Row(number, text, f"expected a line of fewer than {LONGEST_LINE} characters")
        elif text:
            try:
                yield Row(number, load(text))
            except TransientSourceError as error:
                yield Row(number, text, str(error))


def _csv_rows(file: IO[str], path: Path) -> Iterator[Row]:
    read: list[str] = []

    def remembered() -> Iterator[str]:
        for line in _lines(file):
            read.append(line)
            yield line

    reader = csv.reader(remembered())
    names = _names(next(reader, []), path)
    while True:
        read.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.line_num, "".join(read), f"expected a row of CSV, found: {error}")
            continue
        if len(cells) == len(names):
            named = zip(names, cells, strict=True)
            yield Row(reader.line_num, Members(_cell(name, text) for name, text in named if text))
        elif cells:
            yield Row(reader.line_num, "".join(read), f"expected {len(names)} columns, found {len(cells)}")


def _names(names: list[str], path: Path) -> list[str]:
    if missing := [name for name in _NEEDED if name not in names]:
        raise SettingsError(f"{path}: expected columns {', '.join(_NEEDED)} in its first line, found no {missing[0]}")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise SettingsError(f"{path}: expected each column once in its first line, found {repeated[0]} again")
    return names


def _cell(name: str, text: str) -> tuple[str, object]:
    """Give a cell the type that JSON would have given it; an empty one is not there."""
    return name, NumberText(text) if name in _NUMBERS and _NUMBER.fullmatch(text) else text
