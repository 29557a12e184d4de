"""Waits between retries: exponential, capped, jittered.

A plain generator: stamina's waits know neither Retry-After nor an injected clock.
"""

import random
from collections.abc import Iterator


def waits(jitter: random.Random, *, first: float, longest: float) -> Iterator[float]:
    """Yield seconds without end: the n-th is drawn from the upper half of first x 2^n, capped at `longest`.

    >>> [round(wait) for _, wait in zip(range(4), waits(random.Random(1), first=10, longest=30))]
    [6, 18, 26, 19]
    """
    step = first
    while True:
        yield jitter.uniform(step / 2, step)
        step = min(step * 2, longest)
