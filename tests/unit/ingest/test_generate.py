"""The whole generator: real HTTP and a real Kafka client against servers on loopback, bad input included."""

import asyncio
import contextlib
import io
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from confluent_kafka import Consumer, Producer, TopicPartition
from pydantic import SecretStr

from contracts.errors import CoinlakeError, SettingsError, TopicError
from contracts.records import Gap, Record, Rejected, decode
from contracts.settings import IngestSettings, JobSettings, KafkaSettings
from contracts.streams import STREAMS, Stream
from ingest import logs
from ingest.generate import generate
from tests.unit.ingest.test_coin_market_cap import body as cmc_body
from tests.unit.ingest.test_coin_market_cap import coin
from tests.unit.ingest.test_wallex import body as wallex_body
from tests.unit.ingest.test_wallex import market

SECRET = "b1946ac9-not-to-be-seen"
# Tests that count polls take intervals that a busy machine keeps too: one that stalls for longer misses a poll.
UNHURRIED = {"poll_seconds": 2.0, "request_timeout_seconds": 10.0}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Venue:
    """Both venues on one port; a test sets what each answers."""

    def __init__(self) -> None:
        self.coin_market_cap: Handler = says(cmc_body([coin()]))
        self.wallex: Handler = says(wallex_body(market(), market("USDTTMN", "USDT")))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/cmc/v3/cryptocurrency/listings/latest", self._coin_market_cap)
        app.router.add_get("/wallex/v1/markets", self._wallex)
        return app

    async def _coin_market_cap(self, request: web.Request) -> web.StreamResponse:
        return await self.coin_market_cap(request)

    async def _wallex(self, request: web.Request) -> web.StreamResponse:
        return await self.wallex(request)


def says(text: str, status: int = 200, **more: Any) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type=more.get("content_type", "application/json"))

    return handler


class World:
    """A venue, a broker, and what a user would see of a run."""

    def __init__(self, venue: Venue, port: int, cluster: str, log: io.StringIO) -> None:
        self.venue = venue
        self.log = log
        self._port = port
        self.wallex_url = f"http://127.0.0.1:{port}/wallex"
        self.cluster = cluster

    async def run(
        self,
        *venues: str,
        polls: int | None = 1,
        stop: asyncio.Event | None = None,
        once: bool = False,
        **settings: Any,
    ) -> int:
        ingest = IngestSettings(
            _env_file=None,
            **{
                "coinmarketcap_url": f"http://127.0.0.1:{self._port}/cmc",
                "coinmarketcap_api_key": SecretStr(SECRET),
                "wallex_url": self.wallex_url,
                "poll_seconds": 0.3,
                "request_timeout_seconds": 2.0,
                **settings,
            },
        )
        kafka = KafkaSettings(kafka_bootstrap_servers=self.cluster, _env_file=None)
        job = JobSettings(_env_file=None)
        return await asyncio.wait_for(
            generate(ingest, kafka, job, venues=venues, polls=polls, stop=stop or asyncio.Event(), once=once), 30
        )

    async def records(self, stream_of: type[Record]) -> list[Record]:
        stream = next(stream for stream in STREAMS if stream.record is stream_of)
        return await asyncio.to_thread(self._read, stream)

    def _read(self, stream: Stream) -> list[Record]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.cluster,
                "group.id": "test",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        partitions = consumer.list_topics(stream.topic, timeout=10).topics[stream.topic].partitions
        consumer.assign([TopicPartition(stream.topic, partition, 0) for partition in partitions])
        found: list[Record] = []
        ended = 0
        while ended < len(partitions):
            for message in consumer.consume(100, 0.1):
                if message.error() is None:
                    found.append(decode(message.value() or b"", stream.record))
                else:
                    ended += 1
        consumer.close()
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]


@pytest.fixture
def cluster() -> Iterator[str]:
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    for stream in STREAMS:
        broker.list_topics(stream.topic, timeout=10)
    yield f"{address.host}:{address.port}"
    broker.purge()


@pytest.fixture
async def world(cluster: str) -> AsyncIterator[World]:
    venue, log = Venue(), io.StringIO()
    server = TestServer(venue.app())
    await server.start_server()
    with contextlib.redirect_stderr(log):
        logs.configure("json")
        yield World(venue, server.port or 0, cluster, log)
    structlog.reset_defaults()
    await server.close()


