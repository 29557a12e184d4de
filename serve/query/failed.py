"""The errors of a query that was begun and has no answer. No I/O."""

from serve.query.errors import RefusedQueryError, TimeLimitError
from serve.query.queries import Named


def stopped(named: Named) -> TimeLimitError:
    """Make the error of a query that was stopped at its time limit."""
    return TimeLimitError(
        f"query {named.key} was stopped",
        expected=f"an answer within {named.query.time_limit_seconds:g} s",
        found="none yet",
        hint="ask for less, or raise time_limit_seconds in the file of queries",
    )


def refused(named: Named, reason: str) -> RefusedQueryError:
    """Make the error of a query that its store refuses."""
    return RefusedQueryError(
        f"query {named.key}: {named.query.store} refuses it",
        expected="SQL that it can run with these values",
        found=first_line(reason),
    )


def first_line(text: str) -> str:
    """Return what a message says before it draws.

    >>> first_line("Binder Error: no column x" + chr(10) + "LINE 1: SELECT x" + chr(10) + "               ^")
    'Binder Error: no column x'
    """
    return text.strip().partition("\n")[0].strip()
