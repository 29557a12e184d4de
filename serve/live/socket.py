"""A client's socket that never waits when it is written to, and tells when it is full."""

import asyncio
import socket
from typing import Protocol

from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

_KERNEL_BYTES = 128 * 1024
"""What the kernel holds of a client's data. Left to itself it takes megabytes, which are old when they arrive."""


class Socket(Protocol):
    """Where a client's frames go."""

    @property
    def full(self) -> bool:
        """Whether some of what was written still waits here."""

    async def write(self, frame: bytes) -> None:
        """Write a text frame without waiting; raise ConnectionError where the client is gone."""

    async def pong(self, payload: bytes) -> None:
        """Write the answer to a ping without waiting; raise ConnectionError where the client is gone."""

    async def drain(self) -> None:
        """Wait until nothing waits here; raise ConnectionError where the client is gone."""

    def abort(self) -> None:
        """Cut the client off at once, and forget what waits."""


class WebSocket:
    """The socket of an open WebSocket."""

    def __init__(self, response: web.WebSocketResponse, request: web.Request, writer: AbstractStreamWriter) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        self._response = response
        self._transport: asyncio.WriteTransport = transport
        self._writer = writer
        self._transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    @property
    def full(self) -> bool:
        """Whether the kernel did not take all."""
        return self._transport.get_write_buffer_size() > 0

    async def write(self, frame: bytes) -> None:
        """Write a text frame; that it does not wait is up to `writer_limit` of the response."""
        await self._response.send_frame(frame, WSMsgType.TEXT)

    async def pong(self, payload: bytes) -> None:
        """Write the answer to a ping."""
        await self._response.pong(payload)

    async def drain(self) -> None:
        """Wait until the kernel has taken all."""
        await self._writer.drain()

    def abort(self) -> None:
        """Close the connection; what the kernel has not taken is lost."""
        self._transport.abort()
