"""One of the lakes of a crash test: told apart from the others by settings alone, over the same topics and buckets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import LakeSettings
from infra.crashtest.plan import LoseCheckpoint, LoseCommit, Loss
from infra.crashtest.sight import Place, place_of
from infra.stack import StackInfo
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.store import ObjectStore, open_store


@dataclass(frozen=True)
class LakeUnderTest:
    """A lake within the embedded stack; `env` is what a job needs to work in it."""

    name: str
    home: Path
    env: Mapping[str, str]
    settings: LakeSettings

    @property
    def place(self) -> Place:
        """Where it is on disk."""
        return place_of(self.home, self.settings.lake, self.settings.state)

    def published(self) -> ObjectStore:
        """Open the store of published Parquet."""
        return open_store(self.settings, self.settings.lake)

    def lose(self, loss: Loss) -> int:
        """Delete what a loss deletes; return how many objects that were."""
        state = open_store(self.settings, self.settings.state)
        keys = list(_lost(state, loss))
        state.delete(keys)
        return len(keys)


def lake_of(stack: StackInfo, name: str) -> LakeUnderTest:
    """Name a lake of its own within a running stack."""
    lake, state = f"{stack.lake}/{name}", f"{stack.state}/{name}"
    settings = LakeSettings(
        lake=lake,
        state=state,
        s3_endpoint=stack.s3_endpoint,
        s3_access_key=stack.s3_access_key,
        s3_secret_key=stack.s3_secret_key,
    )
    env = {**stack.env(), "COINLAKE_HOME": str(stack.home), "COINLAKE_LAKE": lake, "COINLAKE_STATE": state}
    return LakeUnderTest(name, stack.home, env, settings)


def _lost(state: ObjectStore, loss: Loss) -> Iterator[str]:
    folder = Checkpoint(state, loss.table).path
    if isinstance(loss, LoseCheckpoint):
        yield from state.keys(f"{folder}/")
    elif isinstance(loss, LoseCommit):
        numbered = {
            int(name): key for key in state.keys(f"{folder}/commits/") if (name := key.rpartition("/")[2]).isdigit()
        }
        if numbered:
            yield numbered[max(numbered)]
