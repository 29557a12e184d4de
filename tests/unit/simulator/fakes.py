"""Stand-ins for the world around the simulator."""

import datetime as dt

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


class FakeWall:
    """A wall clock that moves only when told to."""

    def __init__(self, moment: dt.datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> dt.datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += dt.timedelta(**span)


class RecordingSleep:
    """A sleep that returns at once and holds what it was asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
