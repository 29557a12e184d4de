"""Clients and rounds: nothing lost, nothing doubled, nobody waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from serve.live.broadcast import Broadcast
from serve.live.client import Client, Shared
from serve.live.feed import Batch
from serve.live.points import Point
from serve.live.settings import LiveSettings
from tests.unit.serve.live.fakes import FakeTime, ListSocket, point, settle, shared

BTC: dict[str, int | None] = {"BTCUSDT": None}


@asynccontextmanager
async def running(common: Shared) -> AsyncIterator[Broadcast]:
    broadcast = Broadcast(common, LiveSettings(live_pace_seconds=0))
    task = asyncio.create_task(broadcast.run())
    yield broadcast
    task.cancel()
    await asyncio.wait([task])


async def joined(broadcast: Broadcast, socket: ListSocket, symbols: dict[str, int | None]) -> Client:
    client = broadcast.join(socket)
    broadcast.subscribe(client, symbols)
    await settle()
    return client


async def take(broadcast: Broadcast, *points: Point, starts_anew: bool = False, caught_up: bool = True) -> None:
    broadcast.take(Batch(list(points), starts_anew=starts_anew, caught_up=caught_up))
    await settle()


def count_of(common: Shared, name: str, **labels: str) -> float:
    return common.metrics.registry.get_sample_value(f"coinlake_live_{name}_total", labels) or 0


async def test_history_first_and_then_what_is_new() -> None:
    async with running(shared(FakeTime())) as broadcast:
        await take(broadcast, point(1), point(2, "ETHUSDT"))
        socket = ListSocket()
        await joined(broadcast, socket, BTC)
        await take(broadcast, point(3, window=1), point(4, "ETHUSDT", window=1))
    history, points = socket.frames
    assert (history["type"], history["symbol"], history["reset"]) == ("history", "BTCUSDT", True)
    assert points["type"] == "points"
    assert socket.sequences() == [1, 3]


async def test_a_ping_is_answered_also_while_the_socket_is_full() -> None:
    async with running(shared(FakeTime())) as broadcast:
        await take(broadcast, point(1))
        socket = ListSocket(stalled=True)
        client = await joined(broadcast, socket, BTC)
        assert socket.full
        await client.pong(b"1")
        broadcast.leave(client)
        await client.pong(b"2")
    assert socket.pongs == [b"1"]


async def test_equal_subscriptions_get_equal_frames() -> None:
    async with running(shared(FakeTime())) as broadcast:
        one, two = ListSocket(), ListSocket()
        await joined(broadcast, one, {"BTCUSDT": None, "ETHUSDT": None})
        await joined(broadcast, two, {"ETHUSDT": None, "BTCUSDT": None})
        await take(broadcast, point(1), point(2, "ETHUSDT"))
    assert one.sequences() == two.sequences() == [1, 2]


async def test_a_new_subscription_ends_the_old() -> None:
    async with running(shared(FakeTime())) as broadcast:
        socket = ListSocket()
        client = await joined(broadcast, socket, BTC)
        broadcast.subscribe(client, {"ETHUSDT": None})
        await settle()
        await take(broadcast, point(1, "BTCUSDT"), point(2, "ETHUSDT"))
        broadcast.subscribe(client, {})
        await settle()
        await take(broadcast, point(3, "BTCUSDT", window=1), point(4, "ETHUSDT", window=1))
    assert socket.sequences() == [2]


async def test_until_the_history_is_complete_nothing_is_answered() -> None:
    """Else a client that resumes would be told to forget what the server has only not read yet."""
    async with running(shared(FakeTime(), ready=False)) as broadcast:
        socket = ListSocket()
        await take(broadcast, point(1), caught_up=False)
        await joined(broadcast, socket, {"BTCUSDT": 2})
        await take(broadcast, point(2, window=1), point(3, window=2), caught_up=False)
        assert socket.frames == []
        await take(broadcast)
    [history] = socket.frames
    assert not history["reset"]
    assert socket.sequences() == [3]


async def test_a_slow_client_gets_the_newest_of_each_window_and_slows_nobody() -> None:
    common = shared(FakeTime())
    async with running(common) as broadcast:
        slow, fast = ListSocket(stalled=True), ListSocket()
        await joined(broadcast, slow, BTC)
        await joined(broadcast, fast, BTC)
        assert slow.full  # its history waits
        for n in range(1, 10):
            await take(broadcast, point(n, window=n % 3, count=n))
        assert fast.sequences() == list(range(1, 10))
        assert slow.sequences() == []
        slow.flow()
        await settle()
        assert slow.sequences() == [7, 8, 9]
        assert count_of(common, "points_conflated", where="slow") == 6
        await take(broadcast, point(10, window=3))
        assert slow.sequences() == [7, 8, 9, 10]


async def test_a_client_too_far_behind_is_sent_the_history_anew() -> None:
    async with running(shared(FakeTime(), max_pending=3)) as broadcast:
        slow = ListSocket(stalled=True)
        await joined(broadcast, slow, BTC)
        for n in range(1, 6):
            await take(broadcast, point(n, window=n))
        slow.flow()
        await settle()
    assert [frame["reset"] for frame in slow.of_type("history")] == [True, True]
    assert slow.of_type("points") == []
    assert slow.sequences() == [1, 2, 3, 4, 5]


async def test_what_a_history_told_is_not_told_again_by_a_round_under_way() -> None:
    common = shared(FakeTime())
    async with running(common) as broadcast:
        socket = ListSocket()
        client = broadcast.join(socket)
        broadcast.take(Batch([point(1), point(2, window=1)]))  # the round is due, and the history has them too
        broadcast.subscribe(client, BTC)
        await settle()
        assert socket.sequences() == [1, 2]
        await take(broadcast, point(3, window=2))
    assert socket.sequences() == [1, 2, 3]


async def test_a_topic_that_starts_anew_resets_everybody() -> None:
    async with running(shared(FakeTime())) as broadcast:
        socket = ListSocket()
        await joined(broadcast, socket, BTC)
        await take(broadcast, point(41), point(42, window=1))
        await take(broadcast, point(0, window=2), starts_anew=True)
        await take(broadcast, point(1, window=3))
    assert [(f["type"], f.get("reset"), [p["sequence"] for p in f["points"]]) for f in socket.frames] == [
        ("history", True, []),
        ("points", None, [41, 42]),
        ("history", True, [0]),
        ("points", None, [1]),
    ]


async def test_a_client_that_is_gone_is_written_to_no_more() -> None:
    async with running(shared(FakeTime())) as broadcast:
        gone, there = ListSocket(), ListSocket()
        await joined(broadcast, gone, BTC)
        await joined(broadcast, there, BTC)
        gone.broken = True
        await take(broadcast, point(1))
        await take(broadcast, point(2, window=1))
        assert there.sequences() == [1, 2]
        assert gone.sequences() == []


async def test_a_client_is_stuck_when_its_socket_was_full_for_so_long() -> None:
    time = FakeTime()
    async with running(shared(time)) as broadcast:
        slow = ListSocket(stalled=True)
        client = await joined(broadcast, slow, BTC)
        time.seconds = 9
        assert not client.stuck(10)
        slow.flow(freely=False)
        await take(broadcast, point(1))
        time.seconds = 18
        assert not client.stuck(10)
        time.seconds = 19
        assert client.stuck(10)
        client.cut_off()
        assert slow.aborted


async def test_leaving_with_a_full_socket_cuts_off_and_else_closes() -> None:
    async with running(shared(FakeTime())) as broadcast:
        slow, fast = ListSocket(stalled=True), ListSocket()
        for socket in (slow, fast):
            broadcast.leave(await joined(broadcast, socket, BTC))
        assert (slow.aborted, fast.aborted) == (True, False)
        assert len(broadcast) == 0


async def test_a_heartbeat_only_where_nothing_else_was_sent() -> None:
    time = FakeTime()
    async with running(shared(time)) as broadcast:
        socket = ListSocket()
        client = await joined(broadcast, socket, BTC)
        time.seconds = 3
        await take(broadcast, point(1))
        time.seconds = 7
        await client.beat(5)
        assert socket.of_type("heartbeat") == []
        time.seconds = 8
        await client.beat(5)
        await client.beat(5)
        assert [frame["time"] % 60_000 for frame in socket.of_type("heartbeat")] == [8000]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(0, 8), st.integers(1, 3)),
        st.tuples(st.sampled_from(["stall", "flow", "reconnect", "let"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
@settings(deadline=None)
def test_whatever_happens_a_client_ends_with_the_newest_of_each_window_and_is_told_nothing_twice(
    script: list[tuple[str, int, int]],
) -> None:
    asyncio.run(_follow(script))


async def _follow(script: list[tuple[str, int, int]]) -> None:
    async with running(shared(FakeTime(), max_pending=4, length_ms=2000)) as broadcast:
        view = View()
        socket = ListSocket()
        client = await joined(broadcast, socket, BTC)
        for sequence, (step, window, count) in enumerate(script):
            if step == "record":
                broadcast.take(Batch([point(sequence, window=window, count=count)]))
            elif step == "stall":
                socket.flow(freely=False)
            elif step == "flow":
                socket.flow()
            elif step == "let":
                await settle()
            else:
                broadcast.leave(client)
                view.read(socket)
                socket = ListSocket()
                client = broadcast.join(socket)
                broadcast.subscribe(client, {"BTCUSDT": view.newest})
        socket.flow()
        await settle()
        view.read(socket)
        whole = broadcast.history.since("BTCUSDT", None).points
        assert {p.end: view.windows.get(p.end) for p in whole} == {p.end: p.sequence for p in whole}


class View:
    """What a browser has: the windows by the frames it received, in their order."""

    def __init__(self) -> None:
        self.windows: dict[int, int] = {}
        self.newest: int | None = None

    def read(self, socket: ListSocket) -> None:
        for frame in socket.frames:
            if frame.get("reset"):
                self.windows, self.newest = {}, None
            told = [p["sequence"] for p in frame["points"]]
            assert self.newest is None or all(sequence > self.newest for sequence in told)
            self.windows |= {p["end"]: p["sequence"] for p in frame["points"]}
            self.newest = max([*told, *([] if self.newest is None else [self.newest])], default=None)
