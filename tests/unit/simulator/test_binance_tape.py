"""The tape: klines are what the trades make, ids have no hole, a halt has nothing, whoever asks and whenever."""

import datetime as dt
import itertools
from decimal import Decimal

import msgspec
import pytest

from contracts.errors import SettingsError
from simulator.binance.frames import agg_trade, kline
from simulator.binance.generated import GeneratedTape
from simulator.binance.halts import Halted
from simulator.binance.recorded import assets_of, recorded_tape, shift_times
from simulator.binance.tape import MINUTE_MS, Bar, RecordedTape, Tape, Trade, text
from simulator.market import Market
from simulator.recording import Pushed

BEGIN = 1_790_000_400_000
HOUR = 60 * MINUTE_MS


@pytest.fixture(scope="module")
def tape() -> GeneratedTape:
    return GeneratedTape(Market(7))


def by_hand(trades: list[Trade], open_ms: int, length_ms: int) -> tuple[object, ...]:
    """Compute a kline from scratch, in decimals."""
    inside = [trade for trade in trades if open_ms <= trade.ms < open_ms + length_ms]
    prices = [Decimal(trade.price) / 10**8 for trade in inside]
    quantities = [Decimal(trade.quantity) / 10**8 for trade in inside]
    money = sum(price * quantity for price, quantity in zip(prices, quantities, strict=True))
    count = sum(trade.last_id - trade.first_id + 1 for trade in inside)
    return (prices[0], max(prices), min(prices), prices[-1], sum(quantities), money, count)


def said(bar: Bar) -> tuple[object, ...]:
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume)
    return (*(Decimal(text(number)) for number in numbers), bar.trades)


@pytest.mark.parametrize(("interval", "length"), [("1m", MINUTE_MS), ("5m", 5 * MINUTE_MS), ("1h", HOUR)])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "PEPEUSDT", "XRPUSDT"])
def test_generated_klines_are_what_the_trades_make(tape: Tape, symbol: str, interval: str, length: int) -> None:
    begin = BEGIN // length * length
    trades = list(tape.trades(symbol, begin, begin + 2 * HOUR))
    bars = tape.bars(symbol, interval, begin, begin + 2 * HOUR)
    assert [bar.open_ms for bar in bars] == list(range(begin, begin + 2 * HOUR, length))
    assert [said(bar) for bar in bars] == [by_hand(trades, bar.open_ms, length) for bar in bars]


def test_ids_of_trades_run_without_a_hole_and_times_never_go_back(tape: Tape) -> None:
    trades = list(tape.trades("ETHUSDT", BEGIN, BEGIN + 3 * HOUR))
    assert [trade.id for trade in trades] == list(range(trades[0].id, trades[0].id + len(trades)))
    assert all(before.last_id + 1 == after.first_id for before, after in itertools.pairwise(trades))
    assert all(before.ms <= after.ms for before, after in itertools.pairwise(trades))


def test_trades_by_id_are_the_trades_by_time_and_another_tape_of_the_seed_says_the_same(tape: Tape) -> None:
    trades = list(tape.trades("ETHUSDT", BEGIN, BEGIN + HOUR))
    assert list(tape.trades_from("ETHUSDT", trades[700].id, 3)) == [*trades, *later(tape)][700:703]
    again = GeneratedTape(Market(7))
    assert list(again.trades("ETHUSDT", BEGIN + 5, BEGIN + HOUR)) == [t for t in trades if t.ms >= BEGIN + 5]
    assert list(GeneratedTape(Market(8)).trades("ETHUSDT", BEGIN, BEGIN + HOUR)) != trades


def later(tape: Tape) -> list[Trade]:
    return list(tape.trades("ETHUSDT", BEGIN + HOUR, BEGIN + 2 * HOUR))


@pytest.mark.parametrize("beat", [1, 7, 50, 800])
def test_any_number_of_trades_a_minute_keeps_the_tape_whole(beat: int) -> None:
    tape, begin = GeneratedTape(Market(7), beat), BEGIN // HOUR * HOUR + 55 * MINUTE_MS
    trades = list(tape.trades("SOLUSDT", begin, begin + 10 * MINUTE_MS))
    assert [trade.id for trade in trades] == list(range(trades[0].id, trades[0].id + 10 * beat))
    assert list(tape.trades_from("SOLUSDT", trades[beat].id, 3 * beat)) == trades[beat : 4 * beat]
    bars = tape.bars("SOLUSDT", "5m", begin, begin + 10 * MINUTE_MS)
    assert [said(bar) for bar in bars] == [by_hand(trades, bar.open_ms, 5 * MINUTE_MS) for bar in bars]
    assert len(bars) == 2


