"""What cryptofeed tells as liquidations: whose side it is, lost connections, and a cryptofeed that is not there."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import importlib
import importlib.metadata
import json
import socket
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from contracts.errors import SettingsError, TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected
from contracts.settings import IngestSettings
from ingest.sources.cryptofeed.dialects import DIALECTS, Dialect, Told, parse
from ingest.sources.cryptofeed.liquidations import (
    CryptofeedLiquidations,
    build,
    demand_cryptofeed,
    subscribing_once,
)
from ingest.venues import BY_DEFAULT, PUSHED
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTime, at, surroundings

BYBIT = DIALECTS["bybit_liquidations"]
MINUTE = dt.timedelta(seconds=60)


@dataclasses.dataclass(frozen=True)
class Stated:
    """A liquidation of cryptofeed's documented shape."""

    exchange: str = "BYBIT"
    symbol: Any = "ROSE-USDT-PERP"
    side: Any = "sell"
    quantity: Any = Decimal("20000")
    price: Any = Decimal("0.04499")
    timestamp: Any = NOON.timestamp() + 0.929


def parsed(**fields: Any) -> Liquidation | Rejected:
    return parse(Stated(**fields), BYBIT, at(5), MINUTE)


class Scripted:
    """A feed of cryptofeed that tells a list, lets seconds pass (a float), and then fails or goes on."""

    def __init__(self, told: "asyncio.Queue[Told]", script: list[Any], time: FakeTime) -> None:
        self.connected = False
        self._told = told
        self._script = script
        self._time = time

    async def run(self) -> None:
        self.connected = True
        for step in self._script:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(0.3)
                self._time.seconds += step
            else:
                await self._told.put(step)
        await asyncio.Event().wait()


def feed(time: FakeTime, *scripts: list[Any]) -> CryptofeedLiquidations:
    left = list(scripts)

    def opened(dialect: Dialect, told: "asyncio.Queue[Told]") -> Scripted:
        return Scripted(told, left.pop(0), time)

    return CryptofeedLiquidations("bybit_liquidations", BYBIT, surroundings(FakeHttp(), time), opened)


async def taken(source: CryptofeedLiquidations, count: int) -> list[Record | None]:
    found: list[Record | None] = []
    async with contextlib.aclosing(source.records()) as records, asyncio.timeout(5):
        async for record in records:
            found.append(record)
            if len(found) == count:
                break
    return found


def test_bybit_names_the_side_of_the_position_so_a_sell_is_a_short_that_was_closed() -> None:
    assert parsed() == Liquidation(
        venue="bybit",
        event_time=NOON + dt.timedelta(milliseconds=929),
        ingest_time=at(5),
        symbol="ROSE-USDT-PERP",
        base="ROSE",
        quote="USDT",
        side="short",
        quantity=Decimal("20000"),
        filled_quantity=Decimal("20000"),
        bankruptcy_price=Decimal("0.04499"),
        average_price=None,
        notional=Decimal("899.8"),
        sampled=False,
    )
    found = parsed(side="buy", symbol="BTC-USDC-26Z25")
    assert isinstance(found, Liquidation)
    assert (found.side, found.base, found.quote) == ("long", "BTC", "USDC")


def test_a_venue_whose_side_is_that_of_the_order_is_read_the_other_way_round() -> None:
    dialect = dataclasses.replace(BYBIT, bought="short")
    found = parse(Stated(side="sell"), dialect, at(5), MINUTE)
    assert isinstance(found, Liquidation)
    assert found.side == "long"


