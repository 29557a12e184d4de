"""`coinlake gaps`: the holes on record, as they stand now."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import GAPS
from serve.delta_tables import rows_of
from serve.uncut import Uncut

ALL_SYMBOLS = "*"


class Gap(msgspec.Struct, frozen=True):
    """One hole: nothing was received between its times, of which the second is null while it is open."""

    venue: str
    stream: str
    symbol: str
    from_time: dt.datetime
    to_time: dt.datetime | None
    cause: str
    recoverable: bool
    repaired_at: dt.datetime | None

    @property
    def state(self) -> str:
        """Say what can be done about it."""
        if self.repaired_at is not None:
            return f"repaired at {self.repaired_at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
        if self.to_time is None:
            return "open"
        return "recoverable by backfill" if self.recoverable else "not recoverable"

    def concerns(self, symbol: str) -> bool:
        """Say whether it is a hole of a symbol: its own, or one of the whole stream."""
        return self.symbol in {symbol, ALL_SYMBOLS}


def read_gaps(lake: LakeSettings, symbol: str | None = None) -> list[Gap]:
    """Read the holes, those of one symbol or all, oldest first.

    Raises:
        NoDataError: there is no such table.
        StoreError: the object store does not answer or refuses.
    """
    names = [field.name for field in msgspec.structs.fields(Gap)]
    gaps = [msgspec.convert(row, Gap) for row in rows_of(lake, GAPS).select(names).to_pylist()]
    asked = [gap for gap in gaps if symbol is None or gap.concerns(symbol)]
    return sorted(asked, key=lambda gap: (gap.from_time, gap.venue, gap.stream, gap.symbol))


def recorded_gaps(lake: LakeSettings) -> list[Gap]:
    """Read all holes; none where there is no table of them yet."""
    try:
        return read_gaps(lake)
    except NoDataError:
        return []


def show_gaps(lake: LakeSettings, console: Console, symbol: str | None = None, *, repaired: bool = False) -> None:
    """Print the holes that are there, or with `repaired` also those that were filled.

    Raises:
        NoDataError: there is no such table.
        StoreError: the object store does not answer or refuses.
    """
    gaps = read_gaps(lake, symbol)
    shown = [gap for gap in gaps if repaired or gap.repaired_at is None]
    of = f" of {symbol}" if symbol else ""
    if shown:
        console.print(Uncut(_table(shown)), crop=False)
    hidden = len(gaps) - len(shown)
    more = f"; {hidden} repaired, which --all lists" if hidden else ""
    console.print(f"{len(shown) or 'no'} gap{'' if len(shown) == 1 else 's'}{of} on record{more}")


def _table(gaps: Sequence[Gap]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("from (UTC)", "to", "minutes", "venue", "stream", "symbol", "state", "cause"):
        table.add_column(name, justify="right" if name == "minutes" else "left", no_wrap=True)
    for gap in gaps:
        end = gap.to_time
        length = "" if end is None else f"{(end - gap.from_time).total_seconds() / 60:,.1f}"
        table.add_row(
            _second(gap.from_time),
            "" if end is None else _second(end),
            length,
            *(gap.venue, gap.stream, gap.symbol, gap.state, gap.cause),
        )
    return table


def _second(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"
