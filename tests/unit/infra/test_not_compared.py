"""What was asked to be compared and was not."""

from infra.reconcile.run import Asked, not_compared
from serve.reconcile.compare import ALL_TIME, Compared, Score


def compared(*pairs: tuple[str, str]) -> Compared:
    return Compared([Score(symbol, interval, "2024-03", 1, 0, 0, 0, 0) for symbol, interval in pairs], [], [])


def asked(*symbols: str, intervals: tuple[str, ...] = ("10m", "1h", "1d"), every: bool = False) -> Asked:
    return Asked(None, ALL_TIME, symbols, intervals, every)


FOUND = compared(("BTCUSDT", "10m"), ("BTCUSDT", "1h"), ("ETHUSDT", "10m"))


def test_a_symbol_that_was_named_must_be_compared_at_every_interval_that_others_are() -> None:
    assert not_compared(asked("BTCUSDT"), FOUND) == []
    assert not_compared(asked("BTCUSDT", "ETHUSDT", "SOLUSDT"), FOUND) == [
        ("ETHUSDT", "1h"),
        ("SOLUSDT", "10m"),
        ("SOLUSDT", "1h"),
    ]


def test_an_interval_that_was_named_must_be_compared_for_every_symbol() -> None:
    assert not_compared(asked(intervals=("10m", "1d"), every=True), FOUND) == [("BTCUSDT", "1d"), ("ETHUSDT", "1d")]


def test_nothing_is_demanded_where_nothing_was_named() -> None:
    assert not_compared(asked(), FOUND) == []
