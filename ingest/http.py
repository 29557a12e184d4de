"""One small HTTP client: read the whole body, and name what went wrong."""

import datetime as dt
import email.utils
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from contracts.errors import FatalSourceError, TransientSourceError

_TRY_AGAIN = frozenset({408, 425})


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end. `date` is the venue's clock, None where the header is missing or malformed.

    Names of `headers` are in lower case.
    """

    origin: str
    status: int
    content_type: str
    body: str
    date: dt.datetime | None
    retry_after: float | None
    headers: Mapping[str, str] = field(default_factory=dict)

    def venue_time(self) -> dt.datetime:
        """Return the venue's clock when it answered.

        Raises:
            TransientSourceError: kind `no_date`; our own clock is no substitute for the venue's.
        """
        if self.date is None:
            raise TransientSourceError(
                f"{self.origin}: expected a Date header with an HTTP date, found none that can be read", kind="no_date"
            )
        return self.date

    def check(self) -> None:
        """Accept a 200 answer that may be JSON.

        Raises:
            TransientSourceError: 429, 418, 408, 425, 5xx, or HTML where JSON was expected.
            FatalSourceError: any other status: the request itself is wrong, or we are not let in.
        """
        found = f"{self.origin}: expected status 200, found {self.status}"
        if self.status == 429:
            raise TransientSourceError(found, kind="rate_limited", retry_after=self.retry_after)
        if self.status == 418:
            raise TransientSourceError(found, kind="banned", retry_after=self.retry_after)
        if self.status >= 500:
            raise TransientSourceError(found, kind="http_5xx", retry_after=self.retry_after)
        if self.status in _TRY_AGAIN:
            raise TransientSourceError(found, kind="http_4xx", retry_after=self.retry_after)
        if self.status != 200:
            raise FatalSourceError(found, kind="http_4xx" if self.status >= 400 else "http_3xx")
        if "html" in self.content_type.lower() or self.body.lstrip("\ufeff \t\r\n").startswith("<"):
            raise TransientSourceError(f"{self.origin}: expected JSON, found HTML", kind="html")


class HttpClient(Protocol):
    """What a source asks of HTTP."""

    async def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Fetch a URL; raise TransientSourceError where no whole answer arrived."""


class AiohttpClient:
    """HttpClient over one aiohttp session; secrets travel in headers and never in messages."""

    def __init__(
        self, session: aiohttp.ClientSession, *, timeout_seconds: float, now: Callable[[], dt.datetime]
    ) -> None:
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._now = now

    async def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Fetch a URL and read the body to its end; redirects are not followed (a key must not travel on).

        Raises:
            TransientSourceError: kind `timeout`, `cut`, `connection` or `encoding`.
        """
        origin = origin_of(url)
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        try:
            async with self._session.get(
                url, params=params, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                raw = await response.read()
                status, header = response.status, response.headers
        except TimeoutError:
            raise TransientSourceError(
                f"{origin}: expected an answer within {self._timeout_seconds:g} s, found none", kind="timeout"
            ) from None
        except aiohttp.ClientPayloadError:
            raise TransientSourceError(f"{origin}: expected a whole answer, found a cut one", kind="cut") from None
        except (aiohttp.ClientError, OSError) as error:
            # The text of an aiohttp error may hold the whole URL: only its type is told.
            raise TransientSourceError(
                f"{origin}: expected an answer, found no connection ({type(error).__name__})", kind="connection"
            ) from None
        date = http_date(header.get("Date"))
        try:
            body = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise TransientSourceError(f"{origin}: expected UTF-8, found other bytes", kind="encoding") from None
        return Answer(
            origin=origin,
            status=status,
            content_type=header.get("Content-Type", ""),
            body=body,
            date=date,
            retry_after=wait_asked(header.get("Retry-After"), date or self._now()),
            headers={name.lower(): value for name, value in header.items()},
        )


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL: the part that is safe to show.

    >>> origin_of("https://user:secret@api.example.org:8080/v1/markets?key=secret")
    'https://api.example.org:8080'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def http_date(text: str | None) -> dt.datetime | None:
    """Read an HTTP date (RFC 9110, always GMT) as UTC; None where it cannot be read.

    >>> http_date("Tue, 19 Mar 2024 22:06:29 GMT")
    datetime.datetime(2024, 3, 19, 22, 6, 29, tzinfo=datetime.timezone.utc)
    """
    if text is None:
        return None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def wait_asked(text: str | None, now: dt.datetime) -> float | None:
    """Read Retry-After, seconds or an HTTP date, as seconds from `now`; None where it says nothing.

    >>> wait_asked("30", dt.datetime(2024, 3, 19, tzinfo=dt.UTC))
    30.0
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    moment = http_date(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())
