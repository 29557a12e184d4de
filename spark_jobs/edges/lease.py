"""The writer lease: each table has one writing driver at a time.

Delta on S3 loses commits when two drivers write one table. A lease is one small object, taken and renewed with
conditional puts: it lasts 30 s, is renewed every 10 s and checked before each commit. The window that remains: a
driver that stalls (a long pause, a frozen machine) between its check and the end of its commit, for longer than the
rest of its lease, may commit beside its successor.
"""

import datetime as dt
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psutil

from contracts.errors import LeaseHeldError, LeaseLostError, StoreError
from contracts.records import wire_time
from contracts.tables import Table
from spark_jobs.edges.store import ObjectStore

LIFETIME = dt.timedelta(seconds=30)
RENEWAL = dt.timedelta(seconds=10)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease, and until when. `machine` tells apart what may bear the same host name; "" is unknown."""

    host: str
    pid: int
    started: float
    until: dt.datetime
    machine: str = ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Lease:
    """The lease of a group of tables, held as a context manager.

    Raises:
        LeaseHeldError: on entering, where another driver holds one of the tables.
        LeaseLostError: from `check`, where a renewal failed for longer than the lease lasts.
    """

    def __init__(
        self,
        store: ObjectStore,
        tables: Sequence[Table],
        *,
        now: Callable[[], dt.datetime] = _now,
        pid: int | None = None,
    ) -> None:
        self._store = store
        self._keys = {lease_key(table): table for table in tables}
        self._now = now
        self._pid = os.getpid() if pid is None else pid
        self._tags: dict[str, str] = {}
        self._until = now()
        self._stop = threading.Event()
        self._renewer = threading.Thread(target=self._renew_forever, name="lease", daemon=True)

    def __enter__(self) -> Self:
        try:
            mine, body = self._mine()
            for key in self._keys:
                self._take(key, mine, body)
            self._until = mine.until
        except (LeaseHeldError, StoreError):
            self._release()
            raise
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._renewer.join()
        self._release()

    def check(self) -> None:
        """Raise LeaseLostError unless the lease still holds; call before each commit."""
        if self._now() >= self._until:
            raise LeaseLostError(
                f"the writer lease ran out at {wire_time(self._until)} and was not renewed: stopping before the commit"
            )

    def _mine(self) -> tuple[Holder, bytes]:
        started = psutil.Process(self._pid).create_time()
        holder = Holder(socket.gethostname(), self._pid, started, self._now() + LIFETIME, machine())
        return holder, msgspec.json.encode(holder)

    def _take(self, key: str, mine: Holder, body: bytes) -> None:
        stored = self._store.get(key)
        if stored is not None:
            other = msgspec.json.decode(stored.body, type=Holder)
            if other.until > self._now() and not _is_dead(other):
                raise _held(self._keys[key], other)
        tag = self._store.put_if(key, body, stored.tag if stored else None)
        if tag is None:
            now_stored = self._store.get(key)
            raise _held(self._keys[key], msgspec.json.decode(now_stored.body, type=Holder) if now_stored else mine)
        self._tags[key] = tag

    def _renew_forever(self) -> None:
        while not self._stop.wait(RENEWAL.total_seconds()):
            try:
                self.renew()
            except StoreError:
                continue  # the store may be back before the lease runs out; `check` decides

    def renew(self) -> None:
        """Extend the lease; a table that was taken from us makes the whole lease void."""
        mine, body = self._mine()
        for key, tag in self._tags.items():
            renewed = self._store.put_if(key, body, tag)
            if renewed is None:
                self._until = self._now()
                return
            self._tags[key] = renewed
        self._until = mine.until

    def _release(self) -> None:
        body = msgspec.json.encode(Holder(socket.gethostname(), self._pid, 0.0, self._now()))
        with suppress(StoreError):  # a lease that cannot be given back runs out by itself
            for key, tag in self._tags.items():
                self._store.put_if(key, body, tag)
        self._tags = {}


def lease_key(table: Table) -> str:
    """Return where the lease of a table lies in the store of state."""
    return f"leases/{table.name}.json"


def machine() -> str:
    """Name this machine since its start, and the space in which its process ids count; "" where neither is told."""
    try:
        return (
            f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{Path('/proc/self/ns/pid').stat().st_ino}"
        )
    except OSError:
        return ""


def _is_dead(holder: Holder) -> bool:
    """Say whether the holder ran on this very machine and runs no more, so that a restart need not wait."""
    if not holder.machine or holder.machine != machine():
        return False
    try:
        return bool(abs(psutil.Process(holder.pid).create_time() - holder.started) > 1)
    except psutil.NoSuchProcess:
        return True


def _held(table: Table, holder: Holder) -> LeaseHeldError:
    return LeaseHeldError(
        f"table {table.name} is being written by another driver (pid {holder.pid} on {holder.host},"
        f" lease until {wire_time(holder.until)})"
    )
