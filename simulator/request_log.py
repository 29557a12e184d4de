"""The newest requests the venues received, so that a test can compare what was served with what landed."""

import datetime as dt
from collections import deque
from collections.abc import Mapping

import msgspec

from simulator.faults import FaultKind

_SECRET = frozenset({"CMC_PRO_API_KEY"})


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `simulated_time` is what its `Date` says, `status` is None where nothing was answered."""

    number: int
    venue: str
    path: str
    query: Mapping[str, str]
    simulated_time: dt.datetime
    wall_time: dt.datetime
    status: int | None
    fault: FaultKind | None


class RequestLog:
    """Keeps the newest `size` requests; numbers start at 1 and show how many were dropped."""

    def __init__(self, size: int) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=size)
        self._count = 0

    def add(
        self,
        *,
        venue: str,
        path: str,
        query: Mapping[str, str],
        simulated_time: dt.datetime,
        wall_time: dt.datetime,
        status: int | None,
        fault: FaultKind | None,
    ) -> None:
        """Append a request."""
        self._count += 1
        self._entries.append(
            LoggedRequest(
                number=self._count,
                venue=venue,
                path=path,
                query=query,
                simulated_time=simulated_time,
                wall_time=wall_time,
                status=status,
                fault=fault,
            )
        )

    def entries(self, venue: str | None = None, after: int = 0) -> list[LoggedRequest]:
        """List the kept requests of one venue or of all, with numbers above `after`."""
        return [entry for entry in self._entries if venue in (None, entry.venue) and entry.number > after]


def redacted(query: Mapping[str, str]) -> dict[str, str]:
    """Mask the values of query parameters that are keys."""
    return {name: "***" if name in _SECRET else value for name, value in query.items()}
