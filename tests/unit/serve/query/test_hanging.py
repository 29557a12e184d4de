"""A store that hangs: whoever waits for it is told so, and nobody else waits."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pytest

from contracts.errors import StoreError
from serve.query.duck import Duck, Source
from serve.query.errors import QueryError, StoreDownError
from serve.query.fresh import Fresh
from serve.query.queries import STORE_NAMES, Named, StoreName, read_queries
from serve.query.result import Result
from tests.unit.serve.query.served import lake_query

RUNNING = 2
ASKED = 20


class Hanging:
    """A store that answers nothing until it is let go, and then refuses."""

    def __init__(self, seconds: float = 30) -> None:
        self._seconds = seconds
        self._fresh: Fresh[Source] = Fresh(0)
        self.let_go = threading.Event()
        self.waited = 0

    def sources(self, anew: bool) -> Mapping[str, Source]:
        return {"t": self._fresh.get("t", self._look_up, anew=anew)}

    def _look_up(self) -> Source:
        self.waited += 1
        self.let_go.wait(self._seconds)
        raise StoreError("no answer")


def answering(_: bool) -> Mapping[str, Source]:
    return {"t": pa.table({"n": [7]})}


def query(store: StoreName, seconds: float = 0.3) -> Named:
    file = {"n": lake_query("SELECT n FROM t", store=store, time_limit_seconds=seconds)}
    return read_queries(json.dumps(file).encode(), dict.fromkeys(STORE_NAMES, lambda _: None))["n"]


@pytest.fixture
def duck() -> Iterator[Duck]:
    duck = Duck(threads=1, memory="100MB", running=RUNNING)
    yield duck
    duck.close()


async def test_a_store_that_hangs_is_down_and_another_answers(duck: Duck) -> None:
    store = Hanging()
    try:
        asked = [asyncio.create_task(duck.answer(query("lake"), {}, store.sources)) for _ in range(ASKED)]
        await asyncio.sleep(0.1)
        for _ in range(3):
            answer = await duck.answer(query("kafka"), {}, answering)
            assert answer.rows == [(7,)]
        done: list[Result | BaseException] = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        store.let_go.set()
    assert {type(one) for one in done} == {StoreDownError}
    assert {str(one) for one in done if isinstance(one, QueryError)} == {
        "lake: does not answer: expected open tables within 0.3 s, found none yet"
    }


async def test_closing_waits_for_one_look_up_and_not_for_all(duck: Duck) -> None:
    store = Hanging(seconds=1)
    asked = [asyncio.create_task(duck.answer(query("lake", 0.1), {}, store.sources)) for _ in range(ASKED)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await asyncio.to_thread(duck.close)
    assert time.monotonic() - began < 2
    assert store.waited == 1
    await asyncio.gather(*asked, return_exceptions=True)