def test_what_has_no_time_has_that_of_its_receipt() -> None:
    found = parsed(timestamp=None)
    assert isinstance(found, Liquidation)
    assert found.event_time == at(5)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"side": "hold"}, 'side: expected buy or sell, found "hold"'),
        ({"quantity": Decimal("NaN")}, "quantity: expected a finite number, found NaN"),
        ({"price": Decimal("0")}, "bankruptcy_price: expected more than 0, found 0"),
        ({"symbol": "BTC-USD-PERP"}, 'symbol: expected a contract of USDT, USDC, found "BTC-USD-PERP"'),
        ({"symbol": "BTCUSDT"}, 'symbol: expected a contract of USDT, USDC, found "BTCUSDT"'),
        (
            {"timestamp": NOON.timestamp() + 66},
            "timestamp: expected at most 60 s ahead of the ingest time 2024-03-19T12:00:05.000Z,"
            " found 2024-03-19T12:01:06.000Z",
        ),
        ({"timestamp": 1_710_849_600_929}, 'timestamp: expected seconds since 1970, found "1710849600929"'),
        ({"timestamp": float("nan")}, 'timestamp: expected seconds since 1970, found "nan"'),
        ({"timestamp": float("inf")}, 'timestamp: expected seconds since 1970, found "inf"'),
        ({"timestamp": -1.0}, 'timestamp: expected seconds since 1970, found "-1.0"'),
        ({"timestamp": "noon"}, 'timestamp: expected seconds since 1970, found "noon"'),
        ({"quantity": None}, 'quantity: expected a decimal, found "None"'),
        ({"price": 0.04499}, 'price: expected a decimal, found "0.04499"'),
        ({"side": None}, 'side: expected buy or sell, found "None"'),
        ({"side": ["buy"]}, "side: expected buy or sell, found \"['buy']\""),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    found = parsed(**fields)
    assert isinstance(found, Rejected)
    assert (found.venue, found.stream, found.reason) == ("bybit", "alt_liquidations", reason)
    assert json.loads(found.payload)["symbol"] == fields.get("symbol", "ROSE-USDT-PERP")


def test_a_symbol_that_is_not_there_is_kept_with_the_reason() -> None:
    found = parsed(symbol=None)
    assert isinstance(found, Rejected)
    assert found.reason.startswith("symbol: expected a text, found ")


async def test_repeats_are_left_out_and_a_lost_connection_is_a_gap_that_names_the_error() -> None:
    group = ExceptionGroup("of a task group", [ConnectionResetError("gone")])
    told = [Stated(), Stated(), Stated(side="buy"), group]
    source = feed(FakeTime(), told, [Stated(timestamp=at(30).timestamp()), 10.0])
    found: list[Record | None] = []
    with pytest.raises(TransientSourceError, match=r"found ConnectionResetError \(gone\)") as caught:
        async with contextlib.aclosing(source.records()) as records:
            async for record in records:
                found.append(record)
    assert caught.value.kind == "cryptofeed"
    assert [record.side for record in found if isinstance(record, Liquidation)] == ["short", "long"]
    assert not source.whole
    after, gap, _ = await taken(source, 3)
    assert isinstance(after, Liquidation)
    assert isinstance(gap, Gap)
    since = NOON + dt.timedelta(milliseconds=929) - dt.timedelta(seconds=2)
    assert (gap.venue, gap.from_time, gap.to_time) == ("bybit", since, at(10 + 2))
    assert (gap.cause, gap.recoverable) == (str(caught.value), False)
    assert source.whole


async def test_a_hole_does_not_end_while_contracts_are_being_asked_for() -> None:
    source = feed(FakeTime(), [Stated(), OSError("gone")], [Stated(side="buy"), 9.9])
    with pytest.raises(TransientSourceError):
        await taken(source, 2)
    found: list[Record | None] = []
    async with contextlib.aclosing(source.records()) as records:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                async for record in records:
                    found.append(record)
    assert [type(record) for record in found] == [Liquidation]
    assert not source.whole


async def test_a_venue_that_tells_all_the_time_is_no_hindrance_to_the_end_of_a_hole() -> None:
    busy = [Stated(timestamp=at(number / 1000).timestamp()) for number in range(50)]
    time = FakeTime()
    source = feed(time, [OSError("gone")], busy)
    with pytest.raises(TransientSourceError):
        await taken(source, 1)
    found: list[Record | None] = []
    async with contextlib.aclosing(source.records()) as records, asyncio.timeout(5):
        async for record in records:
            found.append(record)
            time.seconds += 1
            if isinstance(record, Gap):
                break
    assert [type(record) for record in found] == [Liquidation] * 11 + [Gap]


