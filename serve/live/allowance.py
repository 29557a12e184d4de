"""How many messages a client may send. No I/O."""


class Allowance:
    """A bucket that holds two seconds' worth of messages and fills again by `per_second`. Times in seconds."""

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._left = 2.0 * per_second
        self._filled = now

    def take(self, now: float) -> bool:
        """Take one message; say whether it was allowed."""
        self._left = min(2.0 * self._per_second, self._left + (now - self._filled) * self._per_second)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
