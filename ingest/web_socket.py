"""Open a WebSocket, and name what went wrong."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from contracts.errors import TransientSourceError
from ingest.clock import utc_now
from ingest.http import origin_of, wait_asked

Connect = Callable[[str], Awaitable[aiohttp.ClientWebSocketResponse]]
"""Opens a WebSocket at a URL; raises TransientSourceError where none can be opened."""


def connector(session: aiohttp.ClientSession, *, timeout_seconds: float) -> Connect:
    """Return what opens WebSockets in a session. Pings are the reader's to answer, whom they tell that it lives."""

    async def connect(url: str) -> aiohttp.ClientWebSocketResponse:
        origin = origin_of(url)
        timeout = aiohttp.ClientWSTimeout(ws_close=2.0)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await session.ws_connect(url, timeout=timeout, autoping=False)
        except TimeoutError:
            raise TransientSourceError(
                f"{origin}: expected a WebSocket within {timeout_seconds:g} s, found none", kind="timeout"
            ) from None
        except aiohttp.WSServerHandshakeError as error:
            asked = None if error.headers is None else error.headers.get("Retry-After")
            raise TransientSourceError(
                f"{origin}: expected a WebSocket, found status {error.status}",
                kind="rate_limited" if error.status in {418, 429} else "handshake",
                retry_after=wait_asked(asked, utc_now()),
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientSourceError(
                f"{origin}: expected a WebSocket, found no connection ({type(error).__name__})", kind="connection"
            ) from None

    return connect
