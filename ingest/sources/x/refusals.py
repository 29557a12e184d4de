"""What X says instead of an answer, by name: which errors pass, and after how long.

Venue rules: https://docs.x.com/x-api/fundamentals/rate-limits, and the errors of the API's reference.
"""

import datetime as dt
from typing import NoReturn

from contracts.errors import FatalSourceError, TransientSourceError
from ingest.credits import next_day
from ingest.http import Answer
from ingest.sources.x import VENUE
from ingest.wire_json import Members, NumberText, load, show

WINDOW_SECONDS = 15 * 60 + 1.0
"""The venue counts requests of 15 minutes; a second for requests that are under way for different times."""

TOKEN = "COINLAKE_X_BEARER_TOKEN"
_PAUSE_SECONDS = 60.0
"""How long nothing is asked where the venue refuses and does not say for how long."""
_LEGACY_LIMIT = "88"
"""The code of an exceeded limit in the body that the API's page of limits shows."""


class SinceIdTooOldError(TransientSourceError):
    """The venue tells nothing since this id any more: it searches the last 7 days."""


def checked(answer: Answer, now: dt.datetime) -> object:
    """Return the loaded body of an answer that is no error.

    Raises:
        SinceIdTooOldError, TransientSourceError, FatalSourceError: as `RecentSearch.page` says.
    """
    try:
        document = load(answer.body)
    except TransientSourceError:
        document = None
    told = document if isinstance(document, Members) else Members()
    problems = [one for one in _listed(told.get("errors")) if isinstance(one, Members)]
    limited = "data" not in told and any(one.get("code") == _LEGACY_LIMIT for one in problems)
    if answer.status == 429 or limited:
        _refuse_for_now(told, answer, now)
    if answer.status == 401:
        raise FatalSourceError(
            f"{VENUE}: the bearer token is expired or wrong: check {TOKEN} (status 401)", kind="unauthorized"
        )
    if answer.status == 403:
        if not told:
            raise TransientSourceError(
                f"{answer.origin}: expected status 200, found 403", kind="firewall", retry_after=answer.retry_after
            )
        raise FatalSourceError(
            f"{VENUE}: the app of {TOKEN} has no access to recent search: {_said(told)} (status 403)",
            kind="forbidden",
        )
    if answer.status == 400:
        _refuse(told, problems)
    answer.check()
    return document if document is not None else load(answer.body)


def _refuse_for_now(told: Members, answer: Answer, now: dt.datetime) -> NoReturn:
    if str(told.get("type")).endswith("usage-capped"):
        # The cap is of a month that begins with the plan: once a day is often enough to find it over.
        raise TransientSourceError(
            f"{VENUE}: the posts of the plan are used up: {_said(told)}", kind="usage_capped", retry_after=next_day(now)
        )
    raise TransientSourceError(
        f"{VENUE}: requests of 15 minutes are used up (status {answer.status})",
        kind="rate_limited",
        retry_after=until_reset(answer, now),
    )


def _refuse(told: Members, problems: list[Members]) -> NoReturn:
    """Say what is wrong with a request: an id or a token that grew old passes, all else stays."""
    named = {name for one in problems if isinstance(found := one.get("parameters"), Members) for name in found}
    said = "; ".join(_line(one.get("message")) for one in problems) or _said(told)
    if "since_id" in named:
        raise SinceIdTooOldError(f"{VENUE}: {said}", kind="since_id")
    if "next_token" in named:
        raise TransientSourceError(f"{VENUE}: {said}", kind="next_token")
    raise FatalSourceError(f"{VENUE}: expected a request that the venue accepts, found: {said}", kind="invalid_request")


def until_reset(answer: Answer, now: dt.datetime) -> float:
    """Return the seconds to the reset that the venue names, on its own clock, and one more."""
    reset = digits(answer, "x-rate-limit-reset")
    if reset is None:
        return answer.retry_after or _PAUSE_SECONDS
    left = reset - (answer.date or now).timestamp()
    return min(max(left, 0), WINDOW_SECONDS) + 1


def digits(answer: Answer, name: str) -> int | None:
    """Return the number that a header holds, None where it is not there or is none."""
    text = answer.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _said(told: Members) -> str:
    return _line(told.get("detail", told.get("title")))


def _line(value: object) -> str:
    """Write what the venue says on one line, no longer than a line."""
    text = value if isinstance(value, str) and not isinstance(value, NumberText) else show(value)
    return "".join(character for character in text[:200] if character.isprintable())
