"""The setting chooses the sink and the tail, and a stop ends a start that waits."""

import asyncio

import pytest

from contracts.errors import BrokerError
from contracts.settings import KafkaSettings, TransportSettings
from contracts.streams import WALLEX
from ingest.clock import Clock
from ingest.kafka_sink import KafkaSink
from ingest.kafka_tail import KafkaTail
from ingest.transport import sink_of, tail_of, unless_stopped
from ingest.zmq_sink import ZmqSink

KAFKA = KafkaSettings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:1")


@pytest.mark.parametrize(("transport", "sink"), [("kafka", KafkaSink), ("zmq://127.0.0.1:5556", ZmqSink)])
async def test_the_setting_names_the_sink(transport: str, sink: type[object]) -> None:
    async with sink_of(TransportSettings(_env_file=None, transport=transport), KAFKA, Clock()) as found:
        assert type(found) is sink


async def test_over_zeromq_every_start_is_a_first_start() -> None:
    tail = tail_of(TransportSettings(_env_file=None, transport="zmq://127.0.0.1:5556"), KAFKA)
    assert list(await tail.newest_polls("wallex", WALLEX)) == []
    assert list(await tail.gaps("wallex", WALLEX)) == []
    assert list(await tail.newest_records("wallex", WALLEX, ["BTCTMN"])) == []
    assert isinstance(tail_of(TransportSettings(_env_file=None), KAFKA), KafkaTail)


async def test_a_stop_ends_a_start_that_waits() -> None:
    stop, ended = asyncio.Event(), []

    async def start() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("start")

    asyncio.get_running_loop().call_later(0.01, stop.set)
    assert not await asyncio.wait_for(unless_stopped(start(), stop), 5)
    assert ended == ["start"]


async def test_a_start_that_comes_to_its_end_or_fails_says_so() -> None:
    async def fails() -> None:
        raise BrokerError("nobody")

    assert await unless_stopped(asyncio.sleep(0), asyncio.Event())
    with pytest.raises(BrokerError, match="nobody"):
        await unless_stopped(fails(), asyncio.Event())
