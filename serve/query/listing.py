"""The queries as the API lists them. No I/O."""

from collections.abc import Iterable

import msgspec

from serve.query.parameters import Parameter
from serve.query.queries import Named


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client has to know of one query."""

    key: str
    description: str
    store: str
    parameters: dict[str, Parameter]
    time_limit_seconds: float
    row_limit: int


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of `GET /api/q`. `refused`: what is wrong with the file of queries as it is now."""

    queries: list[Listed]
    refused: str | None = None


def listing_of(queries: Iterable[Named], refused: str | None = None) -> Listing:
    """List queries by their keys; their SQL stays ours."""
    return Listing(
        [
            Listed(
                key=named.key,
                description=named.query.description,
                store=named.query.store,
                parameters=named.query.parameters,
                time_limit_seconds=named.query.time_limit_seconds,
                row_limit=named.query.row_limit,
            )
            for named in sorted(queries, key=lambda named: named.key)
        ],
        refused,
    )
