"""The blows as they fall: each waits for its moment, strikes, and says whether it hit it."""

import time
from typing import Protocol

from infra.children import Child
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.plan import LANDED, Blow, KillAtCommit, KillAtPublish, KillBroker
from infra.crashtest.sight import moment_of
from infra.stack import kill_part, restart_part

SETTLE_SECONDS = 0.3
"""How long the object store may take to finish what a killed driver had sent."""


class Strike(Protocol):
    """A blow that waits for its moment in a running job."""

    def due(self) -> bool:
        """Say whether the moment is now."""

    def deal(self, job: Child) -> str:
        """Strike. Return what was found afterwards where the moment was missed, else nothing."""


def arm(blow: Blow, lake: LakeUnderTest) -> Strike:
    """Make a blow ready; what it counts, it counts from now."""
    if isinstance(blow, KillAtCommit):
        return _AtCommit(blow, lake)
    if isinstance(blow, KillAtPublish):
        return _AtPublish(blow, lake)
    return _OfBroker(blow, lake)


class _AtCommit:
    def __init__(self, blow: KillAtCommit, lake: LakeUnderTest) -> None:
        self._blow = blow
        self._place = lake.place
        self._start = self._since = self._place.look(blow.table)

    def due(self) -> bool:
        now = self._place.look(self._blow.table)
        passed = self._since.version - max(self._start.version, 0)
        if passed >= self._blow.passing and moment_of(self._since, now) is self._blow.moment:
            return True
        if now.version != self._since.version:
            self._since = now
        return False

    def deal(self, job: Child) -> str:
        job.kill()
        time.sleep(SETTLE_SECONDS)
        found = moment_of(self._since, self._place.look(self._blow.table))
        return "" if found is self._blow.moment else f"it was {found or 'over'} by then"


class _AtPublish:
    def __init__(self, blow: KillAtPublish, lake: LakeUnderTest) -> None:
        self._blow = blow
        self._place = lake.place
        self._since = time.time()

    def due(self) -> bool:
        return self._place.published_since(self._blow.table, self._since) >= self._blow.objects

    def deal(self, job: Child) -> str:
        job.kill()
        time.sleep(SETTLE_SECONDS)
        return "it had published all" if self._place.version_published(self._blow.table) > self._since else ""


class _OfBroker:
    def __init__(self, blow: KillBroker, lake: LakeUnderTest) -> None:
        self._blow = blow
        self._lake = lake
        self._begun = self._batches()

    def due(self) -> bool:
        return self._blow.at_start or self._batches() != self._begun

    def deal(self, job: Child) -> str:
        kill_part(self._lake.home, "kafka")
        time.sleep(self._blow.down_seconds)
        restart_part(self._lake.home, "kafka")
        return ""

    def _batches(self) -> list[int]:
        return [self._lake.place.look(table).begun for table in LANDED]
