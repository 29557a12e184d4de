"""Answers that are kept until their store has moved: a page that is drawn again asks only for what is new."""

from collections.abc import Mapping, Sequence

from serve.dashboard.ask import Ask, Row
from serve.dashboard.newest import UNREADABLE, Mark

_MOST = 200
"""Answers that are kept of one store at most."""


class Remembered:
    """Asks through `ask`, and remembers each answer for as long as the mark of its store stays."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._marks: dict[str, Mark] = {}
        self._answers: dict[str, dict[object, Sequence[Row]]] = {}
        self.asked = 0
        """How many queries went to the API."""

    def note(self, marks: Mapping[str, Mark]) -> None:
        """Forget the answers of the stores that have moved, and of those that cannot be read."""
        for store, mark in marks.items():
            if mark == UNREADABLE or self._marks.get(store) != mark:
                self._answers[store] = {}
        self._marks = dict(marks)

    def of(self, store: str) -> Ask:
        """Return what asks one store."""

        def ask(key: str, **parameters: object) -> Sequence[Row]:
            kept = self._answers.setdefault(store, {})
            question = (key, tuple(sorted(parameters.items())))
            if question not in kept:
                if len(kept) >= _MOST:
                    kept.clear()
                self.asked += 1
                kept[question] = self._ask(key, **parameters)
            return kept[question]

        return ask
