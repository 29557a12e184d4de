"""What a store of queries is."""

from collections.abc import Mapping
from typing import Protocol

from serve.query.queries import Named
from serve.query.result import Result
from serve.query.values import Value


class Store(Protocol):
    """Something that answers queries: QuestDB, the lake or Kafka."""

    def check(self, named: Named) -> None:
        """Judge the SQL of a query of the file, as far as that goes without running it.

        Raises:
            SettingsError: it cannot be run; the message says why.
        """

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        """Run a query with these values, within its limits; what runs longer is stopped, and has ended on return.

        Raises:
            RefusedQueryError: the store refuses it.
            NothingThereError: a table or topic that it reads is not there.
            TimeLimitError: it took too long.
            BusyError: too many others run and wait.
            StoreDownError: the store does not answer.
        """

    async def close(self) -> None:
        """End what is left and give everything back."""
