"""Wait for what arrives, but not for long."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def next_of(queue: "asyncio.Queue[T]", seconds: float) -> T | None:
    """Return the next of a queue, None where nothing comes within so many seconds."""
    if not queue.empty():
        return queue.get_nowait()
    try:
        async with asyncio.timeout(seconds):
            return await queue.get()
    except TimeoutError:
        return None
