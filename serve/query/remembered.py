"""Answers that are known: the same question on the same files has the same rows."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from serve.query.result import Result

MOST_CELLS = 400_000
"""How many cells are kept in all, some 60 MB; the answers that were not asked for longest go first."""


class Remembered:
    """Answers by questions. A question holds on to what it was asked of, so that no other takes its place."""

    def __init__(self, most_cells: int = MOST_CELLS) -> None:
        self._most_cells = most_cells
        self._cells = 0
        self._guard = threading.Lock()
        self._answers: OrderedDict[tuple[object, ...], tuple[Mapping[str, object], Result]] = OrderedDict()

    def get(self, sql: str, values: Mapping[str, object], sources: Mapping[str, object]) -> Result | None:
        """Return the answer to a question that was asked of these very sources; None where it was not."""
        key = _key(sql, values, sources)
        with self._guard:
            if key not in self._answers:
                return None
            self._answers.move_to_end(key)
            return self._answers[key][1]

    def put(self, sql: str, values: Mapping[str, object], sources: Mapping[str, object], result: Result) -> None:
        """Remember an answer, unless it is a large part of all that may be kept."""
        size = _cells(result)
        if size > self._most_cells // 8:
            return
        key = _key(sql, values, sources)
        with self._guard:
            if key in self._answers:
                return
            self._answers[key] = sources, result
            self._cells += size
            while self._cells > self._most_cells:
                _, (_, oldest) = self._answers.popitem(last=False)
                self._cells -= _cells(oldest)


def _key(sql: str, values: Mapping[str, object], sources: Mapping[str, object]) -> tuple[object, ...]:
    # 1 and True are equal, and so are Decimal("1") and 1: the type belongs to the value.
    given = tuple((name, type(value).__name__, str(value)) for name, value in sorted(values.items()))
    return sql, given, tuple((name, id(source)) for name, source in sorted(sources.items()))


def _cells(result: Result) -> int:
    return (len(result.rows) + 1) * max(1, len(result.columns))