async def test_two_venues_are_polled_side_by_side_into_their_topics(world: World) -> None:
    assert await world.run("coin_market_cap", "wallex", polls=3, **UNHURRIED) == 0
    assert len(await world.records(STREAMS[0].record)) == 3
    assert len(await world.records(STREAMS[1].record)) == 6
    assert await world.records(Gap) == await world.records(Rejected) == []
    [budget] = world.events("credit_budget")
    assert (budget["credits_per_month"], budget["credits_per_poll"]) == (15_000, 1)


async def test_a_second_run_after_a_pause_puts_the_pause_on_record(world: World) -> None:
    await world.run("wallex")
    await asyncio.sleep(0.6)
    await world.run("wallex")
    opened, closed = await world.records(Gap)
    assert isinstance(opened, Gap)
    assert isinstance(closed, Gap)
    first, *_, last = [record.event_time for record in await world.records(STREAMS[1].record)]
    assert (opened.from_time, opened.to_time, opened.cause) == (first, None, "generator was not running")
    assert (closed.from_time, closed.to_time) == (first, last)


async def test_a_stop_ends_a_run_without_end(world: World) -> None:
    stop, asked = asyncio.Event(), []

    async def third_time_stop(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        if len(asked) == 3:
            stop.set()
            await asyncio.sleep(5)
        return web.Response(text=wallex_body(market()), content_type="application/json")

    world.venue.wallex = third_time_stop
    assert await world.run("wallex", polls=None, stop=stop, **UNHURRIED) == 0
    assert len(await world.records(STREAMS[1].record)) == 2
    assert await world.records(Gap) == []


PROGRAM = """
import sys
from contracts.settings import IngestSettings, JobSettings, KafkaSettings
from ingest.generate import run
sys.exit(run(IngestSettings.load(), KafkaSettings.load(), JobSettings.load(), venues=["wallex"]))
"""


async def test_sigterm_stops_the_process_with_everything_delivered(world: World, tmp_path: Path) -> None:
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "COINLAKE_HOME": str(tmp_path),
        "COINLAKE_KAFKA_BOOTSTRAP_SERVERS": world.cluster,
        "COINLAKE_WALLEX_URL": world.wallex_url,
        "COINLAKE_POLL_SECONDS": "0.2",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=environment, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    served = 0
    while served < 3:
        line = await asyncio.wait_for(process.stderr.readline(), 20)
        assert line, "the process ended before it served three polls"
        served += b"event=poll_served" in line
    process.send_signal(signal.SIGTERM)
    rest = await asyncio.wait_for(process.stderr.read(), 20)
    assert await process.wait() == 0
    served += rest.count(b"event=poll_served")
    assert b"event=source_stopped" in rest
    assert len(await world.records(STREAMS[1].record)) == 2 * served


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(4)
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"data": [')
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        pytest.param(says("oops", 503), "ORIGIN: expected status 200, found 503", id="5xx"),
        pytest.param(says("oops", 429), "ORIGIN: expected status 200, found 429", id="429 without Retry-After"),
        pytest.param(says("<html>Maintenance</html>"), "ORIGIN: expected JSON, found HTML", id="HTML"),
        pytest.param(
            says('{"success": true, "result": {"symb'),
            "expected JSON, found Unterminated string starting at character 29 of 34",
            id="truncated JSON",
        ),
        pytest.param(cut, "ORIGIN: expected a whole answer, found a cut one", id="a cut answer"),
        pytest.param(slow, "ORIGIN: expected an answer within 2 s, found none", id="a timeout"),
        pytest.param(
            says('{"success": false, "code": 1201}'),
            "wallex: expected success true, found false (code 1201)",
            id="HTTP 200 with an error code",
        ),
    ],
)
async def test_a_venue_that_does_not_answer_well_leaves_an_open_gap_and_a_non_zero_exit(
    world: World, handler: Handler, cause: str
) -> None:
    world.venue.wallex = handler
    assert await world.run("wallex") == 1
    [found] = await world.records(Gap)
    assert isinstance(found, Gap)
    origin = found.cause.split(": ")[0] if found.cause.startswith("http") else ""
    assert (found.cause, found.missed, found.to_time) == (cause.replace("ORIGIN", origin), 1, None)
    assert world.events("poll_failed")[-1]["error"] == found.cause


