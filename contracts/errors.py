"""Every error a user can meet, as one small tree.

A message says what was expected and what was found. The CLI prints the message on one line and
exits with `exit_code`.
"""


class CoinlakeError(Exception):
    """The root of all errors that are meant for a user's eyes."""

    exit_code = 1


class SettingsError(CoinlakeError):
    """A setting is missing or has a value that cannot be used."""

    exit_code = 2


class RecordError(CoinlakeError):
    """A payload is not the record it should be."""


class TransientSourceError(CoinlakeError):
    """The venue did not answer as it should, and a later try may succeed.

    `retry_after` is the number of seconds the venue asked us to wait, None where it did not say.
    `kind` is a short stable word for metrics (`timeout`, `http_5xx`, `rate_limited`, ...).
    """

    def __init__(self, message: str, *, kind: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class FatalSourceError(CoinlakeError):
    """The venue will refuse every further try (a bad key, an ended plan): stop and say so."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class UndeliveredError(CoinlakeError):
    """Kafka did not acknowledge some records in time; `count` says how many."""

    def __init__(self, message: str, *, count: int) -> None:
        super().__init__(message)
        self.count = count


class TopicError(CoinlakeError):
    """A Kafka topic is missing, or is not the one this table was landed from."""


class BrokerError(CoinlakeError):
    """Kafka cannot be reached."""


class StoreError(CoinlakeError):
    """The object store cannot be reached, refuses our key, or lacks a bucket."""


class DatabaseError(CoinlakeError):
    """QuestDB cannot be reached, refuses our user, or refuses a statement."""


class ConnectorError(CoinlakeError):
    """Kafka Connect cannot be reached, refuses a connector, or a connector does not run."""


class LeaseHeldError(CoinlakeError):
    """Another driver is writing this table."""


class LeaseLostError(CoinlakeError):
    """Our own lease ran out before we could renew it: stop before the next commit."""


class JobError(CoinlakeError):
    """A streaming query ended with an error."""


class ExportError(CoinlakeError):
    """An export's file cannot be read or written, or is not what goes on from where it stands."""


class StackError(CoinlakeError):
    """The embedded stack cannot start or has lost a part: a port in use, no JDK, a dead child."""


class NoDataError(CoinlakeError):
    """The question is fine and there is nothing to answer it with."""
