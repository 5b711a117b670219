"""What floats lose while blocks are undone, scheme by scheme, and how much of it is too much; no torch.

Undone in floats, every block adds a rounding and scales those that are there already. The growth of a scheme is how
many roundings, amplified on their way down, the input carries that is reconstructed from the end of so many blocks: 0
where reconstruction is exact, infinite where there is none. Times the rounding of the arithmetic it is the relative
error to expect at least; steep blocks add their own slope. How far off a gradient may be is one rule for every scheme,
depth and type: `foretold` must not exceed `limit`; `reversible.rounding` says where that comes from.

The records ask before there is a model, the reversible core asks of the built one. A scheme's numbers that both need
stand here once: to add a scheme, add its growth.
"""

import cmath
import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

LEFT = 0.4
"""Share of the digits that must be left."""
MARGIN = 2.5
"""What lies between the error of the streams and that of the gradient."""
SHARE = 1 / 8
"""Share of a stream that a branch adds to it."""
ONSET = 3
"""Blocks undone until the rounding of the branches counts beside that of the streams."""
SINGLE = 2.0**-24
"""Rounding of float32: half a unit in the last place, relatively."""
ROUNDING = {"float32": SINGLE, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}
"""Relative rounding error of each precision."""
SLOPE = 0.15
"""Slope of a block's residual, the mean over the directions of an error, of untrained ViTs; a rough value."""

LOST_BITS = {1.0: 0, 0.5: 1, 0.25: 2}
"""Bits per number that a scaling by ±γ would lose, for each γ that bdia can scale by on a grid."""
PARTS = 64
"""The weights a of midpoint_a are whole multiples of one part in so many."""
SAFE = 500.0
"""Growth of a rounding of float32 that leaves four digits."""
ENDLESS = 1_000_000
"""Blocks: more than anybody stacks."""
POINTS = 20
"""Number of points on the way of moving weights from start to end at which the growth is computed."""

Growth = Callable[[int], float]
"""Number of blocks → number of roundings that are carried through them."""


def foretold(growth: Growth, blocks: int, *, streams: float, branches: float) -> float:
    """The relative error of the activations once that many blocks are undone.

    streams, branches: the roundings of what they compute in.
    """
    error = growth(blocks) * streams
    if branches > streams and blocks > ONSET:
        error = max(error, growth(blocks - ONSET) * branches * SHARE)
    return error


def limit(rounding: float) -> float:
    """The most of it that may be foretold where the coarsest type rounds so."""
    most: float = max(rounding, SINGLE) ** LEFT / MARGIN
    return most


def unamplified(blocks: int, *, exact: bool) -> float:
    """Growth of additive and hamiltonian: one rounding a block, all of them handed on as they are, of all signs."""
    return 0.0 if exact else math.sqrt(blocks)


def two_step(weights: Sequence[tuple[float, float, float]]) -> float:
    """Growth of x₊ = a·x₋ + b·x + c·h(x): the roundings of the worse of the two states.

    weights: a, b and c of each block. An inverse, x₋ = (x₊ − b·x − c·h(x)) / a, makes roundings of its own, of the state
    and of what b and c weigh, and hands on those of both states it reads. They are of all signs, so that their squares
    add up.
    """
    newer = older = together = worst = 0.0  # variances and covariance, in squared roundings
    for a, b, c in reversed(weights):
        made = (1.0 + abs(b) + abs(c)) ** 2
        handed_on = newer + (b * b + (c * SLOPE) ** 2) * older - 2.0 * b * together
        newer, older, together = older, handed_on / a / a + made, (together - b * older) / a
        if not math.isfinite(older):
            return math.inf
        worst = max(worst, older)
    return math.sqrt(worst)


def momentum(blocks: int, *, gamma: float, exact: bool) -> float:
    """Growth of momentum: two roundings a block, γ⁻ᵏ times larger k blocks below; infinite at γ = 0."""
    if gamma == 0.0:
        return math.inf
    if exact:
        return 0.0
    total = 0.0
    for _ in range(blocks):
        total = 1.0 + total / gamma / gamma
    return 2.0 * math.sqrt(total)


def bdia(blocks: int, *, gamma: float, exact: bool) -> float:
    """Growth of bdia, its signs taken by turns; infinite at γ = 0."""
    if gamma == 0.0:
        return math.inf
    if exact:
        return 0.0
    drawn = [(-1) ** block * gamma for block in range(blocks)]
    return two_step([(g, 1.0 - g, 1.0 + g) for g in drawn])


def midpoint(blocks: int, *, step: float, exact: bool) -> float:
    """Growth of midpoint."""
    return 0.0 if exact else two_step([(1.0, 0.0, 2.0 * step)] * blocks)


def leapfrog(blocks: int, *, step: float, exact: bool) -> float:
    """Growth of leapfrog."""
    return 0.0 if exact else two_step([(-1.0, 2.0, step**2)] * blocks)


def midpoint_a(blocks: int, *, step: float, spread: float, draw: int, exact: bool) -> float:
    """Growth of midpoint_a, as the weights of these blocks have it."""
    if exact:
        return 0.0
    mixing = [float(mixing_weight(draw, index, spread)) for index in range(blocks)]
    return two_step([(a, 1.0 - a, step) for a in mixing])


@lru_cache(maxsize=4096)
def mixing_weight(draw: int, index: int, spread: float) -> Fraction:
    """The weight a that midpoint_a draws for one block."""
    source = random.Random(f"midpoint_a {draw} {index}")
    sign = source.choice((-1, 1))
    return Fraction(round(PARTS * (sign + source.uniform(-spread, spread))), PARTS)


def coefficients(
    blocks: int, *, start: tuple[float, float], end: tuple[float, float], exact: bool
) -> float:
    """Growth of coefficients: the most for (α, β) anywhere between start and end; infinite if β never leaves 0."""
    return 0.0 if exact else _most_on_the_way(start, end, blocks)


@lru_cache(maxsize=64)
def _most_on_the_way(start: tuple[float, float], end: tuple[float, float], blocks: int) -> float:
    growths = []
    for point in range(POINTS + 1):
        alpha, beta = (a + (b - a) * point / POINTS for a, b in zip(start, end, strict=True))
        if beta:
            undone = min(blocks, longest_undone(alpha, beta))
            growths.append(two_step([(beta, alpha, 1.0)] * undone))
    return max(growths, default=math.inf)


def longest_undone(alpha: float, beta: float) -> int:
    """How many blocks floats may undo in a row before a rounding has grown by SAFE; 0 for fewer than two."""
    roots = (alpha + sign * cmath.sqrt(alpha * alpha + 4 * beta) for sign in (1, -1))
    smaller = min(abs(root) / 2 for root in roots)
    if smaller >= 1.0:
        return ENDLESS
    blocks = int(math.log(SAFE) / -math.log(smaller)) if smaller else 0
    return blocks if blocks > 1 else 0


def thousandth(value: float) -> Fraction | None:
    """A weight as the ratio of whole numbers that exact arithmetic scales by; None if it has more than three decimals."""
    ratio = Fraction(round(value * 1000), 1000)
    return ratio if math.isclose(float(ratio), value, abs_tol=1e-9) else None