async def test_a_venue_that_is_down_leaves_a_gap(world: World) -> None:
    assert await world.run("wallex", wallex_url="http://127.0.0.1:1") == 1
    [found] = await world.records(Gap)
    assert isinstance(found, Gap)
    assert found.cause == "http://127.0.0.1:1: expected an answer, found no connection (ClientConnectorError)"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (1001, "coin_market_cap: the API key is invalid: check COINLAKE_COINMARKETCAP_API_KEY (code 1001)"),
        (1002, "coin_market_cap: the API key is missing: set COINLAKE_COINMARKETCAP_API_KEY (code 1002)"),
    ],
)
async def test_a_wrong_key_stops_that_venue_and_the_other_goes_on(world: World, code: int, line: str) -> None:
    world.venue.coin_market_cap = says(cmc_body(None, code), 401)
    assert await world.run("coin_market_cap", "wallex", polls=2, **UNHURRIED) == 1
    [fatal] = world.events("source_fatal")
    assert (fatal["venue"], fatal["error"]) == ("coin_market_cap", line)
    assert len(await world.records(STREAMS[1].record)) == 4


async def test_a_bad_row_is_in_the_rejected_topic_and_the_others_arrive(world: World) -> None:
    world.venue.coin_market_cap = says(cmc_body([coin(), coin(2, "ETH", 2, price=float("nan"))]))
    assert await world.run("coin_market_cap") == 0
    assert len(await world.records(STREAMS[0].record)) == 1
    [found] = await world.records(Rejected)
    assert isinstance(found, Rejected)
    assert found.reason == "price: expected a finite number, found NaN"
    assert b'"price": NaN' in found.payload


async def test_a_venue_that_is_not_known_is_named(world: World) -> None:
    with pytest.raises(SettingsError) as caught:
        await world.run("nobitex")
    assert (
        str(caught.value)
        == "expected a venue out of coin_market_cap, wallex, binance, binance_klines, binance_agg_trades,"
        " binance_liquidations, bybit_liquidations, x_bitcoin, x_ethereum, found nobitex"
    )


async def test_a_binance_that_is_nowhere_is_one_clear_line_and_a_gap_and_the_others_go_on(world: World) -> None:
    nowhere = {"binance_url": "http://127.0.0.1:1", "binance_stream_url": "ws://127.0.0.1:1"}
    assert await world.run("wallex", "binance", "binance_klines", polls=2, **nowhere, **UNHURRIED) == 1
    assert len(await world.records(STREAMS[1].record)) == 4
    found = {gap.stream: gap for gap in await world.records(Gap) if isinstance(gap, Gap)}
    assert sorted(found) == ["binance_ticker", "crypto_kline_data"]
    line = "http://127.0.0.1:1: expected an answer, found no connection (ClientConnectorError)"
    assert {gap.cause for gap in found.values()} == {line}
    assert found["crypto_kline_data"].recoverable
    assert {event["error"] for event in world.events("feed_failed")} == {line}


async def test_no_topic_is_one_clear_line_before_any_request() -> None:
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    world = World(Venue(), 1, f"{address.host}:{address.port}", io.StringIO())
    with pytest.raises(TopicError) as caught:
        await world.run("wallex")
    assert str(caught.value) == 'topic wallex does not exist: create it with "coinlake topics apply"'


async def test_the_key_is_in_no_log_line_no_error_and_no_record(world: World) -> None:
    seen: list[str | None] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("X-CMC_PRO_API_KEY"))
        text = cmc_body(None, 1001).replace('"error_message": null', f'"error_message": "bad key {SECRET}"')
        return web.Response(text=text, status=401, content_type="application/json")

    world.venue.coin_market_cap = echo
    await world.run("coin_market_cap")
    assert seen == [SECRET]
    with contextlib.suppress(CoinlakeError):
        await world.run("coin_market_cap", coinmarketcap_url="http://127.0.0.1:1")
    assert world.events("source_fatal")
    assert SECRET not in world.log.getvalue()
    assert all(SECRET not in str(record) for record in [*await world.records(Gap), *await world.records(Rejected)])
