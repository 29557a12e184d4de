"""A small client of the query API: `hit_endpoint(key, **params)` returns rows, their values typed by their columns."""

import base64
import datetime as dt
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from http.client import HTTPException
from typing import Any

import msgspec
from pydantic import SecretStr

from contracts.errors import CoinlakeError
from contracts.settings import SettingsGroup, Url

PATIENCE_SECONDS = 60.0
Row = dict[str, Any]


class ClientSettings(SettingsGroup):
    """Where a client finds the query API."""

    query_url: Url = "http://127.0.0.1:8766"
    query_token: SecretStr = SecretStr("")


class EndpointError(CoinlakeError):
    """The API did not answer with rows; the message is its own.

    `status` is that of HTTP, 0 where nobody answered. `kind` is the API's word for what went wrong, such as
    `unknown_query`, `wrong_parameter`, `time_limit` or `store_down`; `unreachable` where nobody answered, `truncated`
    where there are more rows than the query may return.
    """

    def __init__(self, message: str, *, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class _Column(msgspec.Struct, frozen=True):
    name: str
    type: str


class _Answer(msgspec.Struct, frozen=True):
    columns: list[_Column]
    rows: list[list[Any]]
    truncated: bool


class _Problem(msgspec.Struct, frozen=True):
    error: str
    kind: str = "http"
    expected: str = ""
    found: str = ""
    hint: str = ""


def hit_endpoint(
    key: str,
    *,
    url: str | None = None,
    token: str | None = None,
    seconds: float = PATIENCE_SECONDS,
    cut: bool = False,
    **params: object,
) -> list[Row]:
    """Ask a named query, and return its rows by the names of their columns.

    Decimals are `Decimal`, times `datetime` in UTC, dates `date`, binaries `bytes`. A parameter that is None is not
    given. An answer that was cut off at the query's row limit is an error: a part is no whole.

    Args:
        key: the query, as `GET /api/q` lists it.
        url: where the API is; without it COINLAKE_QUERY_URL.
        token: its token, where it has one; without it COINLAKE_QUERY_TOKEN.
        seconds: how long to wait.
        cut: take the first rows where there are more than the query may return.
        params: the query's parameters. One that is called as an argument of ours cannot be given.

    Raises:
        EndpointError: it was refused, nobody answered, or there are more rows than `row_limit` and `cut` is false.
        SettingsError: COINLAKE_QUERY_URL is no URL.
    """
    settings = ClientSettings.load()
    base = (url or settings.query_url).rstrip("/")
    known = settings.query_token.get_secret_value() if token is None else token
    given = {name: _written(value) for name, value in params.items() if value is not None}
    asked = f"{base}/api/q/{urllib.parse.quote(key, safe='')}?{urllib.parse.urlencode(given)}"
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {known}"} if known else {})}
    answer = _answer(_body(urllib.request.Request(asked, headers=headers), base, seconds))
    if answer.truncated and not cut:
        raise EndpointError(
            f"query {key}: expected all rows, found more than its row limit of {len(answer.rows)} (ask for less, or"
            " take the first ones with cut=True)",
            status=200,
            kind="truncated",
        )
    return _rows(answer)


def asking(url: str, token: str = "") -> Callable[..., list[Row]]:
    """Return `hit_endpoint` for one API: a function of a key and its parameters."""
    return partial(hit_endpoint, url=url, token=token)


def _body(request: urllib.request.Request, base: str, seconds: float) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error.code, error.read()) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise EndpointError(f"query API at {base}: no answer: {reason}", status=0, kind="unreachable") from None


def _refused(status: int, body: bytes) -> EndpointError:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = _Problem(error=f"the query API answered {status}")
    said = [f"expected {problem.expected}"] if problem.expected else []
    said += [f"found {problem.found}"] if problem.found else []
    message = f"{problem.error}: {', '.join(said)}" if said else problem.error
    return EndpointError(f"{message} ({problem.hint})" if problem.hint else message, status=status, kind=problem.kind)


def _answer(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EndpointError(f"expected an answer of the query API, found: {error}", status=200, kind="http") from None


def _rows(answer: _Answer) -> list[Row]:
    readers = [(column.name, _READERS.get(column.type)) for column in answer.columns]
    return [
        {
            name: cell if cell is None or read is None else read(cell)
            for (name, read), cell in zip(readers, row, strict=True)
        }
        for row in answer.rows
    ]


def _written(value: object) -> str:
    """Write a parameter as the API reads it; a time without a zone is UTC."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        utc = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
        return utc.isoformat().replace("+00:00", "Z")
    return str(value)


_READERS: Mapping[str, Callable[[Any], object]] = {
    "decimal": Decimal,
    "time": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "binary": base64.b64decode,
}
