"""Where points come from, as the server sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serve.live.points import Point


@dataclass(frozen=True)
class Batch:
    """What was read in one go.

    `starts_anew`: the topic is another one, what was read before is void. `caught_up`: all that was in the topic when
    the feed was opened has been read.
    """

    points: list[Point] = field(default_factory=list)
    unreadable: int = 0
    starts_anew: bool = False
    caught_up: bool = True


Take = Callable[[Batch], None]


class Feed(Protocol):
    """Reads points, of each symbol in the order of their sequences."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be read, None while it can."""

    async def run(self, take: Take) -> None:
        """Hand batches over in the event loop until cancelled."""
