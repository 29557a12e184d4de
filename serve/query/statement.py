"""One SELECT with named parameters, `:name`, that are bound and never pasted. No I/O."""

import re
from collections.abc import Callable

from contracts.errors import SettingsError

_PARTS = re.compile(
    r"""
    (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | ::
    | (?<![\w:]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Statement:
    """The SQL of one query, and the names of its parameters in the order of their first use."""

    def __init__(self, sql: str) -> None:
        """Read the SQL.

        Raises:
            SettingsError: it is not exactly one SELECT, or WITH and SELECT.
        """
        self._sql = sql.strip()
        self.names = tuple(dict.fromkeys(found["name"] for found in _PARTS.finditer(self._sql) if found["name"]))
        _check(_PARTS.sub(_bare, self._sql))

    def written(self, place: Callable[[str], str]) -> str:
        """Write the SQL with the parameters as a store takes them.

        >>> Statement("SELECT ':no', a::int FROM t WHERE b = :b OR c = :b").written(lambda name: f"${name}")
        "SELECT ':no', a::int FROM t WHERE b = $b OR c = $b"
        """
        return _PARTS.sub(lambda found: place(found["name"]) if found["name"] else found[0], self._sql)

    def numbered(self) -> str:
        """Write the SQL with `$1` for the first of the names, `$2` for the second.

        >>> Statement("SELECT :b, :a, :b").numbered()
        'SELECT $1, $2, $1'
        """
        return self.written(lambda name: f"${self.names.index(name) + 1}")


def _bare(found: re.Match[str]) -> str:
    return "x" if found["quoted"] or found["name"] else " "


def _check(bare: str) -> None:
    """Judge the SQL without what is quoted, its comments and its parameters."""
    first = bare.split(maxsplit=1)[0] if bare.strip() else "nothing"
    if first.upper() not in {"SELECT", "WITH"}:
        raise SettingsError(f"expected one SELECT, or WITH and SELECT, found {first}")
    for mark, said in ((";", "one statement without a semicolon"), ("$", "parameters as :name")):
        if mark in bare:
            raise SettingsError(f"expected {said}, found {mark!r}")
    for mark in ("'", '"', "/*", "?"):
        if mark in bare:
            raise SettingsError(f"expected quotes and comments that end, and parameters as :name, found {mark}")
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        raise SettingsError("expected as many closing as opening parentheses, each after its own")
