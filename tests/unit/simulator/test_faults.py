import datetime as dt
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from contracts.errors import SettingsError
from simulator.coinmarketcap_errors import ERRORS
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind, parse_fault
from simulator.server import Listening
from tests.unit.simulator.conftest import Start
from tests.unit.simulator.fakes import FakeWall, RecordingSleep

LISTINGS = "/v1/cryptocurrency/listings/latest"


class Prober:
    def __init__(self, server: Listening, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def place(self, kind: str, venue: str = "coinmarketcap", **fields: object) -> None:
        async with self.session.post(
            self.server.control + "/faults", json={"venue": venue, "kind": kind, **fields}
        ) as response:
            assert response.status == 201

    async def change(self, row: str, venue: str = "coinmarketcap", **fields: Any) -> None:
        text = f'{{"venue":"{venue}","row":"{row}",' + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}"
        async with self.session.post(self.server.control + "/rows", data=text) as response:
            assert response.status == 201

    async def get(self, venue: str = "coinmarketcap") -> aiohttp.ClientResponse:
        path = LISTINGS if venue == "coinmarketcap" else "/v1/markets"
        response = await self.session.get(self.server.url(venue) + path)
        await response.read()
        return response

    async def text(self, venue: str = "coinmarketcap") -> str:
        return await (await self.get(venue)).text()


@pytest.fixture
def prober(server: Listening, session: aiohttp.ClientSession) -> Prober:
    return Prober(server, session)


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("banned", 418)])
@pytest.mark.parametrize("venue", ["coinmarketcap", "wallex"])
async def test_limit_comes_with_and_without_retry_after(prober: Prober, venue: str, kind: str, status: int) -> None:
    await prober.place(kind, venue, retry_after=17)
    await prober.place(kind, venue)
    told, untold, well = await prober.get(venue), await prober.get(venue), await prober.get(venue)
    assert (told.status, told.headers["Retry-After"]) == (status, "17")
    assert (untold.status, "Retry-After" in untold.headers) == (status, False)
    assert well.status == 200


async def test_server_error_has_the_asked_status(prober: Prober) -> None:
    await prober.place("server_error", status=502)
    await prober.place("server_error")
    assert [(await prober.get()).status for _ in range(3)] == [502, 503, 200]


@pytest.mark.parametrize("code", sorted(ERRORS))
async def test_every_error_code_comes_with_its_own_status(prober: Prober, code: int) -> None:
    await prober.place("error", code=code)
    response = await prober.get()
    status = (await response.json())["status"]
    assert (response.status, status["error_code"], status["error_message"]) == (ERRORS[code][0], code, ERRORS[code][1])


async def test_error_hides_in_a_200(prober: Prober) -> None:
    await prober.place("error_in_200", code=1008)
    await prober.place("error_in_200", "wallex")
    response = await prober.get()
    assert (response.status, (await response.json())["status"]["error_code"]) == (200, 1008)
    assert (await (await prober.get("wallex")).json())["success"] is False


async def test_html_page_comes_with_200(prober: Prober) -> None:
    await prober.place("html")
    response = await prober.get()
    assert (response.status, response.content_type) == (200, "text/html")
    assert (await response.text()).startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("venue", ["coinmarketcap", "wallex"])
async def test_truncated_body_is_no_json(prober: Prober, venue: str) -> None:
    await prober.place("truncated", venue)
    with pytest.raises(json.JSONDecodeError):
        json.loads(await prober.text(venue))


@pytest.mark.parametrize("venue", ["coinmarketcap", "wallex"])
async def test_nan_stands_in_place_of_one_number(prober: Prober, venue: str) -> None:
    await prober.place("nan", venue)
    text = await prober.text(venue)
    assert text.count("NaN") == 1
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text)
    assert len(json.loads(text)) > 1


async def test_cut_answer_is_shorter_than_it_promised(prober: Prober) -> None:
    await prober.place("cut")
    with pytest.raises(aiohttp.ClientPayloadError):
        await prober.get()


async def test_disconnect_closes_without_an_answer(prober: Prober) -> None:
    # Twice: aiohttp's client silently repeats a GET whose kept-alive connection was closed.
    await prober.place("disconnect", count=2)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await prober.get()
    assert (await prober.get()).status == 200


async def test_silence_lasts_until_the_client_gives_up(prober: Prober) -> None:
    await prober.place("silence")
    with pytest.raises(TimeoutError):
        await prober.session.get(
            prober.server.url("coinmarketcap") + LISTINGS, timeout=aiohttp.ClientTimeout(total=0.3)
        )
    log = await (await prober.session.get(prober.server.control + "/requests")).json()
    assert [(entry["status"], entry["fault"]) for entry in log] == [(None, "silence")]


async def test_slow_answer_is_right_but_late(prober: Prober, sleep: RecordingSleep) -> None:
    await prober.place("slow", delay_seconds=42)
    right, slow = await prober.get("wallex"), await prober.get()
    assert (right.status, slow.status, sleep.slept) == (200, 200, [42.0])


