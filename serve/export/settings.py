"""The settings of the export, and the rules by which its files are computed."""

import datetime as dt
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from contracts.settings import JobSettings, Seconds, SettingsGroup
from contracts.streams import COIN_MARKET_CAP

_DAY_SECONDS = 24 * 60 * 60


def _divides_a_day(seconds: int) -> int:
    if seconds <= 0 or _DAY_SECONDS % seconds:
        raise ValueError("expected seconds that divide a day")
    return seconds


class ExportSettings(SettingsGroup):
    """How long a bar of the export is, how often it wakes, and how much it holds in memory."""

    export_interval_seconds: Annotated[int, AfterValidator(_divides_a_day)] = 60
    """The length of a bar, by event time."""
    export_every_seconds: Seconds = 10
    """How often the export wakes and takes what has arrived."""
    export_max_messages: Annotated[int, Field(gt=0)] = 20_000
    """How many messages are taken at most before the files are replaced."""


class Rules(NamedTuple):
    """What the content of the files follows from, beside the messages. Times are in milliseconds."""

    interval: int
    lateness_quotes: int
    lateness_others: int
    max_ahead: int

    def lateness(self, topic: str) -> int:
        """Return how far the newest event of a symbol has to be past a bar's end for it to be closed."""
        return self.lateness_quotes if topic == COIN_MARKET_CAP.topic else self.lateness_others


def rules_of(export: ExportSettings, jobs: JobSettings) -> Rules:
    """Take the rules out of the settings; lateness and the limit of what is ahead are those of the Spark jobs."""
    return Rules(
        interval=export.export_interval_seconds * 1000,
        lateness_quotes=_milliseconds(jobs.lateness_coin_market_cap_seconds),
        lateness_others=_milliseconds(jobs.lateness_wallex_seconds),
        max_ahead=_milliseconds(jobs.max_ahead_seconds),
    )


def _milliseconds(seconds: float) -> int:
    return dt.timedelta(seconds=seconds) // dt.timedelta(milliseconds=1)
