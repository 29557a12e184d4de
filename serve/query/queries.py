"""The named queries: what the file says, checked."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.errors import SettingsError
from serve.query.parameters import Parameter, check_parameter
from serve.query.statement import Statement

StoreName = Literal["questdb", "lake", "kafka"]
STORE_NAMES: tuple[StoreName, ...] = ("questdb", "lake", "kafka")

Limit = Annotated[float, Meta(gt=0, le=300)]
Rows = Annotated[int, Meta(ge=1, le=100_000)]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = ("format", "token")
"""Query-string names that are the API's own."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One query as the file has it. SQL is one text, or one text for each line of it."""

    description: str
    store: StoreName
    sql: str | tuple[str, ...]
    parameters: dict[str, Parameter] = msgspec.field(default_factory=dict)
    time_limit_seconds: Limit = 10.0
    row_limit: Rows = 1000


class Named(msgspec.Struct, frozen=True):
    """A query with its key and its SQL, both checked."""

    key: str
    query: Query
    statement: Statement


class QueryFileError(SettingsError):
    """The file of queries is not as it has to be; `key` is that of the query that is not, where it is one."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


CheckSql = Callable[[Named], None]
"""What a store can say of a query's SQL before it runs; raises SettingsError."""


def read_queries(text: bytes, checks: Mapping[StoreName, CheckSql]) -> dict[str, Named]:
    """Read a file of queries.

    Raises:
        QueryFileError: it is no JSON object of queries, or one of them is wrong; the message names key and field.
    """
    try:
        entries = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise QueryFileError(f"expected a JSON object of queries by their keys, found: {error}") from None
    return {key: _named(key, bytes(entry), checks) for key, entry in entries.items()}


def _named(key: str, entry: bytes, checks: Mapping[StoreName, CheckSql]) -> Named:
    try:
        if not _NAME.fullmatch(key):
            raise SettingsError("expected a key of lower case letters, digits and _, at most 63")
        query = msgspec.json.decode(entry, type=Query)
        named = Named(key, query, _statement(query))
        _check_parameters(named)
        checks[query.store](named)
    except msgspec.ValidationError as error:
        raise QueryFileError(f"{key}: {_with_field(str(error))}", key) from None
    except SettingsError as error:
        raise QueryFileError(f"{key}: {error}", key) from None
    return named


def _statement(query: Query) -> Statement:
    try:
        return Statement(query.sql if isinstance(query.sql, str) else "\n".join(query.sql))
    except SettingsError as error:
        raise SettingsError(f"sql: {error}") from None


def _check_parameters(named: Named) -> None:
    declared, used = named.query.parameters, named.statement.names
    for name in used:
        if name not in declared:
            raise SettingsError(f"sql: expected parameters of {', '.join(declared) or 'none'}, found :{name}")
    for name, parameter in declared.items():
        if not _NAME.fullmatch(name) or name in RESERVED:
            raise SettingsError(
                f"parameters.{name}: expected lower case letters, digits and _, and none of {', '.join(RESERVED)}"
            )
        if name not in used:
            raise SettingsError(f"parameters.{name}: expected a parameter that the SQL uses, found no :{name} in it")
        check_parameter(name, parameter)


def _with_field(text: str) -> str:
    """Put the field before what is wrong with it.

    >>> _with_field("Expected `int`, got `str` - at `$.row_limit`")
    'row_limit: expected `int`, got `str`'
    """
    said, _, place = text.partition(" - at `$")
    field = place.rstrip("`").lstrip(".")
    said = said[:1].lower() + said[1:]
    return f"{field}: {said}" if field else said
