"""Stretches of event time, for what has to be computed again."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_SPANS = 50
"""More separate stretches than this are computed again as one: a query of many ranges costs more than it saves."""


class Span(NamedTuple):
    """From `start` to `end`, exclusive, both UTC."""

    start: dt.datetime
    end: dt.datetime


EVER = Span(dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC))
"""All of event time."""


def spans_of(starts: Iterable[dt.datetime], length: dt.timedelta) -> list[Span]:
    """Merge intervals of one length, given by their starts, into as few spans as cover them.

    >>> at = lambda minute: dt.datetime(2024, 3, 19, 12, minute, tzinfo=dt.UTC)
    >>> [(s.start.minute, s.end.minute) for s in spans_of([at(30), at(0), at(10)], dt.timedelta(minutes=10))]
    [(0, 20), (30, 40)]
    """
    spans: list[Span] = []
    for start in sorted(set(starts)):
        if spans and start <= spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, start + length))
        else:
            spans.append(Span(start, start + length))
    return [Span(spans[0].start, spans[-1].end)] if len(spans) > MOST_SPANS else spans


def widened(spans: Iterable[Span], before: dt.timedelta, after: dt.timedelta) -> list[Span]:
    """Stretch every span at both ends and merge those that then meet."""
    merged: list[Span] = []
    for start, end in sorted((max(span.start - before, EVER.start), min(span.end + after, EVER.end)) for span in spans):
        if merged and start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, end))
        else:
            merged.append(Span(start, end))
    return merged


def within(column: str, spans: Sequence[Span]) -> str:
    """Write, as SQL, that a time column lies in one of the spans and its row's `date` on one of their dates.

    Raises:
        ValueError: there is no span.
    """
    either = during(column, spans)
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    return f"date >= DATE '{first:%Y-%m-%d}' AND date <= DATE '{last:%Y-%m-%d}' AND {either}"


def during(column: str, spans: Sequence[Span]) -> str:
    """Write, as SQL, that a time column lies in one of the spans, whatever the row's `date` is the date of.

    Raises:
        ValueError: there is no span.
    """
    if not spans:
        raise ValueError("expected at least one span, found none")
    either = " OR ".join(f"({column} >= {_literal(span.start)} AND {column} < {_literal(span.end)})" for span in spans)
    return f"({either})"


def _literal(moment: dt.datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"


def aligned(span: Span, minutes: int) -> Span:
    """Widen a span to whole intervals, which start at multiples of their length since 1970."""
    length = dt.timedelta(minutes=minutes)
    below, above = (span.start - EVER.start) % length, (EVER.start - span.end) % length
    return Span(span.start - below, span.end + above)


def covering(spans: Iterable[Span], minutes: int) -> list[Span]:
    """Widen spans to whole intervals and merge those that then meet."""
    return widened((aligned(span, minutes) for span in spans), dt.timedelta(0), dt.timedelta(0))
