from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from simulator.config import SimulatorConfig
from simulator.server import Listening, running
from tests.unit.simulator.fakes import FakeWall, RecordingSleep

Start = Callable[[SimulatorConfig], Awaitable[Listening]]


@pytest.fixture
def wall() -> FakeWall:
    return FakeWall()


@pytest.fixture
def sleep() -> RecordingSleep:
    return RecordingSleep()


@pytest.fixture
async def start(wall: FakeWall, sleep: RecordingSleep) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start_one(config: SimulatorConfig) -> Listening:
            return await stack.enter_async_context(running(config, wall, sleep))

        yield start_one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        headers={"X-CMC_PRO_API_KEY": "test-key"}, timeout=aiohttp.ClientTimeout(total=5)
    ) as session:
        yield session


@pytest.fixture
async def server(start: Start) -> Listening:
    return await start(SimulatorConfig(seed=7))
