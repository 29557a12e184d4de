"""How long each stage of our job took, from the lines that it prints."""

import re
from collections.abc import Callable, Mapping

START, STOP = "start", "stop"
_STAGE = re.compile(r"stage (?P<name>[a-z][a-z_]*) +(?P<seconds>\d+(?:\.\d+)?) s")


class StageClock:
    """Take a job's lines as they come; a line `stage <name> <seconds> s` ends a stage.

    `start` is the time until the first stage began (the JVM, the session), `stop` the time after the last one ended.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._start: float | None = None
        self._last_end = self._began
        self._stages: dict[str, float] = {}

    def read(self, line: str) -> None:
        """Note a stage, if the line ends one; a stage that ends twice counts with both times."""
        found = parse_stage(line)
        if found is None:
            return
        name, seconds = found
        self._last_end = self._now()
        if self._start is None:
            self._start = max(0.0, self._last_end - self._began - seconds)
        self._stages[name] = self._stages.get(name, 0.0) + seconds

    def stages(self, wall_seconds: float) -> Mapping[str, float]:
        """Return the seconds of every stage in the order in which they ended; none where the job printed none."""
        if self._start is None:
            return {}
        stop = max(0.0, wall_seconds - (self._last_end - self._began))
        return {START: self._start, **self._stages, STOP: stop}


def parse_stage(line: str) -> tuple[str, float] | None:
    """Read the name and the seconds of a stage from a line; None where it says something else.

    >>> parse_stage("stage land 12.3 s"), parse_stage("wallex batch 3 in 402")
    (('land', 12.3), None)
    """
    found = _STAGE.fullmatch(line.strip())
    return (found["name"], float(found["seconds"])) if found else None
