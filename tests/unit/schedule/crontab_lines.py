"""A crontab as cron reads it: variables, and lines of five times and a command."""

import datetime as dt
import re
from dataclasses import dataclass

from croniter import croniter

DAY = dt.datetime(2024, 3, 19, tzinfo=dt.UTC)


@dataclass(frozen=True)
class CronJob:
    """One line: when, and what."""

    times: str
    command: str


@dataclass(frozen=True)
class Crontab:
    """What a crontab says."""

    env: dict[str, str]
    jobs: list[CronJob]

    def job(self, command: str) -> CronJob:
        """Return the one line that runs a command."""
        (found,) = (job for job in self.jobs if re.search(rf"\b{command}\b", job.command))
        return found


def parse(text: str) -> Crontab:
    """Read a user crontab; a line that is none raises ValueError."""
    env: dict[str, str] = {}
    jobs: list[CronJob] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.fullmatch(r"([A-Z_][A-Z0-9_]*)=(.*)", line):
            env[match[1]] = match[2]
            continue
        *times, command = line.split(maxsplit=5)
        if len(times) != 5 or not croniter.is_valid(" ".join(times)):
            raise ValueError(f"expected five times and a command, found {line!r}")
        jobs.append(CronJob(" ".join(times), command))
    return Crontab(env, jobs)


def due_in_a_day(times: str) -> list[dt.datetime]:
    """List when a line is due within one day."""
    moments = croniter(times, DAY - dt.timedelta(seconds=1), ret_type=dt.datetime)
    found = []
    while (moment := moments.get_next()) < DAY + dt.timedelta(days=1):
        found.append(moment)
    return found
