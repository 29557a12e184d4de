"""X's limits: who is let in, and how many requests of 15 minutes each token has."""

import datetime as dt

import msgspec

WINDOW = dt.timedelta(minutes=15)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a token may do. `token` None lets every token in; an app has 450 requests of 15 minutes, a user 300."""

    token: str | None = None
    requests_per_window: int = 450


class Allowance(msgspec.Struct, frozen=True):
    """What is left of a window after a request, and when the next one begins; below 0 it is refused."""

    limit: int
    left: int
    reset: dt.datetime

    def headers(self) -> dict[str, str]:
        """Say it as the venue does."""
        return {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(max(self.left, 0)),
            "x-rate-limit-reset": str(int(self.reset.timestamp())),
        }


class Accounts:
    """Counts requests by token; a window begins with the first request after the last one's end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._windows: dict[str, tuple[dt.datetime, int]] = {}

    def admits(self, token: str) -> bool:
        """Say whether a token is one that is let in."""
        return bool(token) and self._plan.token in (None, token)

    def count(self, token: str, now: dt.datetime) -> Allowance:
        """Count a request."""
        reset, used = self._windows.get(token, (now, 0))
        if now >= reset:
            # A whole second, as the header says it.
            reset, used = now.replace(microsecond=0) + WINDOW, 0
        self._windows[token] = reset, used + 1
        return Allowance(self._plan.requests_per_window, self._plan.requests_per_window - used - 1, reset)

    def standing(self, now: dt.datetime) -> Allowance:
        """Say what a refused request is told that was not counted: nothing is left until the newest reset."""
        resets = [reset for reset, _ in self._windows.values() if reset > now]
        reset = max(resets, default=now.replace(microsecond=0) + WINDOW)
        return Allowance(self._plan.requests_per_window, 0, reset)