def test_before_the_tape_begins_there_is_nothing_and_far_ids_are_no_trades(tape: Tape) -> None:
    assert list(tape.trades("BTCUSDT", 0, tape.begin_ms)) == []
    assert list(tape.bars("BTCUSDT", "1h", 0, tape.begin_ms)) == []
    assert [trade.id for trade in tape.trades_from("BTCUSDT", 0, 2)] == [0, 1]
    assert list(tape.trades_from("BTCUSDT", 2**62, 1000)) == []


def test_in_a_halt_there_is_no_trade_and_no_kline_and_the_hour_around_it_is_made_of_the_rest(tape: Tape) -> None:
    begin = BEGIN // HOUR * HOUR
    span = (begin + 10 * MINUTE_MS, begin + 20 * MINUTE_MS)
    halted = Halted(tape, lambda: [span])
    assert list(halted.trades("BTCUSDT", *span)) == []
    assert len(halted.bars("BTCUSDT", "1m", begin, begin + HOUR)) == 50
    (hour,) = halted.bars("BTCUSDT", "1h", begin, begin + HOUR)
    rest = [trade for trade in tape.trades("BTCUSDT", begin, begin + HOUR) if not span[0] <= trade.ms < span[1]]
    assert said(hour) == by_hand(rest, begin, HOUR)


def test_recording_of_frames_makes_the_tape_again() -> None:
    bar = Bar(
        BEGIN // MINUTE_MS * MINUTE_MS, BEGIN // MINUTE_MS * MINUTE_MS + MINUTE_MS, 5, 9, 3, 7, 100, 6, 4, 50, 3, 1, 4
    )
    trade = Trade(11, BEGIN, 640_000_000_000, 9_000, 21, 22, True)
    open_one = kline("XRPETH", "1m", bar._replace(close=6), bar.close_ms - 5, closed=False)
    closed_one = kline("XRPETH", "1m", bar, bar.close_ms, closed=True)
    never_closed = kline("XRPETH", "1m", bar._replace(open_ms=bar.close_ms), bar.close_ms + 9, closed=False)
    frames = [open_one, closed_one, agg_trade("XRPETH", trade), never_closed]
    at = dt.datetime(2026, 9, 21, tzinfo=dt.UTC)
    tape = recorded_tape([Pushed(at, "x", msgspec.Raw(msgspec.json.encode(frame))) for frame in frames])
    assert tape.symbols == {"XRPETH": ("XRP", "ETH")}
    assert list(tape.bars("XRPETH", "1m", 0, BEGIN * 2)) == [bar]
    assert list(tape.trades("XRPETH", 0, BEGIN * 2)) == [trade]


def test_recorded_trades_alone_make_klines_too() -> None:
    trades = [Trade(1, BEGIN, 100, 10**8, 1, 1, False), Trade(2, BEGIN + 61_000, 300, 10**8, 2, 4, True)]
    tape = RecordedTape({"XRPETH": ("XRP", "ETH")}, {}, {"XRPETH": trades})
    assert [bar.trades for bar in tape.bars("XRPETH", "1m", BEGIN - HOUR, BEGIN + HOUR)] == [1, 3]
    minute = Bar(BEGIN, BEGIN + MINUTE_MS, 100, 100, 100, 100, 10**8)
    both = RecordedTape({"XRPETH": ("XRP", "ETH")}, {("XRPETH", "1m"): [minute]}, {"XRPETH": trades})
    seconds = both.bars("XRPETH", "1s", BEGIN, BEGIN + HOUR)
    assert [(bar.open_ms, bar.close_ms - bar.open_ms) for bar in seconds] == [(BEGIN, 1000), (BEGIN + 61_000, 1000)]


def test_times_of_a_frame_are_moved_and_nothing_else() -> None:
    moved = shift_times(b'{"E":1000,"s":"A","k":{"t":1,"T":2,"v":"5","n":7}}', dt.timedelta(seconds=2))
    assert msgspec.json.decode(moved) == {"E": 3000, "s": "A", "k": {"t": 2001, "T": 2002, "v": "5", "n": 7}}


def test_symbol_of_an_unknown_quote_is_refused() -> None:
    assert assets_of("BTCFDUSD") == ("BTC", "FDUSD")
    with pytest.raises(SettingsError, match="found BTCXYZ"):
        assets_of("BTCXYZ")
