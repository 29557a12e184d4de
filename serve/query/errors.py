"""Every way in which a question is not answered, each with its HTTP status and a word that programs go by."""

from typing import ClassVar

import msgspec

from contracts.errors import CoinlakeError


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer that is none."""

    error: str
    kind: str
    expected: str | None = None
    found: str | None = None
    hint: str | None = None


class QueryError(CoinlakeError):
    """The root: a question that is not answered."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"

    def __init__(
        self, message: str, *, expected: str | None = None, found: str | None = None, hint: str | None = None
    ) -> None:
        said = [f"expected {expected}"] if expected else []
        said += [f"found {found}"] if found else []
        super().__init__(f"{message}: {', '.join(said)}" if said else message)
        self.problem = Problem(error=message, kind=self.kind, expected=expected, found=found, hint=hint)


class ParameterError(QueryError):
    """A parameter is missing, unknown, given twice, or not of its type."""

    status = 400
    kind = "wrong_parameter"


class FormatError(QueryError):
    """Neither JSON nor CSV is asked for."""

    status = 406
    kind = "wrong_format"


class NoTokenError(QueryError):
    """A token is needed."""

    status = 401
    kind = "no_token"


class WrongHostError(QueryError):
    """The server was called by a name that is none of its own."""

    status = 403
    kind = "wrong_host"


class UnknownQueryError(QueryError):
    """There is no query of this key."""

    status = 404
    kind = "unknown_query"


class NothingThereError(QueryError):
    """The query is fine, and a table or topic that it reads is not there yet."""

    status = 404
    kind = "nothing_there"


class RefusedQueryError(QueryError):
    """The store refuses the SQL of the file, or what it makes of these values."""

    status = 422
    kind = "refused"


class TimeLimitError(QueryError):
    """The query took longer than it may, and was stopped.

    Not 408, which browsers and proxies answer by asking the same again.
    """

    status = 422
    kind = "time_limit"


class BusyError(QueryError):
    """As many queries run and wait as may."""

    status = 429
    kind = "busy"


class StoreDownError(QueryError):
    """The store does not answer."""

    status = 503
    kind = "store_down"


class FaultError(QueryError):
    """A fault of the server's own; its log says which."""


ERRORS: tuple[type[QueryError], ...] = (
    ParameterError,
    NoTokenError,
    WrongHostError,
    UnknownQueryError,
    NothingThereError,
    FormatError,
    RefusedQueryError,
    TimeLimitError,
    BusyError,
    FaultError,
    StoreDownError,
)
"""All that a client may meet."""
