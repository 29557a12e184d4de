"""A score as it is kept in the lake."""

import datetime as dt

import msgspec

from serve.reconcile.compare import Compared

LATEST = "reconcile/latest.json"
"""The key of the last one, below the lake."""


class Stored(msgspec.Struct, frozen=True):
    """A score as it is kept below the lake's `reconcile/`."""

    made_at: dt.datetime
    result: Compared
