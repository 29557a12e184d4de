"""What cryptofeed tells as liquidations: whose side it is, lost connections, and a cryptofeed that is not there."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import importlib.metadata
import json
from decimal import Decimal
from typing import Any

import pytest

from contracts.errors import SettingsError, TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected
from contracts.settings import IngestSettings
from ingest.sources.cryptofeed.dialects import DIALECTS, Dialect, Told, parse
from ingest.sources.cryptofeed.liquidations import CryptofeedLiquidations, build, demand_cryptofeed
from ingest.venues import BY_DEFAULT, PUSHED
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTime, at, surroundings

BYBIT = DIALECTS["bybit_liquidations"]
MINUTE = dt.timedelta(seconds=60)


@dataclasses.dataclass(frozen=True)
class Stated:
    """A liquidation of cryptofeed's documented shape."""

    exchange: str = "BYBIT"
    symbol: str = "ROSE-USDT-PERP"
    side: str = "sell"
    quantity: Any = Decimal("20000")
    price: Any = Decimal("0.04499")
    timestamp: float | None = NOON.timestamp() + 0.929


def parsed(**fields: Any) -> Liquidation | Rejected:
    return parse(Stated(**fields), BYBIT, at(5), MINUTE)


class Scripted:
    """A feed of cryptofeed that tells a list, and then fails or goes on."""

    def __init__(self, told: "asyncio.Queue[Told]", script: list[Any]) -> None:
        self.connected = False
        self._told = told
        self._script = script

    async def run(self) -> None:
        self.connected = True
        for step in self._script:
            if isinstance(step, BaseException):
                raise step
            await self._told.put(step)
        await asyncio.Event().wait()


def feed(time: FakeTime, *scripts: list[Any]) -> CryptofeedLiquidations:
    left = list(scripts)

    def opened(dialect: Dialect, told: "asyncio.Queue[Told]") -> Scripted:
        return Scripted(told, left.pop(0))

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
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    found = parsed(**fields)
    assert isinstance(found, Rejected)
    assert (found.venue, found.stream, found.reason) == ("bybit", "alt_liquidations", reason)
    assert json.loads(found.payload)["symbol"] == fields.get("symbol", "ROSE-USDT-PERP")


async def test_repeats_are_left_out_and_a_lost_connection_is_a_gap_that_names_the_error() -> None:
    group = ExceptionGroup("of a task group", [ConnectionResetError("gone")])
    told = [Stated(), Stated(), Stated(side="buy"), group]
    source = feed(FakeTime(), told, [Stated(timestamp=at(30).timestamp())])
    found: list[Record | None] = []
    with pytest.raises(TransientSourceError, match=r"found ConnectionResetError \(gone\)") as caught:
        async with contextlib.aclosing(source.records()) as records:
            async for record in records:
                found.append(record)
    assert caught.value.kind == "cryptofeed"
    assert [record.side for record in found if isinstance(record, Liquidation)] == ["short", "long"]
    assert not source.whole
    gap, after = await taken(source, 2)
    assert isinstance(gap, Gap)
    assert (gap.venue, gap.from_time, gap.to_time) == ("bybit", NOON + dt.timedelta(milliseconds=929), at(30))
    assert (gap.cause, gap.recoverable) == (str(caught.value), False)
    assert isinstance(after, Liquidation)
    assert source.whole


async def test_a_venue_that_is_connected_and_quiet_is_there_but_heard_of_with_care() -> None:
    time = FakeTime()
    time.seconds = 1_000
    source = feed(time, [])
    assert await taken(source, 1) == [None]
    assert source.newest == at(1_000 - 80)


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
