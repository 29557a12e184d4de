"""All clients: new points go out in rounds, each encoded once for all who want the same symbols."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from serve.live.client import Client, Shared
from serve.live.feed import Batch
from serve.live.history import History
from serve.live.messages import join_points, points_frame
from serve.live.points import Point
from serve.live.settings import LiveSettings
from serve.live.socket import Socket

_CLIENTS_AT_ONCE = 50
"""After so many clients others get their turn: their messages are read, and Kafka's."""
_BEATS = 4
"""How often within the time of a heartbeat it is seen who needs one."""


class Broadcast:
    """Takes points from the feed, keeps the history, and tells the clients."""

    def __init__(self, shared: Shared, settings: LiveSettings) -> None:
        self._shared = shared
        self._settings = settings
        self._clients: set[Client] = set()
        self._groups: defaultdict[frozenset[str], set[Client]] = defaultdict(set)
        self._changed: dict[tuple[str, int], Point] = {}
        self._anything = asyncio.Event()
        self._void = False
        """The points of the round that is being sent are of a topic that is no more."""

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def history(self) -> History:
        """What is remembered."""
        return self._shared.history

    def join(self, socket: Socket) -> Client:
        """Take a client in; it gets nothing before it subscribes."""
        client = Client(socket, self._shared)
        self._clients.add(client)
        return client

    def subscribe(self, client: Client, symbols: Mapping[str, int | None]) -> None:
        """Let a client have these symbols and no others."""
        self._leave_group(client)
        client.subscribe(symbols)
        self._groups[client.symbols].add(client)

    def leave(self, client: Client) -> None:
        """Let a client go."""
        self._clients.discard(client)
        self._leave_group(client)
        client.leave()

    def take(self, batch: Batch) -> None:
        """Take in what the feed has read."""
        self._shared.metrics.received(len(batch.points), batch.unreadable)
        if batch.starts_anew:
            self._start_anew()
        replaced = 0
        for point in batch.points:
            if self._shared.history.add(point):
                key = (point.symbol, point.end)
                # At its end again: the order stays that of the sequences.
                replaced += self._changed.pop(key, None) is not None
                self._changed[key] = point
        if not self._shared.ready:
            self._changed.clear()
            self._shared.ready = batch.caught_up
            if batch.caught_up:
                for client in self._clients:
                    client.send_pending()
            return
        self._shared.metrics.conflated("all", replaced)
        if self._changed:
            self._anything.set()

    async def run(self) -> None:
        """Send rounds of new points, and heartbeats, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_rounds())
            tasks.create_task(self._look_after())

    async def _send_rounds(self) -> None:
        while True:
            await self._anything.wait()
            self._anything.clear()
            points = list(self._changed.values())
            self._changed.clear()
            self._shared.round += 1
            await self._send_round(points)
            await asyncio.sleep(self._settings.live_pace_seconds)

    async def _send_round(self, points: list[Point]) -> None:
        """Send points to all who want them. Who subscribes meanwhile has them in its histories."""
        self._void = False
        self._shared.metrics.arrived(points)
        self._shared.metrics.leaving(points, self._shared.clock.wall_ms())
        for symbols, group in list(self._groups.items()):
            wanted = [point for point in points if point.symbol in symbols]
            joined = join_points(wanted)
            members = list(group) if wanted else []
            for start in range(0, len(members), _CLIENTS_AT_ONCE):
                frame = points_frame(joined, int(self._shared.clock.wall_ms()))
                for client in members[start : start + _CLIENTS_AT_ONCE]:
                    if client in group:
                        await client.tell(wanted, frame)
                await asyncio.sleep(0)
                if self._void:
                    return

    async def _look_after(self) -> None:
        """Send heartbeats, and cut off who takes nothing."""
        pause = min(self._settings.live_heartbeat_seconds, self._settings.live_send_seconds) / _BEATS
        while True:
            await asyncio.sleep(pause)
            for client in list(self._clients):
                if client.stuck(self._settings.live_send_seconds):
                    self._shared.metrics.cut_off()
                    client.cut_off()
                else:
                    await client.beat(self._settings.live_heartbeat_seconds - pause)

    def _start_anew(self) -> None:
        """Forget everything, and let the clients do the same: sequences begin again."""
        self._shared.history.clear()
        self._changed.clear()
        self._void = True
        for client in self._clients:
            client.subscribe(dict.fromkeys(client.symbols))

    def _leave_group(self, client: Client) -> None:
        group = self._groups.get(client.symbols)
        if group is not None:
            group.discard(client)
            if not group:
                del self._groups[client.symbols]
