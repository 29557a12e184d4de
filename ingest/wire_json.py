"""Read a venue's JSON without losing a digit, a repeated member or a NaN.

Every number is kept as the text the venue wrote, so a bad number spoils its own row only, and a
rejected row can be written back as it came.
"""

import json
from collections.abc import Iterable
from typing import NoReturn

from contracts.errors import TransientSourceError


class NumberText(str):
    """The text of a JSON number, or of the NaN and Infinity that some servers write."""

    __slots__ = ()


class Members(dict[str, object]):
    """A JSON object; the first of repeated members counts, `pairs` holds them all."""

    def __init__(self, pairs: Iterable[tuple[str, object]] = ()) -> None:
        self.pairs = tuple(pairs)
        super().__init__(reversed(self.pairs))


def load(body: str) -> object:
    """Parse a body.

    Raises:
        TransientSourceError: kind `json`; the body is no JSON, as when it was cut.
    """
    try:
        return json.loads(
            body,
            parse_float=NumberText,
            parse_int=NumberText,
            parse_constant=NumberText,
            object_pairs_hook=Members,
        )
    except json.JSONDecodeError as error:
        raise TransientSourceError(
            f"expected JSON, found {error.msg.removesuffix(' at')} at character {error.pos} of {len(body)}", kind="json"
        ) from None
    except RecursionError:
        raise TransientSourceError("expected JSON, found too many nested values", kind="json") from None


def dump(value: object) -> str:
    """Write a loaded value back, numbers and repeated members as the venue wrote them."""
    try:
        return _dump(value)
    except RecursionError:
        return '"(too many nested values)"'


def _dump(value: object) -> str:
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, Members):
        return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_dump(v)}" for name, v in value.pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def show(value: object) -> str:
    """Write a value for a message on one line: cut at 40 characters, what cannot be printed escaped."""
    text = "nothing" if value is ABSENT else dump(value)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Absent:
    """The value of a member that is not there."""


ABSENT = _Absent()


def wrong_shape(place: str, expected: str, found: object) -> NoReturn:
    """Refuse an answer that is JSON but not of the venue's shape.

    Raises:
        TransientSourceError: kind `shape`, always.
    """
    raise TransientSourceError(f"{place}: expected {expected}, found {show(found)}", kind="shape")
