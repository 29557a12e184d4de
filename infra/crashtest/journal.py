"""What was done in a crash test, with times: printed as it happens, and once more at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Journal:
    """Counts seconds from when it was made."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin = self.clock()

    def tell(self, line: str) -> None:
        """Print a line of progress with its time."""
        self.say(self._stamped(line))

    def note(self, line: str) -> None:
        """Print a line and keep it for the end."""
        self.done.append(self._stamped(line))
        self.say(self.done[-1])

    def quote(self, line: str) -> None:
        """Print a line of a program that runs below us."""
        self.say(f"             | {line}")

    def _stamped(self, line: str) -> str:
        return f"[{self.clock() - self._begin:7.1f} s] {line}"
