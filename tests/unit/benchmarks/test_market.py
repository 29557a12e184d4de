"""The generated messages are real records, each event once."""

from benchmarks.market import ROWS_PER_MINUTE, messages, minutes_for
from contracts.records import decode, encode
from contracts.streams import COIN_MARKET_CAP, WALLEX, key_of, symbol_of

WIRES = list(messages(3))


def test_every_message_decodes_to_the_record_of_its_stream_and_encodes_to_the_same_fields() -> None:
    for wire in WIRES:
        record = decode(wire.value.encode(), wire.stream.record)
        assert decode(encode(record), wire.stream.record) == record
        assert key_of(wire.stream, record).decode() == wire.key
        assert symbol_of(wire.stream, record).decode() == wire.symbol


def test_no_event_is_written_twice() -> None:
    events = [
        tuple(getattr(decode(wire.value.encode(), wire.stream.record), name) for name in wire.stream.identity)
        for wire in WIRES
    ]
    assert len(set(events)) == len(events)
    quotes = [wire.key for wire in WIRES if wire.stream is COIN_MARKET_CAP]
    assert len(set(quotes)) == len(quotes)


def test_no_two_coins_of_a_poll_share_a_name_and_one_that_shares_a_symbol_bears_its_id() -> None:
    quotes = [decode(wire.value.encode(), COIN_MARKET_CAP.record) for wire in WIRES if wire.stream is COIN_MARKET_CAP]
    assert len({(quote.coin, quote.event_time) for quote in quotes}) == len(quotes)
    assert {quote.coin for quote in quotes if quote.symbol == "BEAM"} == {"BEAM", "BEAM-3702"}


def test_so_many_minutes_have_at_least_the_rows_asked_for_and_no_minute_too_many() -> None:
    assert len(WIRES) == 3 * ROWS_PER_MINUTE
    for rows in (1, ROWS_PER_MINUTE, ROWS_PER_MINUTE + 1, 200_000):
        minutes = minutes_for(rows)
        assert minutes * ROWS_PER_MINUTE >= rows > (minutes - 1) * ROWS_PER_MINUTE


def test_every_quote_has_a_ticker_of_its_coin_within_30_seconds() -> None:
    tickers = {
        (record.base, record.event_time)
        for wire in WIRES
        if wire.stream is WALLEX
        for record in [decode(wire.value.encode(), WALLEX.record)]
    }
    quotes = [decode(wire.value.encode(), COIN_MARKET_CAP.record) for wire in WIRES if wire.stream is COIN_MARKET_CAP]
    bases = {base for base, _ in tickers}
    joinable = [quote for quote in quotes if quote.coin in bases and quote.event_time >= min(t for _, t in tickers)]
    assert joinable
    for quote in joinable:
        assert any(
            base == quote.coin and abs((time - quote.event_time).total_seconds()) <= 30 for base, time in tickers
        )
