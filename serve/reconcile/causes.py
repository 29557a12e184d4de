"""Why a candle is missing, by what is on record."""

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from contracts.streams import CRYPTO_KLINE_DATA
from serve.gaps import Gap
from serve.reconcile.compare import Compared, Hole
from serve.reconcile.ours import VENUE

UNKNOWN = "no cause on record"


def with_causes(compared: Compared, gaps: Sequence[Gap]) -> Compared:
    """Give each hole the causes of the recorded gaps that meet it."""
    ours = [gap for gap in gaps if gap.venue == VENUE and gap.stream == CRYPTO_KLINE_DATA.topic]
    holes = [msgspec.structs.replace(hole, cause=_cause(hole, ours)) for hole in compared.holes]
    return msgspec.structs.replace(compared, holes=holes)


def _cause(hole: Hole, gaps: Iterable[Gap]) -> str:
    meeting = [f"{gap.cause} ({gap.state})" for gap in gaps if gap.concerns(hole.symbol) and _meet(gap, hole)]
    return "; ".join(dict.fromkeys(meeting)) or UNKNOWN


def _meet(gap: Gap, hole: Hole) -> bool:
    end = gap.to_time or dt.datetime.max.replace(tzinfo=dt.UTC)
    return gap.from_time < hole.to_time and end > hole.from_time
