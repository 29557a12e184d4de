"""Random walks that can be read at any moment without walking there: a pure function of seed, series and time.

A walk is a sum of tents (the Lévy-Ciesielski construction of Brownian motion): the tent of each level gets its
height from a hash of (seed, series, level, position), so no value depends on which were asked for before.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_Hashes = NDArray[np.uint64]

_LEVELS = 23
BLOCK_SECONDS = 2**_LEVELS
"""A walk is tied to a hashed height at each end of a block of 97 days, which keeps it near its start for ever."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(bits: _Hashes) -> _Hashes:
    """Scramble 64 bits (the finalizer of splitmix64, Steele, Lea and Flood 2014)."""
    bits = bits + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


def _hash(seed: int, *keys: Integers) -> _Hashes:
    bits: _Hashes = _mix(np.asarray([seed], dtype=np.int64).astype(np.uint64))
    for key in keys:
        bits = _mix(bits ^ key.astype(np.uint64))
    return bits


def uniform(seed: int, *keys: Integers) -> Floats:
    """Return numbers in [0, 1) that depend on nothing but the seed and the keys (broadcast together)."""
    return (_hash(seed, *keys) >> np.uint64(11)).astype(np.float64) / float(2**53)


def normal(seed: int, *keys: Integers) -> Floats:
    """Return numbers of mean 0 and variance 1, near normal: the sum of four uniform parts of one hash."""
    bits = _hash(seed, *keys)
    lane = np.uint64(0xFFFF)
    total = (
        (bits & lane) + ((bits >> np.uint64(16)) & lane) + ((bits >> np.uint64(32)) & lane) + (bits >> np.uint64(48))
    )
    heights: Floats = (total.astype(np.float64) / 65536.0 - 2.0 + 2.0 / 65536.0) * np.sqrt(3.0)
    return heights


def walk(seed: int, series: Integers, seconds: Integers) -> Floats:
    """Return random walks of variance 1 per second at the given Unix seconds (series and seconds broadcast).

    Increments within a block are those of Brownian motion; about its mean a walk strays some 2,000, the square root
    of half a block.
    """
    series, seconds = np.broadcast_arrays(series, seconds)
    block, offset = np.divmod(seconds, BLOCK_SECONDS)
    position = offset / BLOCK_SECONDS
    ends = np.sqrt(BLOCK_SECONDS) / 2
    level_of_ends = np.full_like(series, -1)
    left = normal(seed, series, level_of_ends, block)
    right = normal(seed, series, level_of_ends, block + 1)
    height = ends * (left * (1 - position) + right * position)

    levels = np.arange(_LEVELS, dtype=np.int64)
    lengths = np.left_shift(np.int64(1), _LEVELS - levels)
    index, inside = np.divmod(seconds[..., np.newaxis], lengths)
    tent = 1.0 - np.abs(2.0 * inside / lengths - 1.0)
    heights = normal(seed, series[..., np.newaxis], levels, index) * (np.sqrt(lengths) / 2.0)
    total: Floats = height + (heights * tent).sum(axis=-1)
    return total
