"""A monthly budget of API credits, counted on the UTC calendar."""

import datetime as dt


class CreditBudget:
    """Credits that may be spent in one calendar month.

    Counted since this process started: what was spent earlier in the month is the venue's to say (code 1010).
    """

    def __init__(self, per_month: int) -> None:
        self.per_month = per_month
        self._spent = 0
        self._month: tuple[int, int] | None = None

    def take(self, cost: int, now: dt.datetime) -> bool:
        """Spend `cost` credits; False, and nothing spent, where this month's budget does not hold them."""
        month = (now.year, now.month)
        if month != self._month:
            self._month, self._spent = month, 0
        if self._spent + cost > self.per_month:
            return False
        self._spent += cost
        return True

    def give_back(self, cost: int) -> None:
        """Take back credits that the venue did not charge: an answer with an error costs nothing."""
        self._spent = max(0, self._spent - cost)


def next_minute(now: dt.datetime) -> float:
    """Return the seconds to the next full minute."""
    return 60 - now.second - now.microsecond / 1e6


def next_day(now: dt.datetime) -> float:
    """Return the seconds to the next UTC midnight."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
    return (midnight - now).total_seconds()


def next_month(now: dt.datetime) -> float:
    """Return the seconds to the first midnight of the next UTC month.

    >>> next_month(dt.datetime(2024, 12, 31, 23, 59, tzinfo=dt.UTC))
    60.0
    """
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=now.year + now.month // 12, month=now.month % 12 + 1)
    return (following - now).total_seconds()
