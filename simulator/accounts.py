"""CoinMarketCap's accounts: which keys are let in, how often a minute, and on how many credits."""

import datetime as dt
from collections import Counter

import msgspec

INVALID_KEY, MISSING_KEY, MINUTE_LIMIT, DAY_LIMIT, MONTH_LIMIT = 1001, 1002, 1008, 1009, 1010


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do. `key` None lets every key in; credits None are without limit.

    The free plan has 15,000 credits a month; its minute limit is 30 in one public source and 50 in another.
    """

    key: str | None = None
    requests_per_minute: int = 30
    credits_per_day: int | None = None
    credits_per_month: int | None = 15_000


class Accounts:
    """Counts requests and credits per key, on the simulated clock's minutes, days and months."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests: Counter[tuple[str, dt.datetime]] = Counter()
        self._days: Counter[tuple[str, dt.date]] = Counter()
        self._months: Counter[tuple[str, int, int]] = Counter()

    def admit(self, key: str, now: dt.datetime) -> int | None:
        """Count a request and return the error code that refuses it, None where it is let in."""
        if not key:
            return MISSING_KEY
        if self._plan.key is not None and key != self._plan.key:
            return INVALID_KEY
        minute = (key, now.replace(second=0, microsecond=0))
        self._requests[minute] += 1
        if self._requests[minute] > self._plan.requests_per_minute:
            return MINUTE_LIMIT
        if _spent(self._days[key, now.date()], self._plan.credits_per_day):
            return DAY_LIMIT
        if _spent(self._months[key, now.year, now.month], self._plan.credits_per_month):
            return MONTH_LIMIT
        return None

    def spend(self, key: str, credit_count: int, now: dt.datetime) -> None:
        """Charge a served request."""
        self._days[key, now.date()] += credit_count
        self._months[key, now.year, now.month] += credit_count


def _spent(used: int, limit: int | None) -> bool:
    return limit is not None and used >= limit
