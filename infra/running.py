"""Programs that run side by side, each started again when it ends by itself."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import StackError
from infra.children import Child

MOST_STARTS = 5
WITHIN_SECONDS = 60.0
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Part:
    """One program: its name, what starts it, and the variables it gets beside ours."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Running:
    """Programs that run for the length of a block; each has a log of its own in `logs`."""

    def __init__(self, logs: Path, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._logs = logs
        self._say = say
        self._clock = clock
        self._stack = ExitStack()
        self._children: dict[str, tuple[Part, Child]] = {}
        self._starts: dict[str, list[float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, part: Part) -> Child:
        """Start a program."""
        log = self._logs / f"{part.name}.log"
        child = self._stack.enter_context(Child(part.name, part.command, env=part.env, log=log, each_line=_ignore))
        self._children[part.name] = (part, child)
        self._starts.setdefault(part.name, []).append(self._clock())
        return child

    def change(self, part: Part) -> None:
        """Start a program that already runs in this way when it has to be started again."""
        _, child = self._children[part.name]
        self._children[part.name] = (part, child)

    def pids(self) -> dict[str, int]:
        """Return the process ids by the names of the programs."""
        return {name: child.pid for name, (_, child) in self._children.items()}

    def revive(self) -> None:
        """Start again what has ended, and say so.

        Raises:
            StackError: a program ends again and again.
        """
        for part, child in list(self._children.values()):
            if child.running():
                continue
            recent = [at for at in self._starts[part.name] if self._clock() - at < WITHIN_SECONDS]
            if len(recent) >= MOST_STARTS:
                raise StackError(f"{part.name} ended {len(recent)} times within a minute: {child.last_words()}")
            self._say(f"{part.name} ended ({child.last_words()}); starting it again")
            self.start(part)

    def port_in(self, file: Path, name: str) -> str:
        """Wait until a program has written the port that it chose to a file, and return it.

        Raises:
            StackError: it does not in time, or ends again and again.
        """
        deadline = self._clock() + PATIENCE_SECONDS
        while not (file.exists() and file.read_text().strip()):
            if self._clock() > deadline:
                raise StackError(f"{name} did not start in {PATIENCE_SECONDS:g} s")
            self.revive()
            time.sleep(0.05)
        return file.read_text().strip()


def _ignore(_line: str) -> None:
    """Take a line of standard output that no one reads; what is worth reading is in the log."""
