"""Reading the Delta tables for `coinlake explain`: one candle, and the rows that it sums up."""

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import compute as pc

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES, LAND_COIN_MARKET_CAP, LAND_WALLEX, MARKET_SNAPSHOTS, Landing, Table
from serve.amounts import clock
from serve.candle_trace import BronzeValue, Sample, Trace, TracedCandle, product
from serve.kafka_messages import Position

BASE_TMN = "base_tmn"
_TRACED = ("coin_market_cap", "wallex", BASE_TMN)
Row = dict[str, Any]
Event = tuple[Row, list[Row]]
"""A row of bronze and the rows that repeat it."""


class TablesOfRecord:
    """The Delta tables of one lake, read without Spark."""

    def __init__(self, lake: LakeSettings) -> None:
        self._lake = lake

    def trace(self, coin: str, moment: dt.datetime, venue: str, quotes: Iterable[str] = ()) -> list[Trace]:
        """Find the shortest candles of a coin and venue in which a moment lies, with the bronze rows behind each.

        Raises:
            NoDataError: there is no such candle; the message says what there is.
            StoreError: the object store does not answer or refuses.
        """
        if venue not in _TRACED:
            raise NoDataError(
                f"expected a venue of {', '.join(_TRACED)}, found {venue}: an exchange's own candles"
                ' are held against it by "coinlake reconcile"'
            )
        asked = {quote.upper() for quote in quotes}
        here = (pc.field("open_time") <= moment) & (pc.field("close_time") > moment)
        dates = [moment.date() - dt.timedelta(days=1), moment.date()]
        rows = self._rows(CANDLES, (pc.field("coin") == coin) & here & pc.field("date").isin(dates))
        candles = [
            msgspec.convert(row, TracedCandle)
            for row in sorted(rows, key=lambda row: (row["quote"], row["open_time"]))
            if row["venue"] == venue and (not asked or row["quote"] in asked)
        ]
        if not candles:
            there = sorted({f"{row['venue']} {row['quote']}" for row in rows})
            raise NoDataError(
                f"expected a candle of {coin} at {clock(moment)} UTC of {venue} {' or '.join(sorted(asked))}".rstrip()
                + f", found {', '.join(there) or 'no candle of that coin then'}"
            )
        shortest = min(candle.close_time - candle.open_time for candle in candles)
        return [
            Trace(candle=candle, samples=self._samples(candle))
            for candle in candles
            if candle.close_time - candle.open_time == shortest
        ]

    def _samples(self, candle: TracedCandle) -> tuple[Sample, ...]:
        read = {BASE_TMN: self._base_samples, "wallex": self._ticker_samples}.get(candle.venue, self._quote_samples)
        return tuple(sorted(read(candle), key=lambda sample: (sample.event_time, sample.tie)))

    def _quote_samples(self, candle: TracedCandle) -> Iterable[Sample]:
        series = (pc.field("coin") == candle.coin) & (pc.field("quote") == candle.quote)
        return self._own_prices(LAND_COIN_MARKET_CAP, series & _during(candle))

    def _ticker_samples(self, candle: TracedCandle) -> Iterable[Sample]:
        series = (pc.field("base") == candle.coin) & (pc.field("quote") == candle.quote)
        return self._own_prices(LAND_WALLEX, series & pc.field("price").is_valid() & _during(candle))

    def _own_prices(self, landing: Landing, where: pc.Expression) -> Iterator[Sample]:
        for row, repeats in self._events(landing, where):
            value = _input(row, "price", repeats)
            yield Sample(event_time=row["event_time"], tie=row["kafka_offset"], price=value.value, inputs=(value,))

    def _base_samples(self, candle: TracedCandle) -> Iterable[Sample]:
        """Take, of each quote's snapshots, the one from the nearest poll; then its quote and its ticker in bronze."""
        where = (pc.field("coin") == candle.coin) & pc.field("base_tmn").is_valid() & _during(candle)
        nearest: dict[dt.datetime, Row] = {}
        for row in sorted(self._rows(MARKET_SNAPSHOTS, where), key=_distance):
            nearest.setdefault(row["event_time"], row)
        snapshots = list(nearest.values())
        quotes = self._by_offset(LAND_COIN_MARKET_CAP, [(row["event_time"], row["quote_offset"]) for row in snapshots])
        tickers = self._by_offset(LAND_WALLEX, [(row["ticker_time"], row["ticker_offset"]) for row in snapshots])
        for row in snapshots:
            quote, ticker = quotes[row["quote_offset"]], tickers[row["ticker_offset"]]
            inputs = _input(quote[0], "price", quote[1]), _input(ticker[0], "usdt_tmn", ticker[1])
            price = product([value.value for value in inputs])
            yield Sample(event_time=row["event_time"], tie=0, price=price, inputs=inputs)

    def _by_offset(self, landing: Landing, wanted: list[tuple[dt.datetime, int]]) -> dict[int, Event]:
        """Read the events whose times and offsets the snapshots name (their topics have one partition)."""
        times = sorted({time for time, _ in wanted})
        at_times = pc.field("event_time").isin(pa.array(times, pa.timestamp("us", "UTC")))
        events = self._events(landing, pc.field("date").isin(sorted({time.date() for time in times})) & at_times)
        offsets = {offset for _, offset in wanted}
        return {row["kafka_offset"]: (row, repeats) for row, repeats in events if row["kafka_offset"] in offsets}

    def _events(self, landing: Landing, where: pc.Expression) -> Iterator[Event]:
        """Read the rows that are no repeats, each with the rows that repeat it."""
        events: dict[tuple[object, ...], list[Row]] = {}
        rows = self._rows(landing.table, where)
        for row in sorted(rows, key=lambda row: (row["repeat"], row["kafka_partition"], row["kafka_offset"])):
            events.setdefault(tuple(row[name] for name in landing.stream.identity), []).append(row)
        for first, *repeats in events.values():
            if not first["repeat"]:
                yield first, repeats

    def _rows(self, table: Table, where: pc.Expression) -> list[Row]:
        place = f"{self._lake.lake}/{table.path}"
        try:
            found = DeltaTable(place, storage_options=self._lake.storage_options())
            return list(found.to_pyarrow_dataset().to_table(filter=where).to_pylist())
        except DeltaError:
            raise NoDataError(f'expected table {table.name}, found none: run "coinlake process" first') from None
        except OSError as error:
            raise StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}") from None


def _during(candle: TracedCandle) -> pc.Expression:
    first, last = candle.open_time.date(), candle.close_time.date()
    dates = (pc.field("date") >= first) & (pc.field("date") <= last)
    return dates & (pc.field("event_time") >= candle.open_time) & (pc.field("event_time") < candle.close_time)


def _input(row: Row, field: str, repeats: Iterable[Row]) -> BronzeValue:
    value: Decimal = row[field]
    again = tuple(_position(repeat) for repeat in repeats)
    return BronzeValue(field=field, value=value, position=_position(row), repeats=again)


def _position(row: Row) -> Position:
    return Position(row["kafka_topic"], row["kafka_partition"], row["kafka_offset"])


def _distance(row: Row) -> tuple[dt.timedelta, dt.datetime, str]:
    return abs(row["event_time"] - row["ticker_time"]), row["ticker_time"], row["market"]
