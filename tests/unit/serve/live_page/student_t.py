"""Student's t distribution by numerical integration of its density: what the page's series is judged by."""

import math

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
PIECES_TO_ONE = 8


def probability_within(t: float, degrees: int) -> float:
    """Return P(|T| < t): Gauss-Legendre on pieces that double in length, as the density's tail gets flatter."""
    constant = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    pieces = math.ceil(math.log2(max(t, 1))) + PIECES_TO_ONE
    edges = np.concatenate([[0.0], t * 2.0 ** np.arange(-pieces, 1)])
    half = np.diff(edges)[:, None] / 2
    xs = edges[:-1, None] + half * (1 + NODES)
    density = constant * (1 + xs**2 / degrees) ** (-(degrees + 1) / 2)
    return float(2 * np.sum(density * WEIGHTS * half))


def quantile_within(probability: float, degrees: int) -> float:
    """Return t such that P(|T| < t) is the probability, by halving."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        if probability_within(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2
