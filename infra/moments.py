"""Times as they are typed on a command line."""

import datetime as dt

import typer


def moment(text: str) -> dt.datetime:
    """Read a UTC time; one that names no zone is in UTC.

    >>> moment("2024-03-19") == moment("2024-03-19T00:00:00Z")
    True
    """
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected a time such as 2024-03-19T12:00:00Z, found {text}") from None
    return read.replace(tzinfo=dt.UTC) if read.tzinfo is None else read.astimezone(dt.UTC)
