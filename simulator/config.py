"""What a user may set about a simulated day."""

import datetime as dt
from pathlib import Path

import msgspec

from contracts.errors import SettingsError
from simulator.accounts import Plan
from simulator.binance.generated import TRADES_A_MINUTE
from simulator.binance.liquidations_generated import LIQUIDATIONS_A_MINUTE
from simulator.binance.streams import StreamRules
from simulator.faults import Fault
from simulator.x.allowance import Plan as XPlan
from simulator.x.generated import POSTS_A_MINUTE


class SimulatorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the simulator.

    Without `recording` a market is generated from `seed`. The simulated clock starts at the first request to a venue
    and moves at `speed` times life, from `begin`; where that is not given, from `span_seconds` before the wall
    clock (a generated market) or from the first line of the recording. `common_start` shifts each venue's recording
    to the start of the earliest one. Port 0 takes a free one; `port_file` is where the chosen one is written.

    Of Binance, `trades_a_minute` is how often each generated symbol trades, `liquidations_a_minute` how many orders
    about are forced of all symbols of its futures, `streams` how its connections live and fail, and in `halts` nothing
    happens on its spot market. Of X, `x` is what a token may do and `posts_a_minute` how many posts about there are of
    each coin of a generated market.
    """

    host: str = "127.0.0.1"
    port: int = 0
    port_file: Path | None = None
    speed: float = 1.0
    span_seconds: float = 3 * 3600
    begin: dt.datetime | None = None
    seed: int = 1
    recording: Path | None = None
    common_start: bool = False
    coinmarketcap: Plan = Plan()
    trades_a_minute: int = TRADES_A_MINUTE
    liquidations_a_minute: int = LIQUIDATIONS_A_MINUTE
    x: XPlan = XPlan()
    posts_a_minute: int = POSTS_A_MINUTE
    streams: StreamRules = StreamRules()
    halts: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    faults: tuple[Fault, ...] = ()
    log_size: int = 10_000

    def __post_init__(self) -> None:
        _demand(self.speed > 0, "speed", "a number above 0", self.speed)
        _demand(self.span_seconds >= 0, "span_seconds", "0 or more", self.span_seconds)
        _demand(0 <= self.port <= 65535, "port", "0 to 65535", self.port)
        _demand(self.trades_a_minute > 0, "trades_a_minute", "1 or more", self.trades_a_minute)
        _demand(
            0 <= self.liquidations_a_minute <= 6_000, "liquidations_a_minute", "0 to 6000", self.liquidations_a_minute
        )
        _demand(0 <= self.posts_a_minute <= 4_000, "posts_a_minute", "0 to 4000", self.posts_a_minute)
        _demand(self.x.requests_per_window > 0, "x.requests_per_window", "1 or more", self.x.requests_per_window)
        _demand(all(begin < end for begin, end in self.halts), "halts", "a beginning before its end", self.halts)
        _demand(self.log_size > 0, "log_size", "1 or more", self.log_size)
        _demand(self.begin is None or self.begin.tzinfo is not None, "begin", "a time with a zone", self.begin)


def _demand(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise SettingsError(f"simulator {name}: expected {expected}, found {found}")
