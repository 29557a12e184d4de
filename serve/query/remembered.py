"""Answers that are known: the same question on the same files has the same rows."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from serve.query.result import Result

MOST_BYTES = 64 * 1024 * 1024
"""How much is kept in all; the answers that were not asked for longest go first."""
_BYTES_OF_A_CELL = 100
"""What a value of Python takes beside what it says: a decimal of 16 bytes is an object of 104."""
_Key = tuple[object, ...]


class Remembered:
    """Answers by questions. A question holds on to what it was asked of, so that no other takes its place.

    What it was asked of may take much more memory than the answer, so of each name that is one thing alone: answers
    from what another has replaced are forgotten when the first of that other one comes.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._guard = threading.Lock()
        self._answers: OrderedDict[_Key, tuple[Mapping[str, object], Result]] = OrderedDict()
        self._sources: dict[str, object] = {}

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
        size = _size(result)
        key = _key(sql, values, sources)
        with self._guard:
            self._replace(sources)
            if key in self._answers or size > self._most_bytes // 8:
                return
            self._answers[key] = dict(sources), result
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._answers)))

    def _replace(self, sources: Mapping[str, object]) -> None:
        replaced = {name for name, source in sources.items() if self._sources.get(name) is not source}
        if replaced:
            for key, (asked, _) in list(self._answers.items()):
                if any(name in asked and asked[name] is not sources[name] for name in replaced):
                    self._forget(key)
            self._sources.update(sources)

    def _forget(self, key: _Key) -> None:
        _, result = self._answers.pop(key)
        self._bytes -= _size(result)


def _key(sql: str, values: Mapping[str, object], sources: Mapping[str, object]) -> _Key:
    # 1 and True are equal, and so are Decimal("1") and 1: the type belongs to the value.
    given = tuple((name, type(value).__name__, str(value)) for name, value in sorted(values.items()))
    return sql, given, tuple((name, id(source)) for name, source in sorted(sources.items()))


def _size(result: Result) -> int:
    return result.nbytes + _BYTES_OF_A_CELL * (len(result.rows) + 1) * (len(result.columns) + 1)
