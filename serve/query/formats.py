"""Which format an answer is wanted in. No I/O."""

import re
from collections.abc import Sequence

from serve.query.errors import FormatError, ParameterError

CSV = "text/csv"
_JSON = "application/json"
_ACCEPTED = re.compile(r"^\s*([\w*+.-]+/[\w*+.-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d*)?))?", re.ASCII)


def wants_csv(asked: Sequence[str], accept: str) -> bool:
    """Choose the format: by `format=`, else by the Accept header, JSON where both are as welcome.

    Raises:
        ParameterError, FormatError: it is neither JSON nor CSV.
    """
    if asked:
        if list(asked) not in (["json"], ["csv"]):
            raise ParameterError("parameter format", expected="json or csv", found=repr(",".join(asked)[:64]))
        return list(asked) == ["csv"]
    json_weight, csv_weight = (_weight(accept, name) for name in (_JSON, CSV))
    if not (json_weight or csv_weight):
        raise FormatError("wrong format", expected="Accept: application/json or text/csv", found=accept[:120])
    return csv_weight > json_weight


def _weight(accept: str, media_type: str) -> float:
    """Return how welcome a type is by an Accept header; its nearest entry says so.

    >>> [_weight("text/csv, */*;q=0.1", name) for name in ("text/csv", "application/json")]
    [1.0, 0.1]
    """
    found: dict[str, float] = {}
    for part in accept.split(","):
        matched = _ACCEPTED.match(part)
        if matched is not None:
            found[matched[1].lower()] = float(matched[2] or 1)
    names = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((found[name] for name in names if name in found), 0.0)
