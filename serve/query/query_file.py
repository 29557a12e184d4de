"""The file of queries, read anew when it changes; an edit that is broken changes nothing but what is said of it."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from contracts.errors import SettingsError
from serve.query.queries import CheckSql, Named, QueryFileError, StoreName, read_queries

SHIPPED = Path(__file__).parent / "queries.json"
LOOK_SECONDS = 0.2
"""How often the file is looked at, at most."""


class QueryFile:
    """The queries of a file as they are now."""

    def __init__(
        self,
        path: Path,
        checks: Mapping[StoreName, CheckSql],
        *,
        clock: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Read the file.

        Raises:
            SettingsError: it cannot be read, or is not as it has to be: there is no older one to go on with.
        """
        self._path = path
        self._checks = checks
        self._clock = clock
        self._look_seconds = look_seconds
        self._looked_at = clock()
        self._seen: tuple[int, int, int] | None = None
        self._hash = b""
        self._queries: dict[str, Named] = {}
        self.problem: QueryFileError | None = None
        self.reads = 0
        """How often its content was new."""
        self._read()
        if self.problem is not None:
            raise SettingsError(f"{path}: {self.problem}")

    def queries(self) -> dict[str, Named]:
        """Return the queries by their keys; looks at the file first, if that was not just done."""
        now = self._clock()
        if now - self._looked_at >= self._look_seconds:
            self._looked_at = now
            self._read()
        return self._queries

    def _read(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            text = self._path.read_bytes()
        except OSError as error:
            self._seen = None
            self._refuse(QueryFileError(f"expected a file that can be read, found: {error.strerror}"))
            return
        self._seen = seen
        digest = hashlib.sha256(text).digest()
        if digest == self._hash and self.problem is None:
            return
        self._hash = digest
        try:
            self._queries = read_queries(text, self._checks)
        except QueryFileError as problem:
            self._refuse(problem)
            return
        self.problem = None
        self.reads += 1
        structlog.get_logger().info("queries_read", file=str(self._path), queries=len(self._queries))

    def _refuse(self, problem: QueryFileError) -> None:
        if self.problem is None or str(self.problem) != str(problem):
            structlog.get_logger().warning("queries_refused", file=str(self._path), problem=str(problem))
        self.problem = problem