async def test_a_venue_that_is_connected_and_quiet_is_there_but_heard_of_with_care() -> None:
    time = FakeTime()
    time.seconds = 1_000
    source = feed(time, [10.0])
    assert await taken(source, 1) == [None]
    assert source.newest == at(1_010 - 80 - 2)


async def test_a_connection_that_cryptofeed_makes_again_is_a_failure() -> None:
    asked: list[object] = []

    async def subscribe(connection: object) -> None:
        asked.append(connection)

    once, one, other = subscribing_once(subscribe), object(), object()
    await once(one)
    await once(other)
    with pytest.raises(ConnectionResetError, match="the connection was closed"):
        await once(one)
    assert asked == [one, other]


def test_binance_is_never_taken_by_cryptofeed_and_nothing_of_it_is_taken_unasked() -> None:
    assert not [name for name, dialect in DIALECTS.items() if "binance" in f"{name} {dialect}".lower()]
    assert set(DIALECTS) <= set(PUSHED)
    assert not set(DIALECTS) & set(BY_DEFAULT)


@pytest.mark.parametrize(("installed", "found"), [(None, "found none"), ("2.4.1", "found 2.4.1")])
def test_a_cryptofeed_that_is_not_there_or_too_old_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, found: str
) -> None:
    def version(name: str) -> str:
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(SettingsError, match=f"expected cryptofeed 3, {found}: install it with pip install"):
        build("bybit_liquidations")(IngestSettings(_env_file=None), surroundings(FakeHttp(), FakeTime()))


def test_cryptofeeds_own_liquidation_is_read() -> None:
    types = pytest.importorskip("cryptofeed.types", reason="cryptofeed, an extra, is not installed")
    demand_cryptofeed()
    fields = ("BYBIT", "ROSE-USDT-PERP", "sell", Decimal("20000"), Decimal("0.04499"), None, None)
    assert parse(types.Liquidation(*fields, NOON.timestamp() + 0.929), BYBIT, at(5), MINUTE) == parsed()


async def test_cryptofeed_takes_an_orderly_close_for_no_failure_and_is_held_to_one() -> None:
    handler = pytest.importorskip(
        "cryptofeed.connection_handler", reason="cryptofeed, an extra, is not installed"
    ).ConnectionHandler

    class Closing:
        """A connection that the venue closes in an orderly way each time."""

        uuid = id = "closing"
        is_open, last_message, opened = True, None, 0

        @contextlib.asynccontextmanager
        async def connect(self) -> AsyncIterator["Closing"]:
            self.opened += 1
            assert self.opened <= 2
            yield self

        async def read(self) -> AsyncIterator[str]:
            for text in ("one", "two"):
                yield text

        async def close(self) -> None:
            return None

    async def subscribe(connection: Any) -> None:
        return None

    async def take(message: str, connection: Any, moment: float) -> None:
        return None

    closing = Closing()
    run = handler(closing, subscribing_once(subscribe), take, 0, exceptions=[Exception]).run()
    with pytest.raises(ConnectionResetError, match="the connection was closed"):
        await asyncio.wait_for(run, 5)
    assert closing.opened == 2


async def test_cryptofeeds_bybit_that_nobody_answers_fails_at_once_and_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = pytest.importorskip("cryptofeed.connection", reason="cryptofeed, an extra, is not installed")
    bybit = importlib.import_module("cryptofeed.exchanges").EXCHANGE_MAP["BYBIT"]
    names = {"BTC-USDT-PERP": "BTCUSDT", "ETH-USD-PERP": "ETHUSD"}
    importlib.import_module("cryptofeed.symbols").Symbols.set("BYBIT", names, {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = connection.WebsocketEndpoint(f"wss://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(bybit, "websocket_endpoints", [nowhere])
    source = build("bybit_liquidations")(IngestSettings(_env_file=None), surroundings(FakeHttp(), FakeTime()))
    with pytest.raises(TransientSourceError, match="found ConnectionRefusedError") as caught:
        await asyncio.wait_for(anext(source.records()), 10)
    assert (caught.value.kind, source.whole) == ("cryptofeed", False)