async def test_stale_cache_answers_an_old_body_under_a_new_date(prober: Prober, wall: FakeWall) -> None:
    old = await (await prober.get()).json()
    wall.advance(seconds=600)
    await prober.place("stale")
    stale = await prober.get()
    assert await stale.json() == old
    assert stale.headers["Date"] == "Sun, 22 Nov 2026 09:10:00 GMT"
    assert await (await prober.get()).json() != old


async def test_fault_lasts_for_simulated_seconds_from_its_time_on(prober: Prober, wall: FakeWall) -> None:
    await prober.place("server_error", after_seconds=60, for_seconds=120)
    statuses = []
    for _ in range(5):
        statuses.append((await prober.get()).status)
        wall.advance(seconds=59)
    assert statuses == [200, 200, 503, 503, 200]


async def test_fault_strikes_its_venue_alone_and_can_be_taken_away(prober: Prober) -> None:
    await prober.place("server_error", count=5)
    assert (await prober.get("wallex")).status == 200
    assert (await prober.get()).status == 503
    await prober.session.delete(prober.server.control + "/faults")
    assert (await prober.get()).status == 200
    assert await (await prober.session.get(prober.server.control + "/faults")).json() == []


async def test_faults_can_be_set_before_the_start(start: Start, session: aiohttp.ClientSession) -> None:
    fault = Fault(venue="wallex", kind=FaultKind.SERVER_ERROR, for_seconds=30)
    prober = Prober(await start(SimulatorConfig(faults=(fault,))), session)
    assert [(await prober.get("wallex")).status, (await prober.get()).status] == [503, 200]


@pytest.mark.parametrize(
    "body", ["{", '{"venue":"wallex","kind":"plague"}', '{"venue":"y","kind":"slow"}', '{"venue":"wallex"}']
)
async def test_control_refuses_a_fault_it_does_not_know(prober: Prober, body: str) -> None:
    response = await prober.session.post(prober.server.control + "/faults", data=body)
    assert response.status == 400
    assert (await response.json())["error"].startswith("expected a Fault, found: ")


def test_fault_is_read_from_a_command_line() -> None:
    fault = parse_fault("coinmarketcap:rate_limited,count=3,retry_after=30,after_seconds=600")
    assert fault == Fault(
        venue="coinmarketcap", kind=FaultKind.RATE_LIMITED, count=3, retry_after=fault.retry_after, after_seconds=600
    )
    assert str(fault.retry_after) == "30"


@pytest.mark.parametrize("text", ["wallex", "wallex:plague", "wallex:slow,count=many", "wallex:slow,colour=red"])
def test_unreadable_fault_names_the_kinds_there_are(text: str) -> None:
    with pytest.raises(SettingsError, match=r"expected venue:kind.*rate_limited, banned"):
        parse_fault(text)


@pytest.mark.parametrize("value", ["null", '"-"', "1e-12", "1e12", "1e40", '"abc"'])
async def test_field_of_a_coin_is_overwritten_with_the_very_text_given(prober: Prober, value: str) -> None:
    right = json.loads(await prober.text())
    await prober.change("BTC", set=f'{{"price":{value}}}', count=1)
    text = await prober.text()
    changed = json.loads(text)
    assert f'"price":{value},' in text
    assert changed["data"][1:] == right["data"][1:]
    assert json.loads(await prober.text()) == right


async def test_last_updated_of_a_coin_is_moved_in_both_places(prober: Prober) -> None:
    future = "2030-01-01T00:00:00.000Z"
    await prober.change("1027", set=f'{{"last_updated":"{future}"}}')
    coin = next(c for c in json.loads(await prober.text())["data"] if c["symbol"] == "ETH")
    assert (coin["last_updated"], coin["quote"]["USD"]["last_updated"]) == (future, future)


async def test_coin_and_market_are_repeated_under_the_same_symbol(prober: Prober) -> None:
    await prober.change("BTC", duplicate="true")
    await prober.change("BTCTMN", "wallex", duplicate="true")
    coins = json.loads(await prober.text())["data"]
    markets = json.loads(await prober.text("wallex"))["result"]["symbols"]
    assert [coin["symbol"] for coin in coins].count("BTC") == 2
    assert [market["symbol"] for market in markets.values()].count("BTCTMN") == 2


async def test_stats_of_a_market_are_overwritten_while_the_change_holds(prober: Prober, wall: FakeWall) -> None:
    await prober.change("ETHTMN", "wallex", set='{"lastPrice":"-"}', for_seconds=60)
    prices = []
    for _ in range(2):
        markets = json.loads(await prober.text("wallex"))["result"]["symbols"]
        prices.append(markets["ETHTMN"]["stats"]["lastPrice"])
        wall.advance(seconds=dt.timedelta(minutes=1).total_seconds())
    assert prices[0] == "-"
    assert prices[1] != "-"
