"""Many clients on one server: what is counted, against a server that takes its time."""

import asyncio
import os
from collections import Counter
from decimal import Decimal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.query_api import COINS, Question, ask, candle, liquidation
from contracts.records import Liquidation, decode, encode

SECONDS = 0.05
"""How long the server takes for an answer."""


class SlowServer:
    """Answers after a while, every tenth time with an error, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked[request.query["coin"]] += 1
        await asyncio.sleep(SECONDS)
        self.at_once -= 1
        if sum(self.asked.values()) % 10 == 0:
            return web.Response(status=503)
        return web.Response(body=b"[]", headers={"X-Row-Count": "7"})


async def test_all_clients_ask_at_once_and_every_request_is_counted() -> None:
    slow = SlowServer()
    app = web.Application()
    app.router.add_get("/api/q/candles", slow.answer)
    async with TestServer(app) as server:
        question = Question("lake", "candles", tuple({"coin": coin} for coin in ("A", "B")))
        found = await ask(str(server.make_url("")).rstrip("/"), question, os.getpid(), seconds=0.5, clients=8)
    assert slow.most_at_once == 8
    assert abs(slow.asked["A"] - slow.asked["B"]) <= 1
    assert found.requests < sum(slow.asked.values())  # the warm-up is not counted
    assert found.requests_per_second == pytest.approx(found.requests / found.seconds)
    assert 0 < found.failed < found.requests / 4
    assert 4 < found.rows_per_answer < 7
    assert 1000 * SECONDS <= found.p50_ms <= found.p99_ms


def test_the_rows_are_records_and_tables_of_ours() -> None:
    made = [liquidation(number, 1000) for number in range(1000)]
    assert {one.symbol for one in made} == {f"C{number:03}USDT" for number in range(COINS)}
    assert len({(one.event_time, one.venue, one.symbol, one.side) for one in made}) == 1000
    assert all(decode(encode(one), Liquidation).notional == one.notional for one in made)
    assert candle("C000", made[0].event_time)["close"] == Decimal("1.123456789012345678")
