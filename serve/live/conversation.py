"""What a client may say, and what follows from it."""

import asyncio
import contextlib

from aiohttp import WSCloseCode, WSMsgType, web

from contracts.errors import RecordError
from serve.live.allowance import Allowance
from serve.live.broadcast import Broadcast
from serve.live.client import Client
from serve.live.clock import Clock
from serve.live.messages import Painted, Subscribe, error, read_message
from serve.live.metrics import Metrics
from serve.live.settings import LiveSettings

CLOSE_SECONDS = 2.0
_MOST_REASON = 300


class Conversation:
    """Reads the messages of one client until it leaves, or breaks a rule."""

    def __init__(
        self, client: Client, broadcast: Broadcast, metrics: Metrics, settings: LiveSettings, clock: Clock
    ) -> None:
        self._client = client
        self._broadcast = broadcast
        self._metrics = metrics
        self._max_symbols = settings.live_max_symbols
        self._per_second = settings.live_max_messages_per_second
        self._clock = clock
        self._allowance = Allowance(self._per_second, clock.monotonic())

    async def run(self, response: web.WebSocketResponse) -> None:
        """Read until the connection ends; whoever breaks a rule is told which, and let go with code 1008."""
        try:
            async for message in response:
                if message.type is WSMsgType.ERROR:
                    return
                await self._take(message.type, message.data)
        except RecordError as wrong:
            self._metrics.wrong_message()
            await self._client.write(error(str(wrong)[:_MOST_REASON]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await response.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _take(self, kind: WSMsgType, payload: bytes) -> None:
        if not self._allowance.take(self._clock.monotonic()):
            raise RecordError(f"expected at most {self._per_second} messages a second")
        if kind is WSMsgType.PONG:
            return
        if kind is WSMsgType.PING:
            await self._client.pong(payload)
            return
        if kind is not WSMsgType.TEXT:
            raise RecordError("expected text, found bytes")
        match read_message(payload):
            case Subscribe(symbols):
                if len(symbols) > self._max_symbols:
                    raise RecordError(f"expected at most {self._max_symbols} symbols, found {len(symbols)}")
                self._broadcast.subscribe(self._client, symbols)
            case Painted(samples):
                self._metrics.painted(samples)
